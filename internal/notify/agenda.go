package notify

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/agenda"
)

// duties are what the workers find. A lease ends after its moment, not at it.
var duties = agenda.Agenda{
	{What: "messages", Kind: agenda.Timed, SQL: `select next_at as at from notify.message where status = 'queued'`},
	{What: "messages on their way", Kind: agenda.Underway, SQL: `select lease_until + interval '1 microsecond' as at from notify.message where lease_until is not null`},
	{What: "questions about mails", Kind: agenda.Timed, SQL: `select next_at as at from notify.mail_ask where state = 'waiting'`},
	{What: "webhooks", Kind: agenda.Timed, SQL: `select next_at as at from notify.delivery where state = 'waiting'`},
	{What: "webhooks on their way", Kind: agenda.Underway, SQL: `select lease_until + interval '1 microsecond' as at from notify.delivery where state = 'sending'`},
	{What: "webhooks to send again", Kind: agenda.AtOnce, SQL: `select null::timestamptz as at from notify.endpoint where resend_since is not null`},
}

// Agenda is what the workers find.
func (m *Module) Agenda() agenda.Agenda { return duties }

// Due says what the workers have to do by a moment, and what comes next.
func (m *Module) Due(ctx context.Context, at time.Time) ([]agenda.Line, error) {
	return duties.Look(ctx, m.DB, at)
}

// RunDue ends the leases of who has died, and has the workers look; they send in their own time.
func (m *Module) RunDue(ctx context.Context) error {
	if err := m.endLeases(ctx); err != nil {
		return err
	}
	if _, err := m.AskMailHooks(ctx); err != nil {
		return err
	}
	if err := m.tidyHooks(ctx, false); err != nil {
		return err
	}
	for range workers {
		select {
		case m.kick <- struct{}{}:
		default:
		}
	}
	m.kickHooks()
	return nil
}

// TakeTimers takes nobody's place: the workers hold leases, so that who they are doesn't matter.
func (m *Module) TakeTimers() (giveBack func()) { return func() {} }
