package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// bench is a run: both sides, and what it found.
type bench struct {
	o options
	*platform
	yard   *pgbench
	static *static
	report report
	rate   float64 // of purchases, when last measured
}

func (b *bench) span() time.Duration { return time.Duration(b.o.seconds) * time.Second }

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// yardstick runs pgbench at its best and says what else went on meanwhile.
func (b *bench) yardstick(ctx context.Context, script string, seconds int) (best outcome, others float64, err error) {
	before, err := b.used(ctx)
	if err != nil {
		return best, 0, err
	}
	if best, err = b.yard.best(ctx, script, seconds); err != nil {
		return best, 0, err
	}
	after, err := b.used(ctx)
	return best, after.minus(before).others(best.client), err
}

// visits measures the lines of visits.
func (b *bench) visits(ctx context.Context) error {
	direct, bare := line{name: "visits / K1", floor: floorVisits}, line{name: "visits / static", floor: floorStatic}
	var sum usage
	var count int64
	var latency []time.Duration
	for n := range b.o.pairs {
		if err := b.quiet(ctx); err != nil {
			return err
		}
		before, err := b.used(ctx)
		if err != nil {
			return err
		}
		t, err := b.visit(ctx, b.span(), b.anySite, &b.pool)
		if err != nil {
			return err
		}
		if _, err := b.settle(ctx); err != nil {
			return err
		}
		after, err := b.used(ctx)
		if err != nil {
			return err
		}
		u := after.minus(before)
		k1, others, err := b.yardstick(ctx, "visit.sql", b.o.seconds)
		if err != nil {
			return err
		}
		s, err := b.static.visit(ctx, b.platform, b.span())
		if err != nil {
			return err
		}
		sum, count, latency = sum.plus(u), count+t.count, append(latency, t.times...)
		others = max(others, u.others(0))
		direct.pairs = append(direct.pairs, pair{t.rate(), k1.rate, k1.clients, others})
		bare.pairs = append(bare.pairs, pair{t.rate(), s.rate(), 0, others})
		progress("visits %d/%d: %.0f/s, pgbench %.0f/s at %d clients, static %.0f/s, others %.0f %%", n+1, b.o.pairs, t.rate(), k1.rate, k1.clients, s.rate(), 100*others)
	}
	b.report.lines = append(b.report.lines, direct, bare)
	b.report.note("a visit", "%s; answered in %s (median), %s (p99)", cost(sum, count), milliseconds(quantile(latency, 0.5)), milliseconds(quantile(latency, 0.99)))
	return nil
}

// cost is what an item took, all that followed from it included.
func cost(u usage, n int64) string {
	text := fmt.Sprintf("%d bytes of log (%.2f full pages), %.0f to a flush", u.wal/max(n, 1), float64(u.pages)/float64(max(n, 1)), float64(n)/float64(max(u.flushes, 1)))
	if u.serve > 0 {
		text = fmt.Sprintf("processor %.0f µs PostgreSQL + %.0f µs talkable (+ %.0f µs the load); ", each(u.postgres, n), each(u.serve, n), each(u.own, n)) + text
	}
	return text
}

// bought is one measurement of purchases.
type bought struct {
	tally
	usage
	settled float64 // a second, all that follows included
}

// purchase measures once; if there were too few visitors to buy, it starts over with more.
func (b *bench) purchase(ctx context.Context) (r bought, err error) {
	for {
		if err := b.stock(ctx, int(2*b.rate*b.span().Seconds())+2000, b.anySite, &b.pool); err != nil {
			return r, err
		}
		before, err := b.used(ctx)
		if err != nil {
			return r, err
		}
		r.tally, err = b.buy(ctx, b.span())
		if err != nil && !errors.Is(err, errNoFriends) {
			return r, err
		}
		b.rate = r.rate()
		done, failed := b.settle(ctx)
		if failed != nil {
			return r, failed
		}
		if err != nil {
			continue
		}
		after, err := b.used(ctx)
		r.usage, r.settled = after.minus(before), float64(r.count)/done.Sub(r.began).Seconds()
		return r, err
	}
}

// purchases measures the lines of purchases.
func (b *bench) purchases(ctx context.Context) error {
	acked, settled := line{name: "purchases / L1", floor: floorPurchases}, line{name: "settled / L1", floor: floorSettled}
	alone, backlog := line{name: "alone / L1"}, line{name: "backlog / L1"}
	var all, unheard bought
	var behind, heard []float64
	for n := range b.o.pairs {
		r, err := b.purchase(ctx)
		if err != nil {
			return err
		}
		var d drained
		if !b.o.statements { // the waiting for locked cursors would look like work
			if d, err = b.drain(ctx); err != nil {
				return err
			}
		}
		if err := b.quiet(ctx); err != nil {
			return err
		}
		l1, others, err := b.yardstick(ctx, "purchase.sql", b.o.seconds)
		if err != nil {
			return err
		}
		others = max(others, r.others(0))
		acked.pairs = append(acked.pairs, pair{r.rate(), l1.rate, l1.clients, others})
		settled.pairs = append(settled.pairs, pair{r.settled, l1.rate, l1.clients, others})
		alone.pairs = append(alone.pairs, pair{d.recorded, l1.rate, l1.clients, others})
		backlog.pairs = append(backlog.pairs, pair{d.purchases, l1.rate, l1.clients, others})
		unheard.count, unheard.usage = unheard.count+d.count, unheard.plus(d.recording)
		behind, heard = append(behind, d.behind), append(heard, d.heard)
		all.count, all.times, all.usage = all.count+r.count, append(all.times, r.times...), all.plus(r.usage)
		progress("purchases %d/%d: %.0f/s, settled %.0f/s, alone %.0f/s, backlog %.0f/s, pgbench %.0f/s at %d clients, others %.0f %%", n+1, b.o.pairs,
			r.rate(), r.settled, d.recorded, d.purchases, l1.rate, l1.clients, 100*others)
	}
	b.report.lines = append(b.report.lines, acked, settled)
	b.report.note("a purchase", "%s; answered in %s (median), %s (p99)", cost(all.usage, all.count), milliseconds(all.quantile(0.5)), milliseconds(all.quantile(0.99)))
	if b.o.statements {
		return nil
	}
	b.report.lines = append(b.report.lines, alone, backlog)
	b.report.note("a purchase alone", "%s", cost(unheard.usage, unheard.count))
	h, e := spreadOver(heard), spreadOver(behind)
	b.report.note("a backlog", "%.0f events (median) before the cursors, caught up with at %.0f events a second over all consumers (%.0f–%.0f)", e.median, h.median, h.least, h.most)
	return nil
}

// warm lets a first crowd come and buy, so that the tables hold what makes the planner take them seriously, and both sides have
// their pages in memory. It also finds the rate of purchases.
func (b *bench) warm(ctx context.Context) error {
	b.rate = 1000
	for range 2 {
		if err := b.stock(ctx, int(2*b.rate)+2000, b.anySite, &b.pool); err != nil {
			return err
		}
		t, err := b.buy(ctx, time.Second)
		if err != nil && !errors.Is(err, errNoFriends) {
			return err
		}
		b.rate = t.rate()
		if err := b.quiet(ctx); err != nil {
			return err
		}
		if err := b.pg.prepare(ctx); err != nil {
			return err
		}
	}
	for _, script := range []string{"visit.sql", "purchase.sql"} {
		if _, err := b.yard.run(ctx, script, clients[0], 1); err != nil {
			return err
		}
	}
	return nil
}
