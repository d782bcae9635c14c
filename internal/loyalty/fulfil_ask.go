package loyalty

import (
	"context"
	"errors"
	"time"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

const (
	askEvery    = time.Second
	asksAtATime = 16
	asksOfASite = 4
)

// fulfilQuestion is what a fulfilment hook is asked.
type fulfilQuestion struct {
	Type       string                `json:"type"`
	ID         string                `json:"id"`
	AskedAt    time.Time             `json:"asked_at"`
	Redemption loyaltyapi.Redemption `json:"redemption"`
	Member     fulfilMember          `json:"member"`
}

type fulfilMember struct {
	ID        int64  `json:"id"`
	PersonID  int64  `json:"person_id"`
	Email     string `json:"email,omitempty"`
	FirstName string `json:"first_name,omitempty"`
	LastName  string `json:"last_name,omitempty"`
}

// keepAsking asks fulfilment hooks until ctx ends.
func (m *Module) keepAsking(ctx context.Context) {
	if m.calls != nil {
		if err := m.calls.SealOld(ctx, m.db, "loyalty.fulfilment_hook"); err != nil && ctx.Err() == nil {
			m.log.Error().Err(err).Msg("sealing secrets failed; it is tried again when a server begins")
		}
	}
	agenda.Every(ctx, askEvery, func() {
		m.Tick(func() {
			if _, err := m.AskHooks(ctx); err != nil && ctx.Err() == nil {
				m.log.Error().Err(err).Msg("asking fulfilment hooks failed; it is tried again")
			}
		})
	})
}

// AskHooks asks what is due, some at a time, and returns how many questions it asked.
func (m *Module) AskHooks(ctx context.Context) (int, error) {
	return agenda.Rounds(func() (due []fulfilAsk, err error) {
		err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
			due = nil
			return fulfilAsksDue.Claim(ctx, u, &due, u.Now, hookLease, asksAtATime, asksOfASite)
		})
		return due, err
	}, func(a fulfilAsk) error { return m.askHook(ctx, a) })
}

// askHook asks one question, outside of any transaction, and does what the answer says. A refusal is done before it is kept: should this end
// in between, the question is asked again, and to cancel again changes nothing.
func (m *Module) askHook(ctx context.Context, a fulfilAsk) error {
	r, err := redemptionOf(ctx, m.db, a.SiteID, a.RedemptionID)
	if err != nil {
		return err
	}
	h, err := fulfilHookOf(ctx, m.db, a.SiteID)
	if err != nil {
		return err
	}
	tried := fulfilAttempt{At: m.now()}
	if r.Status == waiting && h != nil && h.Enabled && m.calls != nil {
		if err := m.callHook(ctx, h, a, r, &tried); err != nil {
			return err
		}
	}
	if ctx.Err() != nil { // that is no answer of the hook's
		return ctx.Err()
	}
	now := m.now()
	cancel := h.settle(&a, tried, now)
	switch {
	case r.Status != waiting:
		a.State, a.SettledAt = askMoot, &now
	case cancel != "":
		if _, err := m.actions.Do(ctx, action{site: a.SiteID, kind: kindCancel, id: a.RedemptionID, text: cancel, byHook: true}); err != nil && !errors.Is(err, errSettled) {
			return err
		}
	}
	return m.settleAsk(ctx, a, tried)
}

// callHook asks a hook, and reads its answer into t. Who redeemed it is asked at the last moment, so no address is kept here.
func (m *Module) callHook(ctx context.Context, h *fulfilHook, a fulfilAsk, r redemption, t *fulfilAttempt) error {
	person, err := personOfMember(ctx, m.db, a.SiteID, r.MemberID)
	if err != nil {
		return err
	}
	who := customerapi.Person{}
	if m.people != nil {
		known, err := m.people.People(ctx, a.SiteID, []int64{person})
		if err != nil {
			return err
		}
		who = known[person]
	}
	call, err := m.calls.Question(h.SiteID, h.Secret, a.id(), t.At, fulfilQuestion{Type: "redemption.fulfilment", ID: a.id(), AskedAt: a.AskedAt.UTC(), Redemption: r.view(),
		Member: fulfilMember{ID: r.MemberID, PersonID: person, Email: who.Email, FirstName: who.FirstName, LastName: who.LastName}})
	if err != nil {
		return err
	}
	call.URL, call.Timeout = h.URL, time.Duration(h.TimeoutMS)*time.Millisecond
	t.read(m.calls.Post(ctx, call))
	return nil
}

// settleAsk keeps what a try came to, and hands out what the shop says that it did, unless somebody else was faster.
func (m *Module) settleAsk(ctx context.Context, a fulfilAsk, t fulfilAttempt) error {
	return m.outbox.InTx(ctx, func(u *bus.Unit) error {
		r, who, err := lockRedemption(ctx, u, a.SiteID, a.RedemptionID)
		if err != nil {
			return err
		}
		saved, err := saveFulfilAsk(ctx, u, a, t)
		if err != nil || !saved {
			return err
		}
		m.m.Of(ctx).fulfilments.WithLabelValues(a.State, deref(a.Answer)).Inc()
		if t.Failure != "" {
			m.log.Warn().Int64("site_id", a.SiteID).Int64("redemption_id", a.RedemptionID).Int("try", a.Tries).Str("failure", t.Failure).Str("state", a.State).
				Msg("a fulfilment hook did not answer")
		}
		if t.says == saysFulfilled && r.Status == waiting {
			return m.deliver(ctx, u, &r, who, t.note)
		}
		return nil
	})
}
