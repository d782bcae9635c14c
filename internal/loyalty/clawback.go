package loyalty

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// clawBack says how much of an earning is not deserved by now. All its numbers are cumulative, so a step that was heard before
// changes nothing, and any split has the same end.
type clawBack struct {
	SiteID      int64
	Of          string // source of the earning
	Source      string // of this step
	Cause       string // refund, reward_clawed_back, referral_voided, cancelled
	Full        bool
	Points      int64  // cumulative, where the teller counts in points
	Part, Whole int64  // cumulative share of an order, elsewhere
	Wallet      string // of the earning; "": the main one
	EffectiveAt time.Time
}

// due is how many of the granted points are to be taken back by now.
func (c clawBack) due(granted int64) int64 {
	switch {
	case c.Full:
		return granted
	case c.Whole > 0:
		return money.Share(granted, c.Part, c.Whole)
	default:
		return min(c.Points, granted)
	}
}

// takeBack takes back what is due by now of an earning, and lowers what it counts towards tiers. own is its lot; nil: nothing was ever earned.
func (b *books) takeBack(c clawBack, holders map[person]*holder, of earned, own *lot) error {
	lowered := b.demerit(c, holders)
	if own != nil {
		if err := b.clawBack(holders[person{of.SiteID, of.PersonID}].in(of.Wallet), own, of.txn(), c); err != nil {
			return err
		}
	}
	b.replace(lowered, c)
	return nil
}

// postClawBacks takes back, in order, what is due by now of earnings. What was never earned is passed over.
func (m *Module) postClawBacks(ctx context.Context, u *bus.Unit, claws []clawBack) error {
	if len(claws) == 0 {
		return nil
	}
	timer := prometheus.NewTimer(m.m.Real.seconds.WithLabelValues(kindClawBack))
	defer timer.ObserveDuration()
	if err := alone(ctx, u); err != nil {
		return err
	}
	programs, err := sharePrograms(ctx, u, sitesOf(claws, func(c clawBack) int64 { return c.SiteID }))
	if err != nil {
		return err
	}
	claws = eachWallet(programs, claws)
	var sites []int64
	var sources []string
	seen := map[siteSource]bool{}
	for _, c := range claws {
		if of := (siteSource{c.SiteID, c.Of}); !seen[of] {
			seen[of] = true
			sites, sources = append(sites, c.SiteID), append(sources, c.Of)
		}
	}
	earnings, err := earnedBy(ctx, u, sites, sources)
	if err != nil {
		return err
	}
	b := &books{now: u.Now, programs: programs}
	demerits := b.demeritsIn(claws)
	parts, err := m.partsLowered(ctx, u, programs, claws)
	if err != nil {
		return err
	}
	if len(earnings)+len(demerits) == 0 && !slices.ContainsFunc(claws, b.lowersParts) {
		return nil
	}
	if err := b.readMerits(ctx, u, demerits); err != nil {
		return err
	}
	people := make([]person, 0, len(earnings))
	for _, e := range earnings {
		people = append(people, person{e.SiteID, e.PersonID})
	}
	for _, q := range b.merits {
		if q.PersonID != 0 {
			people = append(people, person{q.SiteID, q.PersonID})
		}
	}
	for _, q := range slices.Concat(values(parts)...) {
		people = append(people, person{q.SiteID, q.PersonID})
	}
	holders, err := lockHolders(ctx, u, inOrder(people))
	if err != nil {
		return err
	}
	if err := loadWallets(ctx, u, earnedWallets(earnings, holders)); err != nil {
		return err
	}
	lots, err := lotsOf(ctx, u, holders, earnings)
	if err != nil {
		return err
	}
	own := hand(lots, each(holders))
	if err := loadWaiting(ctx, u, earnings, own, holders); err != nil {
		return err
	}
	if b.rooms, err = reopenRooms(ctx, u, programs, earnings); err != nil {
		return err
	}
	if err := b.readScores(ctx, u, each(holders)); err != nil {
		return err
	}
	o, err := open(ctx, u, len(claws), sitesOf(each(holders), func(h *holder) int64 { return h.SiteID }), inWallets([]string{issued}, each(holders)), nil)
	if err != nil {
		return err
	}
	b.ids, b.own = o.ids, o.own
	if err := b.swings(ctx, u, b.lowerParts(claws, parts, holders)); err != nil {
		return err
	}
	for i, c := range claws {
		e, ok := earnings[siteSource{c.SiteID, c.Of}]
		if !ok && c.Wallet == "" {
			m.m.Of(ctx).refused.WithLabelValues("never_earned").Inc()
		}
		if err := b.takeBack(c, holders, e, own[siteID{e.SiteID, e.ID}]); err != nil {
			return err
		}
		b.swing(i)
		b.noteDues()
	}
	return m.save(ctx, u, b, each(holders), lots, 0)
}

func ofRefund(r customerevent.OriginRefunded) clawBack {
	of := sourceOf("origin", r.OriginID)
	return clawBack{SiteID: r.SiteID, Of: of, Source: sourceOf("refund:"+of, r.RefundID), Cause: "refund",
		Full: r.Full, Part: r.RefundedTotal, Whole: r.Subtotal, EffectiveAt: r.RefundedAt}
}

func ofReward(w referralevent.RewardClawedBack) clawBack {
	of := sourceOf("reward", w.RewardID)
	return clawBack{SiteID: w.SiteID, Of: of, Source: of + ":" + strconv.FormatInt(w.PointsTotal, 10), Cause: "reward_clawed_back",
		Full: w.Full, Points: w.PointsTotal, EffectiveAt: w.ClawedAt}
}

func ofReferral(r referralevent.ReferralVoided) clawBack {
	of := sourceOf("referral", r.ReferralID)
	return clawBack{SiteID: r.SiteID, Of: of, Source: "void:" + of, Cause: "referral_voided", Full: true, EffectiveAt: r.VoidedAt}
}

// clawRule and expireRule are how those decisions are kept.
type clawRule struct {
	Rule      string `json:"rule"`
	Cause     string `json:"cause"`
	EarnID    int64  `json:"earn_id"`
	Granted   int64  `json:"granted"`
	Taken     int64  `json:"taken,omitempty"` // of the order, by all refunds so far
	Of        int64  `json:"of,omitempty"`
	Before    int64  `json:"before"` // points of the earning taken back before this step
	After     int64  `json:"after"`
	OwnLot    int64  `json:"own_lot"`
	Expired   int64  `json:"expired"` // had expired: not asked for again
	OtherLots int64  `json:"other_lots"`
	Debt      int64  `json:"debt"`
	Pending   bool   `json:"pending,omitempty"` // it could not be spent yet
	Policy    string `json:"debt_policy,omitempty"`
	Waived    int64  `json:"waived,omitempty"` // not asked for, by that policy
}

type expireRule struct {
	Rule       string    `json:"rule"`
	EarnID     int64     `json:"earn_id"`
	Granted    int64     `json:"granted"`
	ExpiresAt  time.Time `json:"expires_at"`
	Inactivity bool      `json:"inactivity,omitempty"`    // nothing was done for so long
	Status     string    `json:"member_status,omitempty"` // the member has left, or never became one
}
