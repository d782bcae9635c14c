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
	for n := range b.o.pairs {
		posted, u, rate, err := b.post(ctx)
		if err != nil {
			return err
		}
		p1, others, err := b.yardstick(ctx, "post.sql", clients...)
		if err != nil {
			return err
		}
		sum, count = sum.plus(u), count+posted
		others = max(others, u.others(0))
		b.report.add("events posted / P1", pair{rate, p1.rate, p1.clients, others, pace()})
		progress("points %d/%d: %.0f postings/s out of events, pgbench %.0f/s at %d clients, others %.0f %%", n+1, b.o.pairs, rate, p1.rate, p1.clients, 100*others)
	}
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
