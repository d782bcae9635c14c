package referral

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

const (
	dueBatch = 500
	patience = 3 * time.Second // how long a request waits for what an event brings; Talkable's Ruby client reads for five seconds
)

var (
	errNoReferral = fault.New(fault.NotFound, "no_referral", "This origin made no referral.")
	errUndecided  = &fault.Error{Kind: fault.Conflict, Code: "attribution_pending", Retry: time.Second,
		Detail: "Whether this origin makes a referral is not decided yet, so nothing was changed; please repeat the request in a moment."}
)

// SetStatus moves the referral of an origin to another status, for a reason ("manual"). It waits some seconds until the origin has been
// decided; then it is a fault Conflict "attribution_pending", which says when to ask again. An origin without a referral is a fault
// NotFound "no_referral"; the same status again changes nothing. replayed says that the Idempotency-Key had moved it before: the answer is
// that of then, also when the status is another by now.
func (m *Module) SetStatus(ctx context.Context, s site.Site, originID int64, to referralapi.Step, k idempotency.Key) (out referralapi.Referral, replayed bool, err error) {
	if err := checkStatus(to.Status); err != nil {
		return out, false, err
	}
	if err := m.await(ctx, s.ID, originID); err != nil {
		return out, false, err
	}
	return m.step(ctx, s, to, k, func(u *bus.Unit) ([]referral, error) {
		return lockReferrals(ctx, u.Tx, []int64{s.ID}, []int64{originID})
	})
}

// step moves the referral that lock finds, if it isn't there already.
func (m *Module) step(ctx context.Context, s site.Site, step referralapi.Step, k idempotency.Key, lock func(u *bus.Unit) ([]referral, error)) (out referralapi.Referral, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			list, err := lock(u)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				return errNoReferral
			}
			if list[0].Superseded != 0 && step.Status != list[0].Status {
				return errSuperseded
			}
			to, changes, err := list[0].step(step.Status)
			if err != nil {
				return err
			}
			if changes {
				before := stood{Status: list[0].Status, Cause: list[0].Cause}
				list[0].KeyID, list[0].Note = orNull(step.KeyID), orNull(step.Note)
				if err := m.move(ctx, u, list, to, step.Cause); err != nil {
					return err
				}
				if err := writeAudit(ctx, u.Tx, u.Now, s.ID, audit.Change{KeyID: step.KeyID, Action: "referral." + step.Status, Subject: aboutReferral, SubjectID: list[0].ID,
					Reason: step.Note, Before: before, After: stood{Status: list[0].Status, Cause: list[0].Cause}}); err != nil {
					return err
				}
			}
			rewards, err := rewardsOfReferrals(ctx, u, []int64{s.ID}, []int64{list[0].ID})
			if err != nil {
				return err
			}
			out = list[0].answer(rewards, u.Now, s.Zone)
			return nil
		})
		return err
	})
	if postgres.Violates(err, "referral_friend_once") {
		err = fault.New(fault.Invalid, "friend_already_referred", "The friend has another referral in this campaign.").Because(err)
	}
	return out, replayed, err
}

// await returns once the origin has been decided.
func (m *Module) await(ctx context.Context, siteID, originID int64) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		a, err := attributionOf(ctx, m.db, siteID, originID)
		switch {
		case a != nil:
			return nil
		case err != nil && ctx.Err() == nil:
			return err
		}
		select {
		case <-ctx.Done():
			return errUndecided.Because(ctx.Err())
		case <-time.After(pause):
		}
	}
}

// move takes locked referrals to another status and tells of it; the step is known to be allowed. list shows the new state.
func (m *Module) move(ctx context.Context, u *bus.Unit, list []referral, to, cause string) error {
	was := make([]string, len(list))
	for i := range list {
		was[i], list[i].Status, list[i].Cause, list[i].UpdatedAt = list[i].Status, to, cause, u.Now
	}
	if err := saveReferrals(ctx, u.Tx, u.Now, list); err != nil {
		return err
	}
	switch to {
	case referralevent.Pending:
		return m.goOn(ctx, u, list)
	case referralevent.Approved:
		return m.reward(ctx, u, list, nil)
	case referralevent.Voided, referralevent.Blocked:
		for i := range list {
			u.Tell(list[i].SiteID, list[i].key(), list[i].voided(was[i], u.Now))
		}
		if to == referralevent.Voided {
			return m.voidCommissionsOf(ctx, u, list)
		}
	}
	return nil
}

// goOn lets referrals that were blocked or flagged go on as their campaign says: where it approves by itself, they are approved once its delay
// is over, counted from when they were made.
func (m *Module) goOn(ctx context.Context, u *bus.Unit, list []referral) error {
	for i := range list {
		r := &list[i]
		c, err := campaignOf(ctx, u, r.SiteID, r.CampaignID)
		if err != nil {
			return err
		}
		if c.ApprovalMode != automatic {
			continue
		}
		due := c.due(r.CreatedAt)
		r.ApproveAt = &due
		if err := approveLater(ctx, u.Tx, r); err != nil {
			return err
		}
	}
	return nil
}

// reward tells that referrals were approved, decides what they earn, and issues it. run are their campaigns, where the transaction has
// read them already.
func (m *Module) reward(ctx context.Context, u *bus.Unit, list []referral, run map[key]*campaign) error {
	if _, err := m.advocatesAsOne(ctx, u, list); err != nil {
		return err
	}
	var sites, ids []int64
	for _, r := range list {
		sites, ids = append(sites, r.SiteID), append(ids, r.OfferID)
	}
	offers, err := offersByID(ctx, u, sites, ids)
	if err != nil {
		return err
	}
	if run == nil {
		run, err = runningOfOffers(ctx, u, u.Now, offers)
	}
	if err != nil {
		return err
	}
	campaigns, err := m.asPromised(ctx, u, run, offers)
	if err != nil {
		return err
	}
	for i := range list {
		r := &list[i]
		u.Tell(r.SiteID, r.key(), r.approved(u.Now))
		m.metrics.Of(ctx).approved.WithLabelValues(label(r.Cause)).Inc()
	}
	a, err := m.decideReferrals(ctx, u, list, campaigns)
	if err != nil {
		return err
	}
	if err := m.issue(ctx, u, a); err != nil {
		return err
	}
	return m.earnApproved(ctx, u, list, campaigns)
}

// ApproveDue approves the referrals whose delay is over, and returns how many.
func (m *Module) ApproveDue(ctx context.Context) (int, error) {
	total := 0
	for {
		n := 0
		err := m.outbox.InTx(ctx, func(u *bus.Unit) error {
			list, err := lockDue(ctx, u.Tx, u.Now, dueBatch)
			if n = len(list); err != nil || n == 0 {
				return err
			}
			for i := range list {
				list[i].KeyID, list[i].Note = nil, nil
			}
			return m.move(ctx, u, list, referralevent.Approved, causeDelay)
		})
		if err != nil {
			return total, err
		}
		if total += n; n < dueBatch {
			return total, nil
		}
	}
}

// label keeps a cause that the edge names within a closed set.
func label(cause string) string {
	switch cause {
	case causeAutomatic, causeDelay, causeRefund, causeFraud, causeHook, causeFlagged:
		return cause
	default:
		return causeManual
	}
}
