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
}

func (b *bench) span() time.Duration { return time.Duration(b.o.seconds) * time.Second }

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// yardstick runs pgbench at its best and says what else went on meanwhile.
func (b *bench) yardstick(ctx context.Context, script string, clients ...int) (best outcome, others float64, err error) {
	before, err := b.used(ctx)
	if err != nil {
		return best, 0, err
	}
	if best, err = b.yard.best(ctx, script, b.o.seconds, clients...); err != nil {
		return best, 0, err
	}
	after, err := b.used(ctx)
	return best, after.minus(before).others(best.client), err
}

// visits measures the lines of visits.
func (b *bench) visits(ctx context.Context) error {
	var sum usage
	var count int64
	var latency []time.Duration
	for n := range b.o.pairs {
		var t tally
		var u usage
		err := b.profiled(ctx, "visits", func(begin func()) (err error) {
			begin()
			t, u, err = b.visited(ctx, b.platform)
			return err
		})
		if err != nil {
			return err
		}
		k1, others, err := b.yardstick(ctx, "visit.sql", clients...)
		if err != nil {
			return err
		}
		s, err := b.static.visit(ctx, b.platform, b.span())
		if err != nil {
			return err
		}
		sum, count, latency = sum.plus(u), count+t.count, append(latency, t.times...)
		others, speed := max(others, u.others(0)), pace()
		b.report.add("visits / K1", pair{t.rate(), k1.rate, k1.clients, others, speed})
		b.report.add("visits / static", pair{t.rate(), s.rate(), 0, others, speed})
		progress("visits %d/%d: %.0f/s, pgbench %.0f/s at %d clients, static %.0f/s, others %.0f %%", n+1, b.o.pairs, t.rate(), k1.rate, k1.clients, s.rate(), 100*others)
	}
	b.report.note("a visit", "%s; answered in %s (median), %s (p99)", cost(sum, count), milliseconds(quantile(latency, 0.5)), milliseconds(quantile(latency, 0.99)))
	return flushed(sum, count, connections)
}

// visited measures visits to a platform once, and lets them settle.
func (b *bench) visited(ctx context.Context, p *platform) (t tally, u usage, err error) {
	before, err := p.used(ctx)
	if err != nil {
		return t, u, err
	}
	if t, err = p.visit(ctx, b.span(), p.anySite, &p.pool.visitors); err != nil {
		return t, u, err
	}
	if _, err := p.settle(ctx); err != nil {
		return t, u, err
	}
	after, err := p.used(ctx)
	if err != nil {
		return t, u, err
	}
	return t, after.minus(before), p.quiet(ctx)
}

// cost is what an item took, all that followed from it included.
func cost(u usage, n int64) string {
	text := fmt.Sprintf("%d bytes of log (%.2f full pages), %.0f to a flush", u.wal/max(n, 1), float64(u.pages)/float64(max(n, 1)), float64(n)/float64(max(u.flushes, 1)))
	if u.serve > 0 {
		text = fmt.Sprintf("processor %.0f µs PostgreSQL + %.0f µs talkable (+ %.0f µs the load); ", each(u.postgres, n), each(u.serve, n), each(u.own, n)) + text
	}
	return text
}

var errNotFlushed = errors.New("more was acknowledged than the flushes of the log can have made durable")

// flushed refuses acknowledgements that nothing made durable: one flush covers at most what was asked at one moment. Sessions
// report their flushes up to a second late, so there is some slack.
func flushed(u usage, n int64, conns int) error {
	if u.flushes == 0 && n > 0 || n/max(u.flushes, 1) > 2*int64(conns) {
		return fmt.Errorf("%w: %d by %d with %d connections", errNotFlushed, n, u.flushes, conns)
	}
	return nil
}

// purchases measures the lines of purchases.
func (b *bench) purchases(ctx context.Context) error {
	var sum bought
	var unheard drained
	var behind, heard []float64
	for n := range b.o.pairs {
		at := map[int]bought{}
		for _, conns := range []int{connections, 256, 8} {
			var r bought
			err := b.profiled(ctx, fmt.Sprintf("purchases-%d", conns), func(begin func()) (err error) {
				l := b.platform.all(conns, b.span())
				l.begin = begin
				r, err = b.purchase(ctx, l)
				return err
			})
			if err != nil {
				return err
			}
			at[conns] = r
		}
		var d drained
		var err error
		if !b.o.statements { // the waiting for locked cursors would look like work
			if d, err = b.drain(ctx); err != nil {
				return err
			}
		}
		l1, others, err := b.yardstick(ctx, "purchase.sql", clients...)
		if err != nil {
			return err
		}
		l2, elsewhere, err := b.yardstick(ctx, "purchases.sql", 2)
		if err != nil {
			return err
		}
		l2.rate *= setSize
		speed := pace()
		against := func(ours float64, yard outcome, others float64) pair {
			return pair{ours, yard.rate, yard.clients, others, speed}
		}
		r := at[connections]
		busy := max(others, r.others(0))
		b.report.add("purchases / L1", against(r.rate(), l1, busy))
		b.report.add("purchases of 8 / L1", against(at[8].rate(), l1, max(others, at[8].others(0))))
		b.report.add("purchases of 256 / L1", against(at[256].rate(), l1, max(others, at[256].others(0))))
		b.report.add("purchases of 256 / L2", against(at[256].rate(), l2, max(elsewhere, at[256].others(0))))
		b.report.add("settled / L1", against(r.settled, l1, busy))
		if d.count > 0 {
			b.report.add("recorded / L1", against(d.recorded, l1, busy))
			b.report.add("backlog / L1", against(d.purchases, l1, busy))
			unheard.count, unheard.recording = unheard.count+d.count, unheard.recording.plus(d.recording)
			behind, heard = append(behind, d.behind), append(heard, d.heard)
		}
		sum.count, sum.times, sum.usage = sum.count+r.count, append(sum.times, r.times...), sum.plus(r.usage)
		progress("purchases %d/%d: %.0f/s, of 256 %.0f/s, of 8 %.0f/s, settled %.0f/s, recorded %.0f/s, backlog %.0f/s, pgbench %.0f/s at %d clients, in sets %.0f/s, others %.0f %%",
			n+1, b.o.pairs, r.rate(), at[256].rate(), at[8].rate(), r.settled, d.recorded, d.purchases, l1.rate, l1.clients, l2.rate, 100*busy)
	}
	b.report.note("a purchase", "%s; answered in %s (median), %s (p99)", cost(sum.usage, sum.count), milliseconds(sum.quantile(0.5)), milliseconds(sum.quantile(0.99)))
	if len(heard) > 0 {
		b.report.note("only recorded", "%s", cost(unheard.recording, unheard.count))
		h, e := spreadOver(heard), spreadOver(behind)
		b.report.note("a backlog", "%.0f events (median) before the cursors of four consumers, caught up with at %.0f events a second over all of them (%.0f–%.0f)", e.median, h.median, h.least, h.most)
	}
	return flushed(sum.usage, sum.count, connections)
}

// single compares with the program that gives each request a transaction of its own.
func (b *bench) single(ctx context.Context) (err error) {
	p, err := startPlatform(ctx, b.pg, singleDatabase, "", "ungrouped")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := b.furnish(ctx, p, b.o.sites); err != nil {
		return err
	}
	for n := range b.o.pairs {
		got := map[int][2]bought{}
		others := 0.0
		for _, conns := range []int{connections, 1} {
			var both [2]bought
			for i, side := range []*platform{b.platform, p} {
				if both[i], err = side.purchase(ctx, side.all(conns, b.span())); err != nil {
					return err
				}
				others = max(others, both[i].others(0))
			}
			got[conns] = both
		}
		speed := pace()
		against := func(ours, theirs float64) pair { return pair{ours, theirs, 0, others, speed} }
		ms := func(t tally, q float64) float64 { return float64(t.quantile(q).Microseconds()) / 1000 }
		many, lone := got[connections], got[1]
		b.report.add("grouped / single", against(many[0].rate(), many[1].rate()))
		b.report.add("p99 grouped / single", against(ms(many[0].tally, 0.99), ms(many[1].tally, 0.99)))
		b.report.add("lone grouped / single", against(ms(lone[0].tally, 0.5), ms(lone[1].tally, 0.5)))
		progress("single %d/%d: grouped %.0f/s, single %.0f/s; p99 %.1f and %.1f ms; alone %.2f and %.2f ms; others %.0f %%", n+1, b.o.pairs, many[0].rate(), many[1].rate(),
			ms(many[0].tally, 0.99), ms(many[1].tally, 0.99), ms(lone[0].tally, 0.5), ms(lone[1].tally, 0.5), 100*others)
	}
	return p.verify(ctx)
}

// hot compares purchases of one site with those of all.
func (b *bench) hot(ctx context.Context) error {
	var one pool
	for n := range b.o.pairs {
		o, err := b.purchase(ctx, load{conns: connections, span: b.span(), site: b.firstSite, from: &one})
		if err != nil {
			return err
		}
		a, err := b.purchase(ctx, b.platform.all(connections, b.span()))
		if err != nil {
			return err
		}
		others := max(o.others(0), a.others(0))
		b.report.add("one site / all sites", pair{o.rate(), a.rate(), 0, others, pace()})
		progress("hot %d/%d: one site %.0f/s, %d sites %.0f/s, others %.0f %%", n+1, b.o.pairs, o.rate(), len(b.sites), a.rate(), 100*others)
	}
	return nil
}
