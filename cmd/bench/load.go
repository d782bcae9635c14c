package main

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const connections = 64

// job makes the requests of one connection and judges their answers.
type job interface {
	// next appends the next request to buf; nil means that there are no more.
	next(buf []byte) []byte
	// done takes the answer to it. Its error ends the run.
	done(r *response) error
}

// tally is what a load did.
type tally struct {
	count int64
	began time.Time
	took  time.Duration // from the first request to the last answer
	times []time.Duration
}

func (t tally) rate() float64 { return float64(t.count) / t.took.Seconds() }

// quantile is the time that a share q of the requests didn't exceed.
func (t tally) quantile(q float64) time.Duration { return quantile(t.times, q) }

func quantile(times []time.Duration, q float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[min(int(q*float64(len(times))), len(times)-1)]
}

// drive sends requests on n connections, each as soon as the one before it was answered, until the time is over; span 0: until
// the jobs have no more. Requests under way are waited for.
func drive(ctx context.Context, address string, n int, span time.Duration, jobs func(i int) job) (tally, error) {
	conns := make([]*conn, n)
	for i := range conns {
		c, err := dial(ctx, address)
		if err != nil {
			return tally{}, err
		}
		defer c.Close()
		conns[i] = c
	}
	all := make([][]time.Duration, n)
	group, ctx := errgroup.WithContext(ctx)
	var over atomic.Bool
	t := tally{began: time.Now()}
	if span > 0 {
		timer := time.AfterFunc(span, func() { over.Store(true) })
		defer timer.Stop()
	}
	for i, c := range conns {
		work := jobs(i)
		group.Go(func() error {
			times := make([]time.Duration, 0, 4096)
			defer func() { all[i] = times }()
			for done := false; !done && ctx.Err() == nil; done = over.Load() { // once at least
				if c.out = work.next(c.out[:0]); len(c.out) == 0 {
					return nil
				}
				sent := time.Now()
				r, err := c.roundTrip(c.out)
				if err != nil {
					return err
				}
				times = append(times, time.Since(sent))
				if err := work.done(r); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	err := group.Wait()
	t.took = time.Since(t.began)
	t.times = slices.Concat(all...)
	t.count = int64(len(t.times))
	return t, err
}
