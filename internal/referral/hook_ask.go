package referral

import (
	"context"
	"encoding/json"
	"time"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

const (
	askEvery    = time.Second
	asksAtATime = 16
	asksOfASite = 4
)

// runHooks asks decision hooks until ctx ends.
func (m *Module) runHooks(ctx context.Context) {
	agenda.Every(ctx, askEvery, func() { m.tick(ctx, m.AskHooks, "asking decision hooks", "decision hooks were asked") })
}

// sealOld seals the secrets of before. One that stays open for now signs as well.
func (m *Module) sealOld(ctx context.Context) {
	for _, table := range []string{"referral.decision_hook", "referral.coupon_supply"} {
		if m.calls == nil {
			return
		}
		if err := m.calls.SealOld(ctx, m.db, table); err != nil && ctx.Err() == nil {
			m.log.Error().Err(err).Msg("sealing secrets failed; it is tried again when a server begins")
		}
	}
}

// AskHooks asks what is due, some at a time, and returns how many questions it asked.
func (m *Module) AskHooks(ctx context.Context) (int, error) {
	n, err := m.askDue(ctx, referralAsks, m.askReferral, m.settleAsk)
	if err != nil {
		return n, err
	}
	clicks, err := m.askDue(ctx, clickAsks, m.askClick, m.settleClick)
	return n + clicks, err
}

// asking asks a hook one question outside of any transaction, and reads its answer into the attempt.
type asking func(ctx context.Context, h *hook, a ask, t *attempt) error

// settling keeps what a try came to, and does what was decided.
type settling func(ctx context.Context, h *hook, a ask, t attempt) error

func (m *Module) askDue(ctx context.Context, about askTable, put asking, settle settling) (int, error) {
	return agenda.Rounds(func() (due []ask, err error) {
		err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
			due = nil
			return about.due().Claim(ctx, u, &due, u.Now, hookLease, asksAtATime, asksOfASite)
		})
		return due, err
	}, func(a ask) error { return m.askHook(ctx, a, put, settle) })
}

// askHook asks one question, and does what the answer says.
func (m *Module) askHook(ctx context.Context, a ask, put asking, settle settling) error {
	hooks, err := hooksOf(ctx, m.db, a.SiteID)
	if err != nil {
		return err
	}
	h := (&book{hooks: hooks}).hookOf(a.CampaignID)
	tried := attempt{At: m.now()}
	if h != nil && a.Tries <= hookTries { // else whoever had the last try has died in it
		if err := put(ctx, h, a, &tried); err != nil {
			return err
		}
	}
	if ctx.Err() != nil { // that is no answer of the hook's
		return ctx.Err()
	}
	return settle(ctx, h, a, tried)
}

// askReferral asks about a referral.
func (m *Module) askReferral(ctx context.Context, h *hook, a ask, t *attempt) error {
	r, err := referralByID(ctx, m.db, a.SiteID, a.SubjectID)
	if err != nil {
		return err
	}
	found, id := r.findings(), a.id("decision")
	return m.put(ctx, h, id, t, question{Type: "referral.decision", ID: id, AskedAt: a.AskedAt.UTC(), Referral: showReferral(r.answer(nil, t.At, nil)),
		Verdict: worst(found), Rules: explained(found)})
}

// put asks a hook, and reads its answer into t.
func (m *Module) put(ctx context.Context, h *hook, id string, t *attempt, question any) error {
	call, err := m.calls.Question(h.SiteID, h.Secret, id, t.At, question)
	if err != nil {
		return err
	}
	call.URL, call.Timeout = h.URL, time.Duration(h.TimeoutMS)*time.Millisecond
	t.read(m.calls.Post(ctx, call))
	return nil
}

// settleAsk keeps what a try came to, and does what was decided, if the referral waits for it.
func (m *Module) settleAsk(ctx context.Context, h *hook, asked ask, t attempt) error {
	evidence, err := json.Marshal([]attempt{t})
	if err != nil {
		return err
	}
	return m.outbox.InTx(ctx, func(u *bus.Unit) error {
		list, err := lockReferralByID(ctx, u.Tx, asked.SiteID, asked.SubjectID)
		if err != nil || len(list) == 0 {
			return err
		}
		a, err := referralAsks.lock(ctx, u.Tx, asked)
		if err != nil || a == nil {
			return err
		}
		state, decision, reason, next := h.verdictOf(*a, t, u.Now)
		a.State, a.Decision, a.Reason = state, orNull(decision), orNull(reason)
		switch {
		case !askable(list[0].Status):
			a.State, a.Decision, next = askMoot, nil, u.Now
		case state != askWaiting:
			if err := m.heed(ctx, u, list, decision, reason); err != nil {
				return err
			}
		}
		m.noteTry(ctx, referralAsks, a, t)
		return referralAsks.save(ctx, u.Tx, u.Now, a, string(evidence), next)
	})
}

// noteTry counts a try, and says in the log why it failed.
func (m *Module) noteTry(ctx context.Context, about askTable, a *ask, t attempt) {
	m.metrics.Of(ctx).decisions.WithLabelValues(a.State, deref(a.Decision)).Inc()
	if t.Failure != "" {
		m.log.Warn().Int64("site_id", a.SiteID).Int64(about.id, a.SubjectID).Int("try", a.Tries).Str("failure", t.Failure).Str("state", a.State).
			Msg("a decision hook did not answer")
	}
}

// heed does with a locked referral what was decided about it. Approve means that nothing speaks against it: it goes on as
// without a hook.
func (m *Module) heed(ctx context.Context, u *bus.Unit, list []referral, decision, reason string) error {
	r := &list[0]
	r.KeyID, r.Note = nil, orNull(reason)
	switch {
	case decision == hookVoid:
		return m.move(ctx, u, list, referralevent.Voided, causeHook)
	case decision == hookHold && r.Status == referralevent.Pending:
		return m.move(ctx, u, list, referralevent.Flagged, causeHook)
	case decision == hookHold:
		return nil
	case r.Status == referralevent.Flagged:
		if err := m.move(ctx, u, list, referralevent.Pending, causeHook); err != nil {
			return err
		}
	}
	c, err := campaignOf(ctx, u, r.SiteID, r.CampaignID)
	if err != nil || c.ApprovalMode != automatic {
		return err
	}
	due := c.due(r.CreatedAt)
	if due.After(u.Now) {
		r.ApproveAt = &due
		return approveLater(ctx, u.Tx, r)
	}
	return m.move(ctx, u, list, referralevent.Approved, causeAutomatic)
}
