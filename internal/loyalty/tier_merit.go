package loyalty

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// Kinds of merit.
const (
	meritOrder    = "order"
	meritReferral = "referral"
	meritCustom   = "custom"
)

// merit is a thing that counts towards tiers, once, beside points: these the ledger has.
type merit struct {
	SiteID   int64
	Source   string // that of what it earns
	Kind     string
	MemberID int64 // 0: only a refund of it has been heard
	PersonID int64
	Day      day
	Amount   int64 // spent, or what the shop says
	Refunded int64 // of it, by now
	Gone     bool  // refunded whole, or voided
	dirty    bool
}

// counts is what a merit counts by now.
func (m merit) counts() (c counts) {
	switch {
	case m.MemberID == 0 || m.Gone:
	case m.Kind == meritOrder:
		c[countSpend], c[countOrders] = max(m.Amount-m.Refunded, 0), 1
	case m.Kind == meritReferral:
		c[countReferrals] = 1
	case m.Kind == meritCustom:
		c[countCustom] = m.Amount
	}
	return c
}

// score is what counts of a member towards tiers, by days, and when time alone changes the tier.
type score struct {
	joined day
	days   []dayCounts // by day; of a lifetime, what was before today stands together
	due    time.Time   // zero: never
	added  map[day]counts
	dirty  bool
}

// add counts something for a day.
func (t *score) add(d day, c counts) {
	if c == (counts{}) {
		return
	}
	i, found := slices.BinarySearchFunc(t.days, d, func(c dayCounts, d day) int { return cmp.Compare(c.Day, d) })
	if !found {
		t.days = slices.Insert(t.days, i, dayCounts{Day: d})
	}
	t.days[i].Counts = t.days[i].Counts.plus(c)
	t.keep(d, c)
}

// keep has what was added written.
func (t *score) keep(d day, c counts) {
	if t.added == nil {
		t.added = map[day]counts{}
	}
	t.added[d], t.dirty = t.added[d].plus(c), true
}

// meritOf says what an order counts, as far as the programme counts orders. A paused programme doesn't.
func (p program) meritOf(o customerevent.OriginRecorded) (kind string, amount int64) {
	if !p.TierPlan.Counted || p.Status != active || o.Type != customerevent.Purchase {
		return "", 0
	}
	if o.Currency != p.Currency {
		return meritOrder, 0
	}
	return meritOrder, max(o.Subtotal, 0)
}

// readMerits reads the things that count, or may.
func (b *books) readMerits(ctx context.Context, tx sqlx.QueryerContext, sources []siteSource) (err error) {
	if len(sources) > 0 {
		b.merits, err = meritsOf(ctx, tx, sources)
	}
	return err
}

// meritsIn are the sources of earnings that count as merits.
func meritsIn(all []earning) (sources []siteSource) {
	for _, e := range all {
		if e.Merit != "" {
			sources = append(sources, siteSource{e.SiteID, e.Source})
		}
	}
	return sources
}

// demeritsIn are the sources of merits that claw-backs lower.
func (b *books) demeritsIn(claws []clawBack) (sources []siteSource) {
	for _, c := range claws {
		if of := (siteSource{c.SiteID, c.Of}); b.lowers(c) && !slices.Contains(sources, of) {
			sources = append(sources, of)
		}
	}
	return sources
}

// lowers says that a claw-back is about a merit, in a programme that counts them.
func (b *books) lowers(c clawBack) bool {
	return c.Wallet == "" && b.programs[c.SiteID].TierPlan.Counted && (c.Cause == causeRefund || c.Cause == causeVoided)
}

// readScores reads what counts of members whose programme counts it.
func (b *books) readScores(ctx context.Context, tx sqlx.QueryerContext, holders []*holder) error {
	counted := make([]*holder, 0, len(holders))
	for _, h := range holders {
		if h.main == nil && b.programs[h.SiteID].TierPlan.Counted {
			counted = append(counted, h)
		}
	}
	if len(counted) == 0 {
		return nil
	}
	return scoresOf(ctx, tx, b.programs, counted, b.now)
}

// merit counts what an earning stands for, once, and says whether it did. What was refunded before it was heard counts less.
func (b *books) merit(h *holder, e earning) bool {
	if e.Merit == "" || h == nil || h.score == nil {
		return false
	}
	of := siteSource{e.SiteID, e.Source}
	m := b.merits[of]
	if m == nil {
		m = &merit{SiteID: e.SiteID, Source: e.Source}
		b.merits[of] = m
	}
	if m.MemberID != 0 {
		return false
	}
	p := b.programs[e.SiteID]
	b.settleTier(h, p)
	m.Kind, m.MemberID, m.PersonID, m.Amount, m.dirty = e.Merit, h.MemberID, h.PersonID, e.Amount, true
	m.Day = dayOf(moment(e.EffectiveAt, b.now), p.TierPlan.zone())
	h.score.add(m.Day, m.counts())
	return true
}

// demerit lowers what a thing counts, on the day for which it was counted, and returns whose it was; nil: nobody's by now. What isn't
// known yet is remembered for when it is.
func (b *books) demerit(c clawBack, holders map[person]*holder) *holder {
	if !b.lowers(c) {
		return nil
	}
	of := siteSource{c.SiteID, c.Of}
	m := b.merits[of]
	if m == nil {
		m = &merit{SiteID: c.SiteID, Source: c.Of, Kind: meritOrder}
		if c.Cause == causeVoided {
			m.Kind = meritReferral
		}
		b.merits[of] = m
	}
	h := holders[person{c.SiteID, m.PersonID}]
	if h != nil {
		b.settleTier(h, b.programs[c.SiteID])
	}
	before, was := m.counts(), *m
	m.Refunded, m.Gone = max(m.Refunded, c.Part), m.Gone || c.Full
	if *m == was { // heard before
		return nil
	}
	if m.dirty = true; h == nil {
		return nil
	}
	h.score.add(m.Day, m.counts().minus(before))
	return h
}

// replace puts a member after a refund where the merit that it lowered is missed.
func (b *books) replace(h *holder, c clawBack) {
	if h != nil {
		b.placeBy(h, b.programs[c.SiteID], tierChange{Cause: c.Cause, Source: c.Source, At: moment(c.EffectiveAt, b.now)})
	}
}
