package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// What members can spend points on, and how many coupons there are at first: fewer than are asked for.
const (
	mug, mugCost        = "Mug", 100
	vouchers            = 5 // of each a list of its own
	voucherCost, scarce = 30, 3
	tagGift, gifts      = "gift", 40 // a click on whose link gives a coupon
	memberPatience      = 8 * time.Second
)

func voucher(n int) string { return fmt.Sprint("Voucher ", n) }

// create makes something of a site's and returns its id.
func (w *world) create(ctx context.Context, s shop, path, what string, body object) (int64, error) {
	r, err := w.post201(ctx, s, path, body)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Result map[string]json.RawMessage `json:"result"`
	}
	var made struct {
		ID int64 `json:"id"`
	}
	if err := errors.Join(json.Unmarshal(r.body, &answer), json.Unmarshal(answer.Result[what], &made)); err != nil {
		return 0, fmt.Errorf("make a %s: %s: %w", what, r.body, err)
	}
	return made.ID, nil
}

// post201 makes something while nothing is done to the world yet. A refusal means that what was made before it is not there.
func (w *world) post201(ctx context.Context, s shop, path string, body object) (reply, error) {
	for try := 0; ; try++ {
		r := w.replicas[0].send(ctx, s.Key, "POST", path, body, "")
		if r.err != nil || r.status == 201 {
			return r, r.err
		}
		text := fmt.Sprintf("POST %s: %d %s", path, r.status, r.body)
		if try == 20 || ctx.Err() != nil {
			return r, errors.New(text)
		}
		w.tally.violate("read your writes", "what was acknowledged is not there", text)
		wait(ctx, 100*time.Millisecond)
	}
}

// list makes a coupon list with so many codes.
func (w *world) list(ctx context.Context, s shop, name string, n int) (int64, error) {
	id, err := w.create(ctx, s, "/api/v2/coupon_lists", "coupon_list", object{"name": name, "kind": "single-use", "amount": 500})
	if err != nil {
		return 0, err
	}
	_, err = w.post201(ctx, s, fmt.Sprintf("/api/v2/coupon_lists/%d/generate", id), object{"template": "OFF-########", "count": n})
	return id, err
}

// fillShelf makes what members of a programme can spend points on.
func (w *world) fillShelf(ctx context.Context, s *shop, programme int64) error {
	path := fmt.Sprintf("/api/v2/loyalty/programs/%d/redemption_batches", programme)
	s.Shelf, s.Lists = map[string]int64{}, map[string]int64{}
	var err error
	if s.Shelf[mug], err = w.create(ctx, *s, path, "redemption_batch", object{"description": mug, "points_cost": mugCost}); err != nil {
		return err
	}
	for n := range vouchers {
		name := voucher(n)
		list, err := w.list(ctx, *s, name, scarce)
		if err != nil {
			return err
		}
		s.Lists[name] = list
		if s.Shelf[name], err = w.create(ctx, *s, path, "redemption_batch", object{"description": name, "points_cost": voucherCost, "coupon_list_id": list}); err != nil {
			return err
		}
	}
	return nil
}

// member makes somebody a member who has some points of an order and gets so many by hand. It says no if that took too long.
func (t *tale) member(ctx context.Context, points int64) (op, bool) {
	p := t.purchase("a")
	p.Amount = t.amount(500)
	if t.do(ctx, p, t.at()).Outcome != yes || !t.awaitPoints(ctx, p.Email, 1) {
		return p, false
	}
	return p, t.do(ctx, t.adjust(p, points, "a"), t.at()).Outcome == yes
}

// awaitPoints waits until somebody has so many.
func (t *tale) awaitPoints(ctx context.Context, email string, least int64) bool {
	ctx, cancel := context.WithTimeout(ctx, memberPatience)
	defer cancel()
	for at := t.at(); ctx.Err() == nil; at = 1 - at {
		r := t.replicas[at].send(ctx, t.sites[t.site].Key, "GET", "/api/v2/loyalty/members/"+url.PathEscape(email), nil, "")
		var got struct {
			Result readMember `json:"result"`
		}
		if r.status == 200 && json.Unmarshal(r.body, &got) == nil && got.Result.Member.Balance >= least {
			return true
		}
		wait(ctx, 50*time.Millisecond)
	}
	return false
}

func (t *tale) adjust(of op, points int64, what string) op {
	o := t.keyed(t.op(kindAdjust, "adjust "+what), "adjust-"+what)
	o.Email, o.Amount = of.Email, points
	return o
}

func (t *tale) redeem(of op, batch, what string) op {
	o := t.keyed(t.op(kindRedeem, "redeem "+what), "redeem-"+what)
	o.Email, o.Batch, o.Target, o.Amount = of.Email, batch, t.sites[t.site].Shelf[batch], voucherCost
	if batch == mug {
		o.Amount = mugCost
	}
	return o
}

func (t *tale) cancel(of op, redemption int64, what string) op {
	o := t.keyed(t.op(kindCancel, "cancel "+what), "cancel-"+what)
	o.Email, o.Batch, o.Target, o.Amount = of.Email, of.Batch, redemption, of.Amount
	return o
}

// spendsPoints earns some, spends them, and thinks again: the order goes back when its points are gone, and the next one pays the debt.
func spendsPoints(ctx context.Context, t *tale) {
	p := t.purchase("a")
	p.Amount = t.amount(15_000 + t.rng.Int64N(10_000))
	if t.tellOnce(ctx, p).Outcome != yes || !t.awaitPoints(ctx, p.Email, mugCost) {
		return
	}
	r := t.redeem(p, mug, "a")
	if t.rng.IntN(2) == 0 {
		r = t.redeem(p, voucher(t.rng.IntN(vouchers)), "a")
	}
	done := t.tellOnce(ctx, r)
	dice := t.rng.IntN(5)
	if t.early {
		dice = 2
	}
	if dice < 2 && done.Outcome == yes { // while its coupon may be on its way
		t.tellOnce(ctx, t.cancel(r, done.Made, "a"))
	}
	if dice == 2 {
		t.tellOnce(ctx, t.adjust(p, -20, "a"))
	}
	if dice >= 2 {
		t.tellOnce(ctx, t.adjust(p, -100_000, "b"))
	}
	if dice > 0 {
		t.tellOnce(ctx, t.refund(p, 0, "a"))
		q := t.purchase("b")
		q.Email = p.Email
		t.tellOnce(ctx, q)
	}
	if dice == 4 && done.Outcome == yes {
		t.tellOnce(ctx, t.cancel(r, done.Made, "a"))
	}
}

// restocks has a few coupons for those who wait, also for redemptions that were cancelled meanwhile.
func restocks(ctx context.Context, t *tale) {
	o := t.keyed(t.op(kindStock, "restock"), "restock")
	o.Batch, o.Amount = voucher(t.rng.IntN(vouchers)), 1+t.rng.Int64N(3)
	o.Target = t.sites[t.site].Lists[o.Batch]
	t.tellOnce(ctx, o)
}

// pointsDuels are what races for points and coupons decide.
var pointsDuels = []duel{
	{"two redemptions of points for one", 1, 1, func(ctx context.Context, t *tale) []op {
		p, ok := t.member(ctx, mugCost+mugCost/2)
		if !ok {
			return nil
		}
		return []op{t.redeem(p, mug, "a"), t.redeem(p, mug, "b"), t.redeem(p, mug, "c")}
	}},
	{"the last coupons for eight redemptions", 8, 8, func(ctx context.Context, t *tale) []op {
		p, ok := t.member(ctx, 8*voucherCost)
		if !ok {
			return nil
		}
		var ops []op
		for i := range 8 {
			ops = append(ops, t.redeem(p, voucher((t.n+t.worker)%vouchers), fmt.Sprint(i)))
		}
		return ops
	}},
	{"coupons for eight visitors", 8, 8, func(ctx context.Context, t *tale) []op {
		a := t.link(tagGift)
		var ops []op
		for i := range 8 {
			ops = append(ops, t.visit(a, tagGift, fmt.Sprint(i)))
		}
		return ops
	}},
	{"two cancellations of one redemption", 2, 2, func(ctx context.Context, t *tale) []op {
		p, ok := t.member(ctx, mugCost)
		if !ok {
			return nil
		}
		r := t.redeem(p, mug, "a")
		done := t.do(ctx, r, t.at())
		if done.Outcome != yes {
			return nil
		}
		return []op{t.cancel(r, done.Made, "a"), t.cancel(r, done.Made, "b")}
	}},
}
