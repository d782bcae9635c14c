package loyalty

import (
	"context"
	"slices"

	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// buy lets an order or event earn.
func (r *replay) buy(ctx context.Context, b *books, l *player, d deed) error {
	l.told++
	l.memory.tell(d.order)
	if len(d.order.Refunds) > 0 {
		l.bought[d.id] = &bought{}
	}
	err := r.earn(ctx, b, l, r.p.forOrigin(d.order.Recorded(r.p.SiteID, l.ID)))
	l.memory.add(d.order)
	return err
}

// earn posts what a decision gives, and what the same gives in other wallets, as postEarnings does.
func (r *replay) earn(ctx context.Context, b *books, l *player, e earning) error {
	if err := r.earnAlone(ctx, b, l, e); err != nil {
		return err
	}
	for _, also := range e.also {
		if l.holder == nil { // what rules give in other wallets makes nobody a member
			break
		}
		l.opens(also.Wallet)
		if err := r.earnAlone(ctx, b, l, also); err != nil {
			return err
		}
	}
	return nil
}

// earnAlone posts what a decision gives in its wallet, and counts it.
func (r *replay) earnAlone(ctx context.Context, b *books, l *player, e earning) error {
	had := len(b.txns)
	if err := r.earnIn(ctx, b, l, e); err != nil {
		return err
	}
	r.count(b, l, e, b.txns[had:])
	b.noteDues()
	return nil
}

// earnIn posts what a decision gives in its wallet.
func (r *replay) earnIn(ctx context.Context, b *books, l *player, e earning) error {
	if o := e.occasion; o != nil {
		o.happen(b.now)
		l.meet(o)
		if err := e.foresee(ctx); err != nil {
			return err
		}
	}
	if e.feat != nil || e.points != nil {
		var err error
		if e, err = r.weigh(ctx, b, e); err != nil {
			return err
		}
	}
	if l.holder == nil && (e.Joins || e.Points > 0) {
		l.join(b, r.p, moment(e.EffectiveAt, b.now))
		r.tally.Join(b.now)
	}
	if e.Pending {
		l.waits(e.Wallet)
	}
	had, asked := len(b.txns), len(b.asked)
	if err := b.settle(ctx, l.holder, e, false); err != nil {
		return err
	}
	for _, t := range b.txns[had:] {
		if t.Kind == kindEarn {
			r.remember(b, l, t, b.asked[asked:])
		}
	}
	return nil
}

// remember keeps the lot of an earning. Points that wait for an event are taken to get it some days later.
func (r *replay) remember(b *books, l *player, t txn, asked []step) {
	x := b.lots[len(b.lots)-1]
	past := &pastLot{lot: x, of: earned{SiteID: t.SiteID, ID: t.ID, Source: t.Source, MemberID: t.MemberID, PersonID: l.ID, Wallet: t.Wallet, Reason: t.Reason, OriginID: t.OriginID,
		EffectiveAt: t.EffectiveAt}}
	l.lots[x.ID] = past
	if x.Pending {
		if x.ActivatesAt == nil {
			at := t.EffectiveAt.AddDate(0, 0, r.terms.GoAhead)
			x.ActivatesAt = &at
		}
		l.waiting = append(l.waiting, x)
	}
	if was := l.bought[t.OriginID]; was != nil && t.Source == sourced(sourceOf("origin", t.OriginID), t.Wallet) {
		was.keep(t)
	}
	if t.Reason == loyaltyevent.ForAchievement {
		l.feats.prizes[t.Source] = t.ID
	}
	if r.limited {
		past.given = slices.Clone(asked)
	}
}
