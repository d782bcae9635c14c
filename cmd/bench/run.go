package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// once sends one request and notes its answer.
type once struct {
	job
	sent     bool
	answered atomic.Bool
}

func (o *once) next(buf []byte) []byte {
	if o.sent {
		return nil
	}
	o.sent = true
	return o.job.next(buf)
}

func (o *once) done(r *response) error {
	o.answered.Store(true)
	return o.job.done(r)
}

// run is the whole of it, from an empty directory to the verdict.
func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp(o.dir, "talkable-bench-")
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	defer func() {
		if o.keep {
			progress("data and logs stay in %s", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if inMemory(dir) {
		return fmt.Errorf("%s is kept in memory, where nothing is durable: name a directory on a disk by -dir", dir)
	}
	perSecond, median, err := flushes(dir)
	if err != nil {
		return err
	}
	progress("starting PostgreSQL")
	pg, err := startDatabase(ctx, dir, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.stop()) }()
	b := &bench{o: o}
	if b.yard, err = newPgbench(ctx, pg, o); err != nil {
		return err
	}
	if b.static, err = startStatic(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.static.stop()) }()
	progress("building and starting talkable")
	if b.platform, err = startPlatform(ctx, pg, o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.platform.stop()) }()
	if err := pg.assertDurable(ctx); err != nil {
		return err
	}
	state, err := pg.state(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%s\nPostgreSQL %s: %s\na flush of 8 kB takes %s (median), %.0f/s one after the other\n",
		machine(), pg.server.Version(), state, milliseconds(median), perSecond)
	if err := b.all(ctx); err != nil {
		return err
	}
	if err := pg.assertDurable(ctx); err != nil {
		return err
	}
	if !b.report.print(os.Stdout) {
		return errUnder
	}
	return nil
}

// all measures every line, and then looks at what was recorded.
func (b *bench) all(ctx context.Context) error {
	progress("making %d sites with %d advocates each", b.o.sites, b.o.people)
	if err := b.makeSites(ctx, b.o.sites); err != nil {
		return err
	}
	if err := b.join(ctx, b.o.people); err != nil {
		return err
	}
	if err := b.warm(ctx); err != nil {
		return err
	}
	if err := b.pg.prepare(ctx); err != nil {
		return err
	}
	if b.o.statements {
		if err := b.pg.forgetStatements(ctx); err != nil {
			return err
		}
	}
	idle := residentMemory(b.serve.Process.Pid)
	if err := b.rest(ctx); err != nil {
		return err
	}
	began := time.Now()
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"probe", b.probe}, {"visits", b.visits}, {"purchases", b.purchases}, {"latency", b.latency}} {
		if b.o.only != "" && part.name != b.o.only && part.name != "probe" {
			continue
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if after := residentMemory(b.serve.Process.Pid); after > 0 {
		b.report.note("memory of serve", "%d MiB before the load, %d MiB after", idle>>20, after>>20)
	}
	if err := b.verify(ctx); err != nil {
		return fmt.Errorf("what the platform recorded is not what it acknowledged:\n%w", err)
	}
	if err := verifyYardstick(ctx, b.pg.yardstick); err != nil {
		return err
	}
	r := b.took
	b.report.note("recorded", "%d visits, %d purchases, %d referrals with reward, points and message, all in the database; entries add up to 0; %s of load",
		r.visits, r.purchases, r.matched, time.Since(began).Round(time.Second))
	if b.o.statements {
		return b.pg.showStatements(ctx, &b.report, r.purchases)
	}
	return nil
}

// rest measures what the platform takes while nobody asks it for anything.
func (b *bench) rest(ctx context.Context) error {
	before, err := b.used(ctx)
	if err != nil {
		return err
	}
	if err := b.pause(ctx, 2*time.Second); err != nil {
		return err
	}
	after, err := b.used(ctx)
	if err != nil {
		return err
	}
	if u := after.minus(before); u.busy > 0 {
		share := func(d time.Duration) float64 { return 100 * d.Seconds() / u.span.Seconds() }
		b.report.note("at rest", "%.1f %% of a processor PostgreSQL + %.1f %% talkable; %d bytes of log a second", share(u.postgres), share(u.serve),
			int64(float64(u.wal)/u.span.Seconds()))
	}
	return nil
}
