package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/talkable/talkable/migrations"
)

// points measures the lines of the ledger.
func (b *bench) points(ctx context.Context) error {
	var sum usage
	var count int64
	var members []member
	for n := range b.o.pairs {
		var posted int64
		var u usage
		var rate float64
		var err error
		if !b.o.statements { // the waiting for locked cursors would look like work
			if posted, u, rate, err = b.post(ctx); err != nil {
				return err
			}
		}
		p1, others, err := b.yardstick(ctx, "post.sql", clients...)
		if err != nil {
			return err
		}
		sum, count = sum.plus(u), count+posted
		others = max(others, u.others(0))
		hot, elsewhere, err := b.yardstick(ctx, "post_hot.sql", clients...)
		if err != nil {
			return err
		}
		others = max(others, elsewhere)
		if members == nil { // who has bought is a member
			if members, err = b.members(ctx); err != nil {
				return err
			}
		}
		var rates [3]float64
		for i, load := range []struct {
			redeem bool
			of     []member
		}{{false, members}, {true, members}, {true, members[:1]}} {
			before, err := b.used(ctx)
			if err != nil {
				return err
			}
			t, err := b.act(ctx, b.span(), load.redeem, load.of)
			if err != nil {
				return err
			}
			after, err := b.used(ctx)
			if err != nil {
				return err
			}
			others, rates[i] = max(others, after.minus(before).others(0)), t.rate()
			if err := b.quiet(ctx); err != nil {
				return err
			}
		}
		speed := pace()
		if posted > 0 {
			b.report.add("events posted / P1", pair{rate, p1.rate, p1.clients, others, speed})
		}
		b.report.add("adjusted / P1", pair{rates[0], p1.rate, p1.clients, others, speed})
		b.report.add("redeemed / P1", pair{rates[1], p1.rate, p1.clients, others, speed})
		b.report.add("redeemed by one / P1", pair{rates[2], hot.rate, hot.clients, others, speed})
		progress("points %d/%d: %.0f postings/s out of events, %.0f adjusted/s, %.0f redeemed/s by %d members, %.0f/s by one, pgbench %.0f/s at %d clients, %.0f/s on one account, others %.0f %%",
			n+1, b.o.pairs, rate, rates[0], rates[1], len(members), rates[2], p1.rate, p1.clients, hot.rate, 100*others)
	}
	b.report.note("points counted", "%d adjustments, %d redemptions, in the database with their entries", b.took.adjusted, b.took.redeemed)
	b.report.note("a posting", "%s", cost(sum, count))
	return nil
}

// post lets rewards pile up before loyalty's cursor, and measures how fast they become postings.
func (b *bench) post(ctx context.Context) (posted int64, u usage, rate float64, err error) {
	const span = 2 * time.Second // and the others have to catch up while the cursor is held
	if err := b.stock(ctx, int(2*b.rate*span.Seconds())+2000, b.anySite, &b.pool); err != nil {
		return 0, u, 0, err
	}
	before := b.took.matched
	lock, err := b.hold(ctx, "loyalty")
	if err != nil {
		return 0, u, 0, err
	}
	defer func() { _ = lock.Rollback() }() // does nothing the second time
	if _, err := b.buy(ctx, b.platform.all(connections, span)); err != nil && !errors.Is(err, errNoFriends) {
		return 0, u, 0, err
	}
	others := slices.DeleteFunc(slices.Clone(migrations.Modules), func(m string) bool { return m == "loyalty" })
	if _, err := b.settled(ctx, others); err != nil {
		return 0, u, 0, err
	}
	start, err := b.used(ctx)
	if err != nil {
		return 0, u, 0, err
	}
	began := time.Now()
	if err := lock.Rollback(); err != nil {
		return 0, u, 0, err
	}
	done, err := b.settled(ctx, []string{"loyalty"})
	if err != nil {
		return 0, u, 0, err
	}
	end, err := b.used(ctx)
	if err != nil {
		return 0, u, 0, err
	}
	posted = b.took.matched - before
	return posted, end.minus(start), float64(posted) / done.Sub(began).Seconds(), b.quiet(ctx)
}
