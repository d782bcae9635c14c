package loyalty

import (
	"context"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
)

// replay plays lives by one programme. Every number is decided by the books, as it is when a batch is posted; what a database would lock, keep
// and tell is in memory, and one member is posted to at a time.
type replay struct {
	p       program
	from    time.Time
	until   time.Time
	terms   hindsight.Terms
	budgets map[budgetKey]*budget
	limited bool
	asks    looks
	tally   *hindsight.Tally
	own     map[siteAccount]*account
	b       *books
	numbers int // of transactions, that the books were opened with
}

func newReplay(p program, from, until time.Time, terms hindsight.Terms, zone *time.Location) *replay {
	r := &replay{p: p, from: from, until: until, terms: terms, budgets: map[budgetKey]*budget{}, limited: p.earner.limited(), asks: p.earner.wonders(),
		tally: hindsight.NewTally(from, until, zone, len(p.Tiers)), own: map[siteAccount]*account{}}
	r.tally.Wallets(len(p.Wallets))
	if p.feats != nil {
		r.tally.Achievements(len(p.feats.List))
	}
	for _, name := range []string{issued, expired, redeemed} {
		r.own[siteAccount{p.SiteID, name}] = &account{SiteID: p.SiteID, Name: name}
		for _, w := range p.Wallets {
			r.own[siteAccount{p.SiteID, qualified(name, w.Key)}] = &account{SiteID: p.SiteID, Name: name, Wallet: w.Key}
		}
	}
	r.b = &books{programs: map[int64]program{p.SiteID: p}, own: r.own}
	return r
}

// coming is when something happens next to somebody, by their deeds or by time alone; false: nothing before the end.
func (r *replay) coming(l *player, deeds []deed) (at time.Time, some bool) {
	at, some = l.due()
	if l.played < len(deeds) && (!some || deeds[l.played].at.Before(at)) {
		at, some = deeds[l.played].at, true
	}
	return at, some && at.Before(r.until)
}

// step plays the next thing that happens to somebody; false: nothing does any more. What time does comes before what people do at its moment.
func (r *replay) step(ctx context.Context, l *player, deeds []deed) (bool, error) {
	at, some := r.coming(l, deeds)
	if !some {
		return false, nil
	}
	if due, timed := l.due(); timed && !due.After(at) {
		return true, r.at(ctx, l, due, func(b *books) error { return r.passTime(b, l) })
	}
	d := deeds[l.played]
	l.played++
	err := r.at(ctx, l, at, func(b *books) error {
		switch d.kind {
		case didOrder:
			return r.buy(ctx, b, l, d)
		case didRefund:
			return r.refund(b, l, d)
		case didRedeem:
			return r.redeemAs(b, l, d)
		}
		return r.cancel(b, l, d)
	})
	return true, err
}

// at opens the books at a moment, lets something be decided, asks what rules say to it, lets the member spend, and adds up what moved.
func (r *replay) at(ctx context.Context, l *player, now time.Time, decide func(*books) error) error {
	b, was := r.open(l, now), r.held(l)
	if err := decide(b); err != nil {
		return err
	}
	if err := r.askRules(ctx, b, l); err != nil {
		return err
	}
	if err := r.spend(b, l); err != nil {
		return err
	}
	r.close(b, l, was)
	return nil
}

// open makes the books ready for what somebody does, or time does to them. Slices are used again: nobody keeps them.
func (r *replay) open(l *player, now time.Time) *books {
	b := r.b
	*b = books{now: now, programs: b.programs, own: b.own, ids: b.ids[:0], txns: b.txns[:0], entries: b.entries[:0], lots: b.lots[:0], uses: b.uses[:0],
		changes: b.changes[:0], tells: b.tells[:0], asked: b.asked[:0], merits: l.merits}
	if l.now = now; l.feats != nil {
		l.feats.lost = 0
	}
	if r.p.earner != nil {
		b.rooms = &rooms{tallies: l.tallies, budgets: r.budgets}
	}
	n := 16 + 2*len(r.p.Tiers)
	if r.p.earner != nil {
		n += len(r.p.earner.Rules)
	}
	n = n*(1+len(r.p.Wallets)) + len(l.waiting)
	for h := range l.purses {
		n += 2 * len(h.lots)
		for _, x := range h.lots {
			b.lapse(l.lots[x.ID])
		}
	}
	r.numbers = n
	for i := range n {
		b.ids = append(b.ids, l.next+int64(i)+1)
	}
	return b
}

// lapse has what made a lot at hand if it is due, as madeBy reads it.
func (b *books) lapse(x *pastLot) {
	if !x.lapsed(b.now) {
		return
	}
	if b.made == nil {
		b.made = map[siteID]txn{}
	}
	b.made[siteID{x.SiteID, x.ID}] = x.of.txn()
}

// passTime does what is due by now, in the order in which the timer does it.
func (r *replay) passTime(b *books, l *player) error {
	for _, x := range l.ready(b.now) {
		of := l.lots[x.ID].of
		if _, err := b.activate(l.holder.in(of.Wallet), x, of.txn(), causeTime); err != nil {
			return err
		}
	}
	for h := range l.purses {
		if err := b.expireDue(h); err != nil {
			return err
		}
	}
	b.settleTier(l.holder, r.p)
	return nil
}

// refund takes back what an order earned, in the share that is refunded by now.
func (r *replay) refund(b *books, l *player, d deed) error {
	o, was := d.order, l.bought[d.order.ID]
	was.refunded = min(was.refunded+d.refund.Amount, o.Subtotal)
	c := ofRefund(customerevent.OriginRefunded{SiteID: r.p.SiteID, OriginID: o.ID, RefundID: d.id, PersonID: l.ID, Subtotal: o.Subtotal, Currency: o.Currency,
		Refunded: d.refund.Amount, RefundedTotal: was.refunded, Full: was.refunded >= o.Subtotal, OccurredAt: o.At, RefundedAt: d.at})
	for _, c := range eachWallet(b.programs, []clawBack{c}) {
		if err := r.takeBack(b, l, c, was.in(c.Wallet)); err != nil {
			return err
		}
		r.uncount(b, l, c)
		b.noteDues()
	}
	return nil
}

// takeBack takes back what is due of the lot that something earned in a wallet.
func (r *replay) takeBack(b *books, l *player, c clawBack, id int64) error {
	var of earned
	var own *lot
	if past := l.lots[id]; past != nil {
		if of, own = past.of, past.lot; b.rooms != nil {
			b.rooms.given = map[siteID][]step{{own.SiteID, own.ID}: past.given}
		}
	}
	return b.takeBack(c, map[person]*holder{{r.p.SiteID, l.ID}: l.holder}, of, own)
}

// redeemAs spends what somebody really spent, if they have that much.
func (r *replay) redeemAs(b *books, l *player, d deed) error {
	made, err := r.redeem(b, l.holder.in(d.spent.Wallet), d.spent.Points)
	if err != nil {
		return err
	}
	if made == nil {
		r.tally.Impossible++
		if d.spent.Wallet == "" { // points of different wallets don't add up
			r.tally.ImpossiblePoints += d.spent.Points
		}
		return nil
	}
	s := &spending{redemption: made, wallet: d.spent.Wallet}
	for _, a := range b.uses {
		if a.TxnID == made.ID {
			s.used = append(s.used, a)
		}
	}
	l.spent[d.id] = s
	return nil
}

// redeem spends points; nil: the member can't.
func (r *replay) redeem(b *books, h *holder, points int64) (*redemption, error) {
	if h == nil {
		return nil, nil
	}
	if w, ok := r.p.wallet(h.Wallet); !ok || h.Wallet != "" && !w.spendable() {
		return nil, nil
	}
	made, err := b.redeem(h, &redemptionBatch{SiteID: r.p.SiteID, batchSettings: batchSettings{Status: active, PointsCost: points}}, action{})
	if _, refused := fault.Of(err); refused {
		return nil, nil
	}
	return made, err
}

// cancel gives back what was spent, if it was.
func (r *replay) cancel(b *books, l *player, d deed) error {
	s := l.spent[d.id]
	if s == nil {
		return nil
	}
	for _, a := range s.used { // they may be swept
		x := l.lots[a.LotID]
		if h := l.holder.in(s.wallet); !slices.Contains(h.lots, x.lot) {
			h.lots = append(h.lots, x.lot)
			b.ids = append(b.ids, b.ids[len(b.ids)-1]+1)
		}
		b.lapse(x)
	}
	return b.cancel(l.holder.in(s.wallet), s.redemption, s.used, "")
}

// spend lets a member spend as they are taken to: all whole multiples of a number as soon as there are some.
func (r *replay) spend(b *books, l *player) error {
	n := r.terms.Redeem.Points
	if r.terms.Redeem.Kind != hindsight.When {
		return nil
	}
	for h := range l.purses {
		if h.Balance < n {
			continue
		}
		if _, err := r.redeem(b, h, h.Balance/n*n); err != nil {
			return err
		}
	}
	return nil
}

// askRules lets rules speak of what happened in the books: that somebody joined, moved up, or reached something. What was lost is taken back behind that, as the
// timer does it.
func (r *replay) askRules(ctx context.Context, b *books, l *player) error {
	if r.p.earner == nil {
		return nil
	}
	for done := 0; ; done++ {
		list := b.dues()
		if done == len(list) {
			if some, err := r.takeBackLost(b, l); err != nil || !some {
				return err
			}
			done--
			continue
		}
		r.stock(b)
		d := list[done]
		d.PersonID, d.Status = l.ID, l.holder.Status
		e := r.p.forDue(d)
		if e.Source == "" || l.asked[e.Source] {
			continue
		}
		l.asked[e.Source] = true
		if err := r.earn(ctx, b, l, e); err != nil {
			return err
		}
	}
}
