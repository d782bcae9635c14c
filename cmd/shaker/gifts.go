package main

import "context"

// holdSeconds is longer than any run: no hold ends by itself.
const holdSeconds = 6 * 24 * 60 * 60

func (t *tale) give(of op, to string, points int64, what string) op {
	o := t.keyed(t.op(kindGive, "give "+what), "give-"+what)
	o.Email, o.To, o.Amount = of.Email, to, points
	return o
}

func (t *tale) hold(of op, points int64, what string) op {
	o := t.keyed(t.op(kindHold, "hold "+what), "hold-"+what)
	o.Email, o.Amount = of.Email, points
	return o
}

// end commits or releases a hold.
func (t *tale) end(of op, hold int64, how string) op {
	o := t.keyed(t.op(kindEnd, how), how)
	o.Email, o.Amount, o.Target, o.Status = of.Email, of.Amount, hold, how
	return o
}

// givesPoints has two members, of whom one gives points of an order to the other, who pays with some; then the order goes back, which its buyer pays.
func givesPoints(ctx context.Context, t *tale) {
	p, q := t.purchase("a"), t.purchase("b")
	p.Amount, q.Amount = t.amount(5_000), t.amount(5_000)
	for _, o := range []op{p, q} {
		if t.tellOnce(ctx, o).Outcome != yes || !t.awaitPoints(ctx, o.Email, 1) {
			return
		}
	}
	t.tellOnce(ctx, t.give(p, q.Email, 1+t.rng.Int64N(40), "a"))
	t.tellOnce(ctx, t.give(p, p.Email, 1, "to oneself"))
	h := t.hold(q, 1+t.rng.Int64N(30), "a")
	if done := t.tellOnce(ctx, h); done.Outcome == yes {
		t.tellOnce(ctx, t.end(h, done.Made, []string{"commit", "release"}[t.rng.IntN(2)]))
	}
	t.tellOnce(ctx, t.refund(p, 0, "a"))
	t.tellOnce(ctx, t.give(q, p.Email, 1+t.rng.Int64N(20), "b")) // repays a debt
}

// giftDuels are what races for points between members, and for the end of a hold, decide.
var giftDuels = []duel{
	{"two members give to each other", 2, 2, func(ctx context.Context, t *tale) []op {
		p, ok := t.member(ctx, 50)
		if !ok {
			return nil
		}
		q := t.purchase("b")
		if q.Amount = t.amount(5_000); t.do(ctx, q, t.at()).Outcome != yes || !t.awaitPoints(ctx, q.Email, 5) {
			return nil
		}
		return []op{t.give(p, q.Email, 5, "a"), t.give(q, p.Email, 5, "b")}
	}},
	{"three gifts of all that a member has", 1, 1, func(ctx context.Context, t *tale) []op {
		p, ok := t.member(ctx, 50)
		if !ok {
			return nil
		}
		q := t.purchase("b")
		if t.do(ctx, q, t.at()).Outcome != yes || !t.awaitPoints(ctx, q.Email, 1) {
			return nil
		}
		return []op{t.give(p, q.Email, 50, "a"), t.give(p, q.Email, 50, "b"), t.give(p, q.Email, 50, "c")}
	}},
	{"the commitment and the release of a hold", 1, 1, func(ctx context.Context, t *tale) []op {
		p, ok := t.member(ctx, 50)
		if !ok {
			return nil
		}
		h := t.hold(p, 20, "a")
		done := t.do(ctx, h, t.at())
		if done.Outcome != yes {
			return nil
		}
		return []op{t.end(h, done.Made, "commit"), t.end(h, done.Made, "release")}
	}},
}
