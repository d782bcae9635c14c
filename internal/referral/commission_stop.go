package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// Why a plan that goes on paying doesn't pay for an order of the friend, or for no further one.
const (
	stopEarlier = "earlier_order"   // the order is older than the referred one
	stopMonths  = "months"          // the time that was promised is over
	stopOrders  = "orders"          // as many orders as were promised are paid for
	stopVoided  = "referral_voided" // with the referral its plan ended
	stopOther   = "other_advocate"  // a plan pays for an order once, for the earliest advocate
	stopPlan    = "plan_inactive"
)

// stopWords are what people read.
var stopWords = map[string]string{
	"":          "The plan goes on paying for the friend's orders.",
	stopEarlier: "The order is older than the one that made the referral.",
	stopMonths:  "The plan's months were over: what was promised is counted from the referred order.",
	stopOrders:  "The plan had paid for as many orders as it promised.",
	stopVoided:  "The referral was voided, and the plan ended with it.",
	stopOther:   "The plan paid another advocate for this order: the one who referred the friend first.",
	stopPlan:    "The plan was not active.",
}

// following is a plan's promise to go on paying, seen from one of the friend's orders, or from now.
type following struct {
	commission      // of the referred order
	Paid       int  `db:"paid"`  // orders that were paid for by then
	Taken      bool `db:"taken"` // the order, by an earlier advocate's referral
	Active     bool `db:"active"`
	at         time.Time
}

// stopped is why the plan doesn't pay; "": it does.
func (f *following) stopped() string {
	switch {
	case f.at.Before(f.OccurredAt):
		return stopEarlier
	case f.Until != nil && !f.at.Before(*f.Until):
		return stopMonths
	case f.Paid >= f.Orders:
		return stopOrders
	case f.Status == commissionVoided:
		return stopVoided
	case f.Taken:
		return stopOther
	case !f.Active:
		return stopPlan
	}
	return ""
}

// followingJSON is such a promise in our own shape.
type followingJSON struct {
	PlanID     int64      `json:"commission_plan_id"`
	PersonID   int64      `json:"person_id" doc:"Who earns"`
	FriendID   int64      `json:"friend_id"`
	ReferralID int64      `json:"referral_id"`
	First      int64      `json:"first_commission_id" doc:"Of the referred order"`
	Orders     *int       `json:"orders" doc:"That the plan promised to pay for, the referred one included; null: without an end"`
	Paid       int        `json:"orders_paid_for"`
	Until      *time.Time `json:"until" doc:"Orders before this are paid for; null: without an end"`
	Stopped    *string    `json:"stopped" enum:"earlier_order,months,orders,referral_voided,other_advocate,plan_inactive" doc:"Why it doesn't pay; null: it does"`
	Detail     string     `json:"detail" doc:"The same in words"`
}

func (f *following) json(stopped string) followingJSON {
	out := followingJSON{PlanID: deref(f.PlanID), PersonID: f.PersonID, FriendID: f.FriendID, ReferralID: f.ReferralID, First: f.ID, Paid: f.Paid,
		Until: instant(f.Until), Stopped: orNull(stopped), Detail: stopWords[stopped]}
	if f.Orders < everyOrder {
		out.Orders = &f.Orders
	}
	return out
}

// recurrenceOf is what the plan of a commission does for the friend's next order; nil where it pays for the referred one only.
func recurrenceOf(ctx context.Context, q sqlx.QueryerContext, c *commission, now time.Time) (*followingJSON, error) {
	if c.PlanID == nil {
		return nil, nil
	}
	var list []following
	err := sqlx.SelectContext(ctx, q, &list, `
		select `+commissionColumns+`, p.active, false as taken,
			(select max(x.nth) from referral.commission x where x.site_id = c.site_id and x.referral_id = c.referral_id and x.plan_id = c.plan_id) as paid
		from referral.commission c
		join referral.commission_plan p on p.site_id = c.site_id and p.id = c.plan_id
		where c.site_id = $1 and c.referral_id = $2 and c.plan_id = $3 and c.nth = 1 and c.orders > 1`, c.SiteID, c.ReferralID, *c.PlanID)
	if err != nil {
		return nil, fmt.Errorf("recurrence of a commission: %w", err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	f := &list[0]
	f.at = now
	out := f.json(f.stopped())
	return &out, nil
}

// unpaidBy are the plans that went on paying for a friend's orders, and not for this one. By then means by what was written when the order was
// decided; a plan that is active again was not, for nothing else is left.
func (m *Module) unpaidBy(ctx context.Context, a *attributionRow) ([]followingJSON, error) {
	out := []followingJSON{}
	if a == nil || a.PersonID == 0 {
		return out, nil
	}
	var list []following
	err := m.db.SelectContext(ctx, &list, `
		select `+commissionColumns+`, p.active,
			exists (select from referral.commission x where x.site_id = c.site_id and x.origin_id = $3 and x.plan_id = c.plan_id and not x.superseded) as taken,
			(select coalesce(max(x.nth), 1) from referral.commission x
				where x.site_id = c.site_id and x.referral_id = c.referral_id and x.plan_id = c.plan_id and x.created_at <= $4) as paid
		from referral.commission c
		join referral.commission_plan p on p.site_id = c.site_id and p.id = c.plan_id
		where c.site_id = $1 and c.friend_id = $2 and c.nth = 1 and c.orders > 1 and not c.superseded and c.origin_id <> $3
			and not exists (select from referral.commission x where x.site_id = c.site_id and x.origin_id = $3 and x.plan_id = c.plan_id and x.referral_id = c.referral_id)
		order by c.id limit 20`, a.SiteID, a.PersonID, a.OriginID, a.DecidedAt)
	if err != nil {
		return nil, fmt.Errorf("plans that didn't pay: %w", err)
	}
	if buys, err := m.buys(ctx, a, len(list)); err != nil || !buys {
		return out, err
	}
	for i := range list {
		f := &list[i]
		f.at = a.OccurredAt
		why := f.stopped()
		if why == "" {
			why = stopPlan
		}
		out = append(out, f.json(why))
	}
	return out, nil
}

// buys says whether an origin is a purchase, which alone plans pay for; it is asked where so many plans might have.
func (m *Module) buys(ctx context.Context, a *attributionRow, plans int) (bool, error) {
	if plans == 0 || m.facts == nil {
		return plans > 0, nil
	}
	told, err := m.facts.ToldOriginByID(ctx, a.SiteID, a.OriginID)
	if err != nil {
		return false, unknown(err, errNoOrigin)
	}
	return told.Type == customerevent.Purchase, nil
}

// reducedBy names what made a commission less than its plan's rates come to.
func (c *commission) reducedBy() []string {
	e, out := c.explained(), []string{}
	for _, one := range e.CapsApplied {
		out = append(out, "cap_"+one.Cap)
	}
	if e.Refused != nil {
		out = append(out, e.Refused.Cause)
	}
	if c.Clawed > 0 {
		out = append(out, "refunded")
	}
	return out
}
