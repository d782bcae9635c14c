package loyalty

import (
	"strconv"
	"time"

	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/money"
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
		r.bring(l, h, had)
	}
	r.bringWallets(l, o)
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
	r.recallFeats(l, o)
	r.tally.Open(r.p.rank(h.Tier), l.held())
}

// bringWallets gives somebody what they had in the wallets that the programme has, too.
func (r *replay) bringWallets(l *player, o *hindsight.Opening) {
	for i, w := range r.p.Wallets {
		had := o.In(w.Key)
		if had == nil {
			continue
		}
		l.opens(w.Key)
		h := l.holder.in(w.Key)
		h.Balance, h.opened = -had.Debt, true
		for _, x := range had.Lots {
			r.bring(l, h, x)
		}
		r.tally.OpenIn(i, h.left())
	}
}

// bring gives somebody a lot that they had in a wallet.
func (r *replay) bring(l *player, h *holder, had hindsight.OpeningLot) {
	l.next++
	x := &lot{SiteID: h.SiteID, ID: l.next, AccountID: h.ID, Granted: had.Points, Remaining: had.Points, ByActivity: had.ByActivity, member: h, Tierless: !r.p.scores(h.Wallet)}
	if !had.EndsAt.IsZero() {
		x.ExpiresAt = &had.EndsAt
	}
	l.lots[x.ID] = &pastLot{lot: x, of: earned{SiteID: h.SiteID, ID: x.ID, Source: "opening:" + strconv.FormatInt(x.ID, 10), MemberID: h.MemberID, PersonID: l.ID,
		Wallet: h.Wallet, Reason: loyaltyevent.ForPurchase, EffectiveAt: had.EarnedAt}}
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

// recallFeats has achievements go on with what had counted and what had been reached, where they still count the same.
func (r *replay) recallFeats(l *player, o *hindsight.Opening) {
	if l.feats == nil {
		return
	}
	same := func(key, basis string) *feat.Achievement {
		if a := r.p.feats.named(key); a != nil && a.Basis() == basis {
			return a
		}
		return nil
	}
	for _, c := range o.Counted {
		a := same(c.Key, c.Basis)
		if a == nil {
			continue
		}
		p := part{Amount: c.Amount, Refunded: c.Refunded, Money: c.Money, Gone: c.Gone}
		if c.Origin != 0 {
			var of int64
			if p.Refunded, of, p.Gone = l.refundedBefore(c.Origin, r.from); a.Counts == feat.Points && of > 0 {
				p.Refunded = money.Share(p.Amount, p.Refunded, of)
			}
		}
		of := featKey{r.p.SiteID, l.ID, c.Key}
		k := spanKey{of, a.Since(feat.DayOf(c.At, r.p.feats.zone)), c.Name}
		if l.feats.spans[of] == nil {
			l.feats.spans[of] = map[spanKey]*featSpan{}
		}
		if l.feats.spans[of][k] == nil {
			l.feats.spans[of][k] = &featSpan{spanKey: k}
		}
		l.feats.spans[of][k].amount += p.counted()
	}
	for _, x := range o.Reached {
		if same(x.Key, x.Basis) == nil {
			continue
		}
		of := featKey{r.p.SiteID, l.ID, x.Key}
		had := &reached{SiteID: of.SiteID, MemberID: of.MemberID, Key: x.Key, Round: 1, Source: x.Source, At: x.At,
			Reach: feat.Reach{Level: x.Level, Since: feat.DayOf(x.Since, time.UTC), Nth: x.Nth, Period: feat.DayOf(x.Period, time.UTC), Goal: x.Goal, Amount: x.Amount}}
		if x.TakenBack {
			had.LostBy = lostByHand
		}
		l.feats.reached[of] = append(l.feats.reached[of], had)
	}
}

// refundedBefore is how much of an earlier order was refunded before a moment, of how much, and whether that was all of it.
func (l *player) refundedBefore(origin int64, at time.Time) (refunded, of int64, all bool) {
	if l.Earlier == nil {
		return 0, 0, false
	}
	for i := range l.Earlier.Orders {
		o := &l.Earlier.Orders[i]
		if o.ID != origin {
			continue
		}
		for _, back := range o.Refunds {
			if back.At.Before(at) {
				refunded += back.Amount
			}
		}
		refunded = min(refunded, o.Subtotal)
		return refunded, o.Subtotal, refunded > 0 && refunded == o.Subtotal
	}
	return 0, 0, false
}
