package referral

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

const (
	askEvery    = time.Second
	asksAtATime = 16
	asksOfASite = 4
)

// runHooks asks decision hooks until ctx ends.
func (m *Module) runHooks(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.tick(ctx, m.AskHooks, "asking decision hooks", "decision hooks were asked")
		}
	}
}

// AskHooks asks what is due, some at a time, and returns how many questions it asked.
func (m *Module) AskHooks(ctx context.Context) (int, error) {
	for total := 0; ; {
		var due []ask
		err := m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
			due, err = claimAsks(ctx, u.Tx, u.Now, hookLease, asksAtATime, asksOfASite)
			return err
		})
		if err != nil || len(due) == 0 {
			return total, err
		}
		errs := make([]error, len(due))
		var all sync.WaitGroup
		for i, a := range due {
			all.Go(func() { errs[i] = m.askHook(ctx, a) })
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				return total, err
			}
		}
		total += len(due)
	}
}

// askHook asks one question, outside of any transaction, and does what the answer says.
func (m *Module) askHook(ctx context.Context, a ask) error {
	hooks, err := hooksOf(ctx, m.db, a.SiteID)
	if err != nil {
		return err
	}
	h := (&book{hooks: hooks}).hookOf(a.CampaignID)
	tried := attempt{At: m.now()}
	if h != nil && a.Tries <= hookTries { // else whoever had the last try has died in it
		if err := m.call(ctx, h, a, &tried); err != nil {
			return err
		}
	}
	if ctx.Err() != nil { // that is no answer of the hook's
		return ctx.Err()
	}
	return m.settleAsk(ctx, h, a, tried)
}

// call asks a hook, and reads its answer into t.
func (m *Module) call(ctx context.Context, h *hook, a ask, t *attempt) error {
	r, err := referralByID(ctx, m.db, a.SiteID, a.ReferralID)
	if err != nil {
		return err
	}
	found := r.findings()
	body, err := json.Marshal(question{Type: "referral.decision", ID: a.id(), AskedAt: a.AskedAt.UTC(), Referral: showReferral(r.answer(nil, t.At, nil)),
		Verdict: worst(found), Rules: explained(found)})
	if err != nil {
		return err
	}
	header, err := outcall.Sign([]string{h.Secret}, a.id(), t.At, body)
	if err != nil {
		return err
	}
	header["Content-Type"] = []string{"application/json"}
	t.read(m.calls.Post(ctx, outcall.Call{URL: h.URL, Header: header, Body: body, Timeout: time.Duration(h.TimeoutMS) * time.Millisecond}))
	return nil
}

// settleAsk keeps what a try came to, and does what was decided, if the referral waits for it.
func (m *Module) settleAsk(ctx context.Context, h *hook, asked ask, t attempt) error {
	evidence, err := json.Marshal([]attempt{t})
	if err != nil {
		return err
	}
	return m.outbox.InTx(ctx, func(u *bus.Unit) error {
		list, err := lockReferralByID(ctx, u.Tx, asked.SiteID, asked.ReferralID)
		if err != nil || len(list) == 0 {
			return err
		}
		a, err := lockAsk(ctx, u.Tx, asked)
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
		m.metrics.Of(ctx).decisions.WithLabelValues(a.State, deref(a.Decision)).Inc()
		if t.Failure != "" {
			m.log.Warn().Int64("site_id", a.SiteID).Int64("referral_id", a.ReferralID).Int("try", a.Tries).Str("failure", t.Failure).Str("state", a.State).
				Msg("a decision hook did not answer")
		}
		return saveAsk(ctx, u.Tx, u.Now, a, string(evidence), next)
	})
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
