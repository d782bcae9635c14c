package loyalty

import (
	"context"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/agenda"
)

// duties are what the timers find, see pass.
var duties = agenda.Agenda{
	{What: "scheduled programmes", Kind: agenda.Timed, SQL: `select next_at as at from loyalty.program where next_at is not null`},
	{What: "holds", Kind: agenda.Timed, SQL: `select until as at from loyalty.hold where status = 'held'`},
	{What: "points to activate", Kind: agenda.Timed, SQL: `select activates_at as at from loyalty.lot where pending and remaining > 0 and activates_at is not null`},
	{What: "points that expire", Kind: agenda.Timed, SQL: `select expires_at as at from loyalty.lot where remaining > 0 and expires_at is not null`},
	{What: "members who lapse", Kind: agenda.Timed, SQL: `select lapses_at as at from loyalty.member where lapses_at is not null`},
	{What: "wallets whose members lapse", Kind: agenda.Timed, SQL: `select lapses_at as at from loyalty.account where lapses_at is not null`},
	{What: "members who forfeit points", Kind: agenda.Timed, SQL: `select forfeit_at as at from loyalty.member where forfeited is null and forfeit_at is not null and status <> 'merged'`},
	{What: "expiry to reverse", Kind: agenda.AtOnce, SQL: `select null::timestamptz as at from loyalty.expiry_reversal where done_at is null`},
	{What: "cancellations that were begun", Kind: agenda.Timed, SQL: `select cancel_wanted_at + interval '10 seconds' as at from loyalty.redemption where cancel_wanted_at is not null and status <> 'cancelled'`},
	{What: "questions to fulfilment hooks", Kind: agenda.Timed, SQL: `select next_at as at from loyalty.fulfilment_ask where state in ('waiting', 'asking')`},
	{What: "changed reminders", Kind: agenda.AtOnce, SQL: `select null::timestamptz as at from loyalty.program where rewake_after is not null`},
	{What: "points to be reminded of", Kind: agenda.Timed, SQL: `select wake_at as at from loyalty.lot where wake_at is not null`},
	{What: "members to be reminded", Kind: agenda.Timed, SQL: `select wake_at as at from loyalty.member where wake_at is not null`},
	{What: "members to be reminded of a wallet", Kind: agenda.Timed, SQL: `select wake_at as at from loyalty.account where wake_at is not null`},
	{What: "members of older tiers", Kind: agenda.AtOnce, SQL: `select null::timestamptz as at from loyalty.program p
		join loyalty.member m on m.site_id = p.site_id and m.tiers_version < p.tiers_version`},
	{What: "rules to be asked", Kind: agenda.AtOnce, SQL: `select at from loyalty.rule_due`},
	{What: "points of achievements that were lost", Kind: agenda.AtOnce, SQL: lostAndAsked},
	{What: "changed achievements", Kind: agenda.AtOnce, SQL: `select null::timestamptz as at from loyalty.program where feats_after is not null`},
	{What: "streaks that break", Kind: agenda.Timed, SQL: `select breaks_at as at from loyalty.achievement_streak where breaks_at is not null`},
	{What: "backtests to play", Kind: agenda.AtOnce, SQL: `select asked_at as at from loyalty.backtest where finished_at is null and (state = 'waiting' or until <= $1)`},
	{What: "backtests that are played", Kind: agenda.Underway, SQL: `select until as at from loyalty.backtest where finished_at is null and until > $1`},
	{What: "tiers that time changes", Kind: agenda.Timed, SQL: `select tier_due_at as at from loyalty.member where tier_due_at is not null`},
}

// Agenda is what the timers find.
func (m *Module) Agenda() agenda.Agenda { return duties }

// Due says what the timers have to do by a moment, and what comes next.
func (m *Module) Due(ctx context.Context, at time.Time) ([]agenda.Line, error) {
	lines, err := duties.Look(ctx, m.db, at)
	if err != nil {
		return nil, err
	}
	days, err := m.daysDue(ctx, m.db, at)
	return append(lines, days), err
}

// daysDue says for how many programmes a day has begun, and when the next one begins that is any member's.
func (m *Module) daysDue(ctx context.Context, db sqlx.QueryerContext, at time.Time) (agenda.Line, error) {
	line := agenda.Line{What: "days of members", Kind: agenda.Timed}
	rows, err := dayPrograms(ctx, db)
	if err != nil {
		return line, err
	}
	for _, r := range rows {
		ed, err := m.editionOf(ctx, db, versionKey{r.SiteID, r.ID, r.Version})
		if err != nil {
			return line, err
		}
		if ed.earner == nil || ed.earner.days() == nil {
			continue
		}
		marks, err := dayMarks(ctx, db, r.SiteID, ed.earner.days())
		if err != nil {
			return line, err
		}
		here := at.In(ed.earner.zone)
		today := time.Date(here.Year(), here.Month(), here.Day(), 0, 0, 0, 0, ed.earner.zone)
		if r.next(today.Format(time.DateOnly)) != "" {
			line.Due++
			line.First = earlier(line.First, today)
		}
		for _, mark := range marks {
			line.Next = earlier(line.Next, nextOn(mark, today))
		}
	}
	return line, nil
}

// nextOn is when a day of the year comes next after today: the 29th of February is the 28th in other years.
func nextOn(mark int, today time.Time) time.Time {
	for year := today.Year(); ; year++ {
		day := time.Date(year, time.Month(mark/100), mark%100, 0, 0, 0, 0, today.Location())
		if mark == 229 && day.Day() == 1 {
			day = day.AddDate(0, 0, -1)
		}
		if day.After(today) {
			return day
		}
	}
}

func earlier(a *time.Time, b time.Time) *time.Time {
	if a != nil && !b.Before(*a) {
		return a
	}
	return &b
}

// RunDue does what is due, in the order of the timers.
func (m *Module) RunDue(ctx context.Context) error {
	m.pass(ctx)
	_, asked := m.AskHooks(ctx)
	_, played := m.PlayBacktests(ctx)
	return errors.Join(asked, played)
}
