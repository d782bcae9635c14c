package loyalty

import (
	"strconv"

	"github.com/talkable/talkable/internal/loyalty/hindsight"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// begin gives somebody what they had when it begins: points with their dates, debts, and what counts towards tiers. Their tier is the one that the
// programme puts them into for it.
func (r *replay) begin(l *player, o *hindsight.Opening) {
	b := r.open(l, r.from)
	l.join(b, r.p, o.JoinedAt)
	h := l.holder
	h.Balance = -o.Debt
	if !o.LapsesAt.IsZero() {
		h.LapsesAt, h.IdleDays = &o.LapsesAt, o.IdleDays
	}
	for _, had := range o.Lots {
		r.bring(l, had)
	}
	for _, d := range o.Days {
		h.Earned += d.Earned
		if h.score != nil {
			h.score.add(dayOf(d.Day, d.Day.Location()), counts{countEarned: d.Earned, countReferrals: d.Referrals, countCustom: d.Custom})
		}
	}
	r.countEarlier(l)
	b.place(h, r.p, tiersChanged, 0, r.from)
	if h.score != nil {
		clear(h.score.added) // for the tables
	}
	r.settled(l)
	r.tally.Open(r.p.rank(h.Tier), l.held())
}

// bring gives somebody a lot that they had.
func (r *replay) bring(l *player, had hindsight.OpeningLot) {
	h := l.holder
	l.next++
	x := &lot{SiteID: h.SiteID, ID: l.next, AccountID: h.ID, Granted: had.Points, Remaining: had.Points, ByActivity: had.ByActivity, member: h}
	if !had.EndsAt.IsZero() {
		x.ExpiresAt = &had.EndsAt
	}
	l.lots[x.ID] = &pastLot{lot: x, of: earned{SiteID: h.SiteID, ID: x.ID, Source: "opening:" + strconv.FormatInt(x.ID, 10), MemberID: h.MemberID, PersonID: l.ID,
		Reason: loyaltyevent.ForPurchase, EffectiveAt: had.EarnedAt}}
	if !had.Pending {
		h.lots, h.Balance = append(h.lots, x), h.Balance+had.Points
		return
	}
	at := had.ActivatesAt
	if at.IsZero() {
		at = had.EarnedAt.AddDate(0, 0, r.terms.GoAhead)
	}
	l.waits("")
	x.Pending, x.AccountID, x.ActivatesAt = true, h.pending.ID, &at
	h.pending.Balance += had.Points
	l.waiting = append(l.waiting, x)
}

// countEarlier counts what somebody bought before it begins towards tiers, where the programme counts orders or spend.
func (r *replay) countEarlier(l *player) {
	if l.holder.score == nil || l.Earlier == nil {
		return
	}
	for i := range l.Earlier.Orders {
		o := &l.Earlier.Orders[i]
		m := merit{MemberID: l.ID}
		if m.Kind, m.Amount = r.p.meritOf(o.Recorded(r.p.SiteID, l.ID)); m.Kind == "" {
			continue
		}
		for _, back := range o.Refunds {
			if back.At.Before(r.from) {
				m.Refunded += back.Amount
			}
		}
		m.Gone = m.Refunded > 0 && m.Refunded >= m.Amount
		l.holder.score.add(dayOf(o.At, r.p.TierPlan.zone()), m.counts())
	}
}

// settled has rules ask nobody again about having joined, or about tiers that are reached.
func (r *replay) settled(l *player) {
	if l.asked == nil {
		return
	}
	had := []due{{MemberID: l.ID, On: onJoin}}
	for _, t := range r.p.Tiers[:r.p.rank(l.holder.Tier)] {
		had = append(had, due{MemberID: l.ID, On: onTier, Name: t.Name})
	}
	for _, d := range had {
		l.asked[d.source(r.p.earner.zone)] = true
	}
}
