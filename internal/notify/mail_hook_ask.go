package notify

import (
	"context"
	"encoding/json"
	"time"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/bus"
)

const (
	mailAskEvery  = time.Second
	mailAsksOnce  = 16
	mailAsksOfOne = 4 // site
)

// askMails asks shops about messages until ctx ends: beside the queue, so that a slow shop keeps nobody's mail but its own.
func (m *Module) askMails(ctx context.Context) error {
	agenda.Every(ctx, mailAskEvery, func() {
		if _, err := m.AskMailHooks(ctx); err != nil && ctx.Err() == nil {
			m.Log.Warn().Err(err).Msg("questions about mails wait")
		}
	})
	return nil
}

// ask puts a claimed message back into the queue, to wait for the answer to a question that is put by it.
func (w *worker) ask(ctx context.Context, j job) error {
	return putMailAsk(ctx, w.DB, j, w.Now(), w.Now().Add(mailAskWait))
}

// AskMailHooks asks what is due, some at a time, and returns how many questions it asked.
func (m *Module) AskMailHooks(ctx context.Context) (int, error) {
	return agenda.Rounds(func() (due []mailAsk, err error) {
		err = mailAsksDue.Claim(ctx, m.DB, &due, m.Now(), mailAskLease, mailAsksOnce, mailAsksOfOne)
		return due, err
	}, func(a mailAsk) error { return m.askMailHook(ctx, a) })
}

// askMailHook asks one question outside of any transaction, and does what the answer says.
func (m *Module) askMailHook(ctx context.Context, a mailAsk) error {
	h, err := mailHookOf(ctx, m.DB, a.SiteID)
	if err != nil {
		return err
	}
	tried := mailAttempt{At: m.Now()}
	if h != nil && h.Enabled && a.Tries <= mailAskTries { // else whoever had the last try has died in it
		if err := m.callMailHook(ctx, h, a, &tried); err != nil {
			return err
		}
	}
	if ctx.Err() != nil { // that is no answer of the shop's
		return ctx.Err()
	}
	return m.settleMailAsk(ctx, h, a, tried)
}

func (m *Module) callMailHook(ctx context.Context, h *mailHook, a mailAsk, t *mailAttempt) error {
	q := mailQuestion{Type: "mail.decision", ID: a.id(), AskedAt: a.AskedAt.UTC()}
	if err := readAskedMail(ctx, m.DB, a, &q); err != nil {
		return err
	}
	call, err := m.Calls.Question(h.SiteID, h.Secret, a.id(), t.At, q)
	if err != nil {
		return err
	}
	call.URL, call.Timeout = h.URL, time.Duration(h.TimeoutMS)*time.Millisecond
	t.read(m.Calls.Post(ctx, call))
	return nil
}

// settleMailAsk keeps what a try came to. The message, if it still waits, goes on its way or ends.
func (m *Module) settleMailAsk(ctx context.Context, h *mailHook, asked mailAsk, t mailAttempt) error {
	evidence, err := json.Marshal([]mailAttempt{t})
	if err != nil {
		return err
	}
	sends := false
	err = m.Outbox.InTx(ctx, func(u *bus.Unit) error {
		a, err := lockMailAsk(ctx, u, asked)
		if err != nil || a == nil {
			return err
		}
		next := h.settle(a, t, u.Now)
		if sends = a.Send != nil && *a.Send; a.Send != nil {
			gone, found, err := answerMessage(ctx, u, a.SiteID, a.MessageID, sends, u.Now)
			if err != nil {
				return err
			}
			if !found {
				a.State, a.Send = askMoot, nil
			}
			m.tellEnds(ctx, u, gone)
		}
		m.noteMailAsk(ctx, a, t)
		return saveMailAsk(ctx, u, a, string(evidence), next, u.Now)
	})
	if err == nil && sends {
		select {
		case m.kick <- struct{}{}:
		default:
		}
	}
	return err
}

// noteMailAsk counts a try, and says in the log why it failed.
func (m *Module) noteMailAsk(ctx context.Context, a *mailAsk, t mailAttempt) {
	send := ""
	if a.Send != nil {
		send = map[bool]string{true: "yes", false: "no"}[*a.Send]
	}
	m.metrics.Of(ctx).mailAsks.WithLabelValues(a.State, send).Inc()
	if t.Failure != "" {
		m.Log.Warn().Int64("site_id", a.SiteID).Int64("message_id", a.MessageID).Int("try", a.Tries).Str("failure", t.Failure).Str("state", a.State).
			Msg("a mail hook did not answer")
	}
}
