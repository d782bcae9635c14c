package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
)

// household is three people who spend each other's points. Whose points pay what is known: none ever end, so one's own go first, then the others' in the
// order in which they came.
type household struct {
	name string
	pool int64
	all  [3]*homePerson
	in   map[*homePerson]bool // the pool
	lots []*homeLot           // as they came
}

// homeLot is points of somebody's that came together.
type homeLot struct {
	of   *homePerson
	left int64
}

func newHousehold(n int) *household {
	h := &household{name: fmt.Sprintf("home-%d", n), in: map[*homePerson]bool{}}
	for i := range h.all {
		h.all[i] = newHomePerson(fmt.Sprintf("%s-%c", h.name, 'a'+i))
	}
	return h
}

func (h *household) key(what string) string { return what + "-" + h.name }

func (h *household) order(p *homePerson, n int) string {
	return fmt.Sprintf("%s-%d", p.email[:len(p.email)-len("@shop.example")], n)
}

// earn notes points that came.
func (h *household) earn(p *homePerson, n int64) {
	h.lots, p.points = append(h.lots, &homeLot{p, n}), p.points+n
}

// pays says that points may be spent by somebody.
func (h *household) pays(l *homeLot, by *homePerson) bool {
	return l.of == by || h.in[l.of] && h.in[by] && l.of.status == "active"
}

// spendable is how many points somebody may spend.
func (h *household) spendable(by *homePerson) (n int64) {
	for _, l := range h.lots {
		if h.pays(l, by) {
			n += l.left
		}
	}
	return n
}

// spend notes who of the pool pays what of somebody's spending, and returns how to undo it.
func (h *household) spend(by *homePerson, cost int64) (undo func()) {
	var undone []func()
	for _, own := range []bool{true, false} {
		for _, l := range h.lots {
			if n := min(cost, l.left); (l.of == by) == own && h.pays(l, by) && n > 0 {
				cost, l.left, l.of.points = cost-n, l.left-n, l.of.points-n
				undone = append(undone, func() { l.left, l.of.points = l.left+n, l.of.points+n })
			}
		}
	}
	return func() {
		for _, f := range undone {
			f()
		}
	}
}

// live is what a household does: it becomes one, spends together, and comes to one of several ends.
func (h *household) live(ctx context.Context, w *world, fate int) error {
	for _, p := range h.all { // one after the other: the order of their points is known
		if _, err := p.buys(ctx, w, h.order(p, 0)); err != nil {
			return err
		}
		h.earn(p, homeDollars)
		p.stars, p.orders = homeDollars, 1
		if err := p.awaits(ctx, w); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context, *world, int) error{h.getAllowance, h.found, h.spendTogether, h.spendStars, h.comeApart, h.buyAgain} {
		if err := step(ctx, w, fate); err != nil {
			return err
		}
	}
	return nil
}

// getAllowance has everybody get points by hand, by a preview that two apply at once; then once more by somebody who hasn't heard of it.
func (h *household) getAllowance(ctx context.Context, w *world, _ int) error {
	const target = "/api/v2/loyalty/adjustments"
	var rows []object
	for _, p := range h.all {
		rows = append(rows, object{"member": p.email, "points": allowance, "reference": "allowance-" + p.email})
	}
	var got struct {
		Result struct {
			Done struct {
				Preview                 string
				Applied, Known, Refused int
			} `json:"adjustments"`
		}
	}
	a, err := w.done(ctx, w.home.shop, wish{"POST", target + "?dry_run=true", object{"rows": rows}, ""})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		return err
	}
	body := object{"rows": rows, "expect_preview": got.Result.Done.Preview}
	if _, err := w.race(ctx, w.home.shop, "one preview applied by two", 1, 1, wish{"POST", target, body, h.key("preview-1")}, wish{"POST", target, body, h.key("preview-2")}); err != nil {
		return err
	}
	if a, err = w.done(ctx, w.home.shop, wish{"POST", target, object{"rows": rows}, h.key("again")}); err != nil {
		return err
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		return err
	}
	if d := got.Result.Done; d.Known != len(rows) || d.Applied+d.Refused > 0 {
		w.tally.violate("adjustments by the file are made once", "they were sent again", h.name+": "+string(a.body))
	}
	for _, p := range h.all {
		h.earn(p, allowance)
	}
	return nil
}

// found makes the pool of the first two; the third is wanted by it and by another one at once.
func (h *household) found(ctx context.Context, w *world, _ int) error {
	a, err := w.done(ctx, w.home.shop, wish{"POST", "/api/v2/loyalty/pools", object{"name": h.name, "owner": h.all[0].email, "members": []string{h.all[1].email}}, h.key("found")})
	if err != nil {
		return err
	}
	if h.pool, err = poolOf(a); err != nil {
		return err
	}
	join := wish{"POST", fmt.Sprintf("/api/v2/loyalty/pools/%d/members", h.pool), object{"member": h.all[2].email}, h.key("join")}
	for _, p := range h.all {
		h.in[p] = true
	}
	both, err := w.race(ctx, w.home.shop, "two pools for one member", 1, 1, join, wish{"POST", "/api/v2/loyalty/pools", object{"name": "Alone", "owner": h.all[2].email}, h.key("alone")})
	if err != nil || winner(both) == 0 {
		return err
	}
	alone, err := poolOf(both[1])
	if err != nil {
		return err
	}
	if _, err := w.done(ctx, w.home.shop, wish{"POST", fmt.Sprintf("/api/v2/loyalty/pools/%d/close", alone), object{}, h.key("close")}); err != nil {
		return err
	}
	join.key = h.key("join-later")
	_, err = w.done(ctx, w.home.shop, join)
	return err
}

func poolOf(a answer) (int64, error) {
	var made struct {
		Result struct{ Pool struct{ ID int64 } }
	}
	err := json.Unmarshal(a.body, &made)
	return made.Result.Pool.ID, err
}

// What becomes of points that were spent together.
const (
	thinkAgain = iota
	holdTheRest
	leaveIt
	spendings
)

// spendTogether has all three want what only one of them can have, and comes to one of three ends.
func (h *household) spendTogether(ctx context.Context, w *world, fate int) error {
	var wishes []wish
	for _, p := range h.all {
		wishes = append(wishes, p.redeems(w.home.kettle, "kettle"))
	}
	answers, err := w.race(ctx, w.home.shop, "one pool of points for three", 1, 1, wishes...)
	if err != nil {
		return err
	}
	first := winner(answers)
	undo := h.spend(h.all[first], kettleCost)
	switch fate % spendings {
	case thinkAgain:
		undo()
		return h.cancel(ctx, w, answers[first], h.all[1+first%2]) // who goes isn't the owner, who stays
	case holdTheRest:
		return h.hold(ctx, w, h.all[first])
	}
	return nil
}

// cancel has two cancel a redemption at once, while another one leaves the pool, who may have paid for it.
func (h *household) cancel(ctx context.Context, w *world, done answer, leaves *homePerson) error {
	var got struct {
		Result struct {
			Action struct {
				ID int64 `json:"redemption_id"`
			}
		}
	}
	if err := json.Unmarshal(done.body, &got); err != nil {
		return err
	}
	target := fmt.Sprintf("/api/v2/loyalty/redemptions/%d/cancel", got.Result.Action.ID)
	h.in[leaves] = false
	_, err := w.race(ctx, w.home.shop, "a cancellation, twice, and somebody who leaves the pool", 3, 3,
		wish{"POST", target, object{"reason": "Thought again"}, h.key("cancel-1")}, wish{"POST", target, object{"reason": "Thought again"}, h.key("cancel-2")},
		wish{"DELETE", fmt.Sprintf("/api/v2/loyalty/pools/%d/members/%s", h.pool, url.PathEscape(leaves.email)), nil, h.key("leave")})
	return err
}

// hold has somebody who has nothing left hold all that the others have, and it is committed and released at once.
func (h *household) hold(ctx context.Context, w *world, by *homePerson) error {
	left := h.spendable(by)
	a, err := w.done(ctx, w.home.shop, wish{"POST", by.at("/holds"), object{"points": left, "reference": h.name, "seconds": holdSeconds}, h.key("hold")})
	if err != nil {
		return err
	}
	undo := h.spend(by, left)
	var made struct {
		Result struct{ Hold struct{ ID int64 } }
	}
	if err := json.Unmarshal(a.body, &made); err != nil {
		return err
	}
	target := fmt.Sprintf("/api/v2/loyalty/holds/%d/", made.Result.Hold.ID)
	answers, err := w.race(ctx, w.home.shop, "others' points committed against released", 1, 1,
		wish{"POST", target + "commit", object{}, h.key("commit")}, wish{"POST", target + "release", object{}, h.key("release")})
	if winner(answers) == 1 {
		undo()
	}
	return err
}
