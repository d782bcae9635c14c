package referral

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
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
	return m.step(ctx, stepping{s: s, origin: originID, to: to, key: k, missing: errNoReferral})
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
