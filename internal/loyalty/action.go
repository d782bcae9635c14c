package loyalty

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/postgres"
)

// action is what somebody does with a member's points through the API: adjusts, redeems, or cancels a redemption.
type action struct {
	site, person int64
	kind         string          // of the transaction
	points       int64           // to adjust by, or to pay
	text         string          // description of an adjustment, traffic source of a redemption, reason of a cancellation
	wallet       string          // to adjust or to hold from; "": the main one. A batch says by itself what it costs points of
	id           int64           // batch to redeem or to hold for, redemption to cancel, hold to end
	lasts        time.Duration   // of a hold
	whole        bool            // all wallets of the member are wanted
	forTier      bool            // an adjustment counts as earned
	about        string          // the caller's own reference of a redemption
	whom         *criteria.Facts // what a batch's condition may ask of the person; nil: nobody has asked
	unmet        *string         // why the condition refuses; nil: it doesn't
	byHook       bool            // the fulfilment hook cancels: only what waits
	due          bool            // the timer releases it: only if its time is over
	key          idempotency.Key
}

type acted = postgres.Result[loyaltyapi.Action]

const maxActions = 200 // of a transaction

// Adjust moves points by hand. The balance stays within 0 and the programme's limit, or it is a fault with Talkable's words.
func (m *Module) Adjust(ctx context.Context, siteID, personID, points int64, description string, key idempotency.Key) (loyaltyapi.Action, error) {
	return m.actions.Do(ctx, action{site: siteID, person: personID, kind: kindAdjust, points: points, text: description, key: key})
}

// AdjustForTier is Adjust by points that count for tiers as earned ones do.
func (m *Module) AdjustForTier(ctx context.Context, siteID, personID, points int64, description string, key idempotency.Key) (loyaltyapi.Action, error) {
	return m.actions.Do(ctx, action{site: siteID, person: personID, kind: kindAdjust, points: points, text: description, forTier: true, key: key})
}

// AdjustIn is Adjust, or AdjustForTier, of points of a wallet.
func (m *Module) AdjustIn(ctx context.Context, siteID, personID int64, wallet string, points int64, description string, forTier bool, key idempotency.Key) (loyaltyapi.Action, error) {
	return m.actions.Do(ctx, action{site: siteID, person: personID, wallet: walletNamed(wallet), kind: kindAdjust, points: points, text: description, forTier: forTier, key: key})
}

// Redeem spends the points that a batch costs, and says so to whom hands out its coupons. The redemption waits until that is heard.
func (m *Module) Redeem(ctx context.Context, siteID, personID, batchID int64, source string, key idempotency.Key) (loyaltyapi.Action, error) {
	return m.RedeemFor(ctx, siteID, personID, batchID, 0, "", source, key)
}

// RedeemFor is Redeem with points that the member chooses, where the batch pays part of an order, and with the caller's own reference.
func (m *Module) RedeemFor(ctx context.Context, siteID, personID, batchID, points int64, reference, source string, key idempotency.Key) (loyaltyapi.Action, error) {
	return m.spend(ctx, action{site: siteID, person: personID, kind: kindRedeem, id: batchID, points: points, about: reference, text: source, key: key})
}

// act runs actions as one transaction, in their order upon the locked balances.
func (m *Module) act(ctx context.Context, in []action) (out []acted, err error) {
	timer := prometheus.NewTimer(m.m.Real.seconds.WithLabelValues("act"))
	defer timer.ObserveDuration()
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		out = make([]acted, len(in))
		claims := make([]idempotency.Claim, len(in))
		for i, a := range in {
			claims[i] = idempotency.Claim{SiteID: a.site, Key: a.key}
		}
		claimed, err := idempotency.Take(ctx, u.Tx, module, u.Now, claims)
		if err != nil {
			return err
		}
		var work []int
		for i, c := range claimed {
			if c.Err != nil {
				out[i].Err = c.Err
			} else if !c.Replayed {
				work = append(work, i)
			}
		}
		if err := m.decide(ctx, u, in, work, out); err != nil {
			return err
		}
		answers := make([][]byte, len(in))
		for _, i := range work {
			if in[i].key.Value == "" {
				continue
			}
			if answers[i], err = idempotency.Encode(out[i].Value, out[i].Err); err != nil {
				return err
			}
		}
		if err := idempotency.Keep(ctx, u.Tx, module, claims, answers); err != nil {
			return err
		}
		return idempotency.Repeat(claims, claimed, answers, func(i int, first loyaltyapi.Action, refused error) {
			first.Replayed = refused == nil
			out[i] = acted{Value: first, Err: refused}
		})
	})
	return out, err
}

// decide locks what the actions of work are about, decides each, and saves all.
func (m *Module) decide(ctx context.Context, u *bus.Unit, in []action, work []int, out []acted) error {
	if len(work) == 0 {
		return nil
	}
	d, err := openDesk(ctx, u, in, work)
	if err != nil {
		return err
	}
	for _, i := range work {
		a := in[i]
		h := d.holderOf(a)
		if err := d.ask(ctx, h, &a); err != nil {
			return err
		}
		out[i].Value, err = d.perform(h, a)
		if f, ok := fault.Of(err); ok {
			out[i] = acted{Err: f}
			continue
		}
		if err != nil {
			return err
		}
	}
	d.unspent, d.ended = values(d.redemptions), values(d.holds)
	return m.save(ctx, u, d.books, each(d.holders), d.loaded, 0)
}

// perform decides one action of a member; h is nil for who is none.
func (d *desk) perform(h *holder, a action) (v loyaltyapi.Action, err error) {
	switch {
	case h == nil && a.ends():
		return v, errNoHold
	case h == nil && a.kind == kindCancel:
		return v, errNoRedemption
	case h == nil:
		return v, errNoMember
	}
	if h, err = d.walletFor(h, a); err != nil {
		return v, err
	}
	var t txn
	var k *hold
	var r *redemption
	id := siteID{a.site, a.id}
	switch {
	case a.kind == kindAdjust:
		t, err = d.adjust(h, a.points, a.text, a.forTier)
	case a.kind == kindRedeem:
		r, err = d.redeem(h, d.batches[id], a)
	case a.kind == kindHold:
		k, err = d.keep(h, d.batches[id], a)
	case a.ends():
		if k = d.holds[id]; k == nil { // the member's redemption, which another action cancels
			return v, errNoHold
		}
		err = d.end(h, k, a)
	default:
		if r = d.redemptions[id]; r == nil {
			return v, errNoRedemption
		}
		if err = d.mayCancel(r, a); err == nil {
			err = d.cancel(h, r, d.used[id], a.text)
		}
	}
	if err != nil {
		return v, err
	}
	v = loyaltyapi.Action{Type: a.kind, TransactionID: t.ID, Points: t.Points, Balance: h.Balance, Wallet: h.Wallet, Description: t.Description, At: d.now}
	if r != nil {
		view := r.view()
		v.Redemption, v.TransactionID, v.Points = &view, r.ID, -r.Points
		if a.kind == kindCancel && r.CancelTxnID != nil {
			v.TransactionID, v.Points, v.At = *r.CancelTxnID, r.Points, *r.CancelledAt
		}
	}
	if k != nil {
		view := k.Hold
		v.Hold, v.TransactionID, v.Points = &view, k.ID, k.Points
	}
	return v, nil
}

// desk is what a batch of actions works on.
type desk struct {
	*books
	holders     map[person]*holder
	owners      map[siteID]int64 // persons of the redemptions to cancel, and of the holds to end
	batches     map[siteID]*redemptionBatch
	redemptions map[siteID]*redemption // to cancel
	holds       map[siteID]*hold       // to end
	asks        map[siteID]*fulfilAsk  // what hooks are asked about redemptions to cancel
	used        map[siteID][]allocation
	loaded      []*lot
}

// ends says that an action is about a hold that is there.
func (a action) ends() bool {
	return a.kind == kindCommit || a.kind == kindRelease || a.kind == kindRestore
}

// end does with a hold what is wanted.
func (d *desk) end(h *holder, k *hold, a action) error {
	used := d.used[siteID{a.site, a.id}]
	switch {
	case a.due && k.Until.After(d.now):
		return nil
	case a.kind == kindCommit:
		return d.commit(h, k)
	case a.kind == kindRelease:
		return d.release(h, k, used)
	}
	return d.restore(h, k, used, a.points)
}

func (d *desk) holderOf(a action) *holder {
	if a.kind == kindCancel || a.ends() {
		a.person = d.owners[siteID{a.site, a.id}]
	}
	return d.holders[person{a.site, a.person}]
}

// openDesk locks programmes, batches, pools, members, redemptions, holds, counts and the sites' accounts, in this order.
func openDesk(ctx context.Context, u *bus.Unit, in []action, work []int) (*desk, error) {
	var sites []int64
	var people []person
	var batches, cancels, ends []siteID
	accounts := []string{adjusted, redeemed, expired}
	for _, i := range work {
		a := in[i]
		sites = append(sites, a.site)
		switch a.kind {
		case kindCancel:
			cancels = append(cancels, siteID{a.site, a.id})
		case kindRedeem:
			batches = append(batches, siteID{a.site, a.id})
		case kindHold, kindCommit, kindRelease, kindRestore:
			accounts = []string{adjusted, redeemed, expired, held}
			switch {
			case a.kind == kindHold && a.id != 0:
				batches = append(batches, siteID{a.site, a.id})
			case a.ends():
				ends = append(ends, siteID{a.site, a.id})
			}
		}
		if a.person != 0 {
			people = append(people, person{a.site, a.person})
		}
	}
	slices.Sort(sites)
	sites = slices.Compact(sites)
	d := &desk{books: &books{now: u.Now}}
	var err error
	if d.programs, err = sharePrograms(ctx, u, sites); err != nil {
		return nil, err
	}
	if d.batches, err = shareBatches(ctx, u, batches); err != nil {
		return nil, err
	}
	places, err := d.openPools(ctx, u, in, work)
	if err != nil {
		return nil, err
	}
	var pooled, more []siteID
	if d.owners, pooled, err = ownersOf(ctx, u, cancels); err != nil {
		return nil, err
	}
	if more, err = holdersOfHolds(ctx, u, ends, d.owners); err != nil {
		return nil, err
	}
	loans, err := loansOf(ctx, u, append(pooled, more...))
	if err != nil {
		return nil, err
	}
	for id, who := range d.owners {
		people = append(people, person{id.site, who})
	}
	people = append(people, column(places, func(p poolPlace) person { return person{p.SiteID, p.PersonID} })...)
	people = append(people, column(loans, func(l *loan) person { return person{l.SiteID, l.PersonID} })...)
	if len(places)+len(loans) > 0 {
		accounts = append(accounts, transferred)
	}
	if d.holders, err = lockHolders(ctx, u, inOrder(people)); err != nil || len(d.holders) == 0 {
		return d, err
	}
	d.fill(places)
	if err = d.readScores(ctx, u, each(d.holders)); err != nil {
		return nil, err
	}
	if d.redemptions, d.used, err = lockRedemptions(ctx, u, cancels); err != nil {
		return nil, err
	}
	if d.asks, err = lockFulfilAsks(ctx, u, d.hooked()); err != nil {
		return nil, err
	}
	if d.holds, err = lockHolds(ctx, u, ends, d.used); err != nil {
		return nil, err
	}
	if err = d.openLoans(ctx, u, loans); err != nil {
		return nil, err
	}
	if err = d.loadCounts(ctx, u, in, work); err != nil {
		return nil, err
	}
	if err = d.loadWallets(ctx, u, in, work); err != nil {
		return nil, err
	}
	taken := map[siteSource]earned{}
	for id, used := range d.used {
		for _, a := range used {
			taken[siteSource{id.site, sourceOf("lot", a.LotID)}] = earned{SiteID: id.site, ID: a.LotID}
		}
	}
	if d.loaded, err = lotsOf(ctx, u, d.holders, taken); err != nil {
		return nil, err
	}
	hand(d.loaded, each(d.holders))
	if d.made, err = madeBy(ctx, u, dueOf(d.loaded, u.Now)); err != nil {
		return nil, err
	}
	o, err := open(ctx, u, len(work)+len(d.made)*(1+len(cancels)+len(ends))+d.poolIDs(in, work), sites, inWallets(accounts, each(d.holders)), nil)
	d.ids, d.own = o.ids, o.own
	return d, err
}
