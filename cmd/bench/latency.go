package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lib/pq"
	"golang.org/x/sync/errgroup"
)

const (
	lowRate  = 100 // purchases a second
	lowConns = 8
	look     = 4 * time.Millisecond // between two looks at the ledger
)

func (b *bench) latency(ctx context.Context) error { return b.lateness(ctx, b.platform, "") }

// lateness measures, at a low and even rate, how long an answer of a platform takes, and how long until the advocate's points are in
// the ledger. Both count from when the request was due, so that one late request doesn't hide the lateness of the next. Its lines'
// names begin with where.
func (b *bench) lateness(ctx context.Context, p *platform, where string) error {
	span := max(2*time.Second, min(10*time.Second, b.span()*2))
	n := int(span.Seconds() * lowRate)
	var friends pool // of one site, whose new entries are found by an index
	if err := p.stock(ctx, n, p.firstSite, &friends); err != nil {
		return err
	}
	before, err := p.used(ctx)
	if err != nil {
		return err
	}
	due, answers, visible := make(map[int64]time.Time, n), make([]time.Duration, 0, n), map[int64]time.Time{}
	var mu sync.Mutex
	began := time.Now().Add(50 * time.Millisecond)
	watch, stop := context.WithCancel(ctx)
	defer stop()
	var watching errgroup.Group
	watching.Go(func() error { return p.watch(watch, visible) })
	sending, sctx := errgroup.WithContext(ctx)
	jobs := make([]*buying, lowConns)
	for i := range lowConns {
		c, err := dial(ctx, p.address)
		if err != nil {
			return err
		}
		defer c.Close()
		var at time.Time
		jobs[i] = &buying{platform: p, site: p.firstSite, from: &friends, n: i}
		jobs[i].noted = func(origin int64, matched bool) {
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, time.Since(at)) // a repetition isn't among them
			if matched {
				due[origin] = at
			}
		}
		sending.Go(func() error {
			for k := i; k < n && sctx.Err() == nil; k += lowConns {
				at = began.Add(time.Duration(k) * time.Second / lowRate)
				time.Sleep(time.Until(at))
				if c.out = jobs[i].next(c.out[:0]); len(c.out) == 0 {
					return errNoFriends
				}
				r, err := c.roundTrip(c.out)
				if err == nil {
					err = jobs[i].done(r)
				}
				if err != nil {
					return err
				}
			}
			return sctx.Err()
		})
	}
	err = sending.Wait()
	for _, j := range jobs {
		p.took.bought(j)
	}
	if err == nil {
		_, err = p.settle(ctx)
	}
	time.Sleep(10 * look)
	stop()
	if e := watching.Wait(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	after, err := p.used(ctx)
	if err != nil {
		return err
	}
	var points []time.Duration
	for origin, at := range due {
		seen, ok := visible[origin]
		if !ok {
			return fmt.Errorf("the points of purchase %d never arrived", origin)
		}
		points = append(points, seen.Sub(at))
	}
	b.report.note(fmt.Sprintf("%s%d purchases/s", where, lowRate), "answered in %s (median), %s (p99); the advocate's points in the ledger after %s, %s",
		milliseconds(quantile(answers, 0.5)), milliseconds(quantile(answers, 0.99)), milliseconds(quantile(points, 0.5)), milliseconds(quantile(points, 0.99)))
	inMilliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	quietly := pair{others: after.minus(before).others(0), pace: pace()}
	answered, arrived := quietly, quietly
	answered.ours, answered.theirs = inMilliseconds(quantile(answers, 0.99)), 25
	arrived.ours, arrived.theirs = inMilliseconds(quantile(points, 0.99)), 60
	b.report.add(where+"p99 answer / 25 ms", answered)
	b.report.add(where+"p99 points / 60 ms", arrived)
	b.report.note(where+"each of them", "%s", cost(after.minus(before), int64(len(answers))))
	return p.quiet(ctx)
}

// watch notes when the transaction of each purchase is first seen in the ledger of the first site, until ctx ends.
func (p *platform) watch(ctx context.Context, visible map[int64]time.Time) error {
	var highest int64
	err := p.db.GetContext(ctx, &highest, `select coalesce(max(id), 0) from loyalty.txn where site_id = $1`, p.sites[0].id)
	if err != nil {
		return err
	}
	for {
		var ids, origins pq.Int64Array
		// Numbers are drawn before they are committed, so a later one may be seen first.
		err := p.db.QueryRowContext(ctx, `
			select coalesce(array_agg(id), '{}'), coalesce(array_agg(origin_id), '{}') from loyalty.txn
			where site_id = $1 and id > $2 and origin_id is not null`, p.sites[0].id, highest-50).Scan(&ids, &origins)
		now := time.Now()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the time is over
		}
		if err != nil {
			return err
		}
		for i, origin := range origins {
			highest = max(highest, ids[i])
			if _, ok := visible[origin]; !ok {
				visible[origin] = now
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(look):
		}
	}
}
