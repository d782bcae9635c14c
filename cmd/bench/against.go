package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const otherDatabase = "other"

// against compares the program with another build of it, in turn: what an item costs either of them. Both have a database of their
// own on the same server, so whatever else the machine does disturbs both.
func (b *bench) against(ctx context.Context) (err error) {
	p, err := startPlatform(ctx, b.pg, otherDatabase, b.o.against, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := b.furnish(ctx, p, b.o.sites); err != nil {
		return err
	}
	sides := []*platform{b.platform, p}
	for _, what := range []struct {
		name string
		run  func(context.Context, *platform) (tally, usage, error)
	}{
		{"visit", b.visited},
		{"purchase", func(ctx context.Context, p *platform) (tally, usage, error) {
			r, err := p.purchase(ctx, p.all(connections, b.span()))
			return r.tally, r.usage, err
		}},
	} {
		if !b.o.only.part(what.name + "s") {
			continue
		}
		var sums [2]usage
		var counts [2]int64
		var costs []float64
		var rates [2][]float64
		for n := range b.o.pairs {
			var each [2]float64
			for k := range sides {
				i := (k + n) % 2
				t, u, err := what.run(ctx, sides[i])
				if err != nil {
					return err
				}
				rates[i] = append(rates[i], t.rate())
				sums[i], counts[i] = sums[i].plus(u), counts[i]+t.count
				each[i] = float64((u.serve + u.postgres).Microseconds()) / float64(max(t.count, 1))
			}
			costs = append(costs, each[0]/each[1])
			progress("a %s %d/%d: %.0f µs, the other's %.0f µs", what.name, n+1, b.o.pairs, each[0], each[1])
		}
		s := spreadOver(costs)
		b.report.note("a "+what.name, "%s", cost(sums[0], counts[0]))
		b.report.note("the other's", "%s", cost(sums[1], counts[1]))
		b.report.note("together", "%.3f (%.3f–%.3f) of the other's processor time; %.0f a second, the other %.0f", s.median, s.least, s.most,
			spreadOver(rates[0]).median, spreadOver(rates[1]).median)
	}
	return p.verify(ctx)
}

// profiled runs fn, and keeps a profile of the processor time that serve takes from when fn calls begin: for twice as long as the load, so
// that what follows from it is seen, too.
func (b *bench) profiled(ctx context.Context, name string, fn func(begin func()) error) error {
	if b.o.profiles == "" {
		return fn(func() {})
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var profiling errgroup.Group
	var once sync.Once
	err := fn(func() {
		once.Do(func() {
			profiling.Go(func() error { return b.profile(ctx, filepath.Join(b.o.profiles, name+".pprof")) })
			time.Sleep(100 * time.Millisecond) // for the profile to begin
		})
	})
	return errors.Join(err, profiling.Wait())
}

func (b *bench) profile(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", b.internal, 2*b.o.seconds), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s", res.Status)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, res.Body)
	return errors.Join(err, f.Close())
}
