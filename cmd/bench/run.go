package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

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
	if err := b.fill(ctx, pg); err != nil || o.generate {
		return err
	}
	state, err := pg.state(ctx)
	if err != nil {
		return err
	}
	b.report.about = []string{machine(), fmt.Sprintf("PostgreSQL %s: %s", pg.server.Version(), state),
		fmt.Sprintf("a flush of 8 kB takes %s (median), %.0f/s one after the other; one processor hashes %.0f MB/s", milliseconds(median), perSecond, pace())}
	measure := b.besidePgbench
	if o.only.part(nightly) {
		measure = b.nights
	}
	if err := measure(ctx, pg); err != nil {
		return err
	}
	if err := pg.assertDurable(ctx); err != nil {
		return err
	}
	if o.json {
		err = b.report.writeJSON(os.Stdout)
	} else {
		for _, line := range b.report.about {
			fmt.Println(line)
		}
		b.report.print(os.Stdout)
	}
	if err == nil && len(b.report.under()) > 0 {
		err = errUnder
	}
	return err
}

// besidePgbench starts both sides and measures all other parts.
func (b *bench) besidePgbench(ctx context.Context, pg *database) (err error) {
	if b.yard, err = newPgbench(ctx, pg, b.o); err != nil {
		return err
	}
	if b.static, err = startStatic(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.static.stop()) }()
	progress("building and starting talkable")
	if b.platform, err = startPlatform(ctx, pg, platformDatabase, b.o.binary, "grouped"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.platform.stop()) }()
	if err := pg.assertDurable(ctx); err != nil {
		return err
	}
	return b.everything(ctx)
}

// fill makes the filled databases that the wanted parts compare with.
func (b *bench) fill(ctx context.Context, pg *database) error {
	var all []filling
	if b.o.only.part("filled") {
		all = append(all, crowded(b.o))
	}
	if b.o.only.part(nightly) {
		all = append(all, ledgers(b.o)...)
	}
	for _, f := range all {
		if err := fill(ctx, pg, b.o, f); err != nil {
			return err
		}
	}
	return nil
}

// furnish gives a new platform sites and advocates, and lets it do its first work.
func (b *bench) furnish(ctx context.Context, p *platform, sites int) error {
	progress("making %d sites with %d advocates each in %s", sites, b.o.people, p.name)
	if err := p.remember(ctx); err != nil {
		return err
	}
	if err := p.makeSites(ctx, sites); err != nil {
		return err
	}
	if err := p.join(ctx, b.o.people); err != nil {
		return err
	}
	return p.warm(ctx)
}

// everything measures every line that is wanted, and looks after each part at what was recorded.
func (b *bench) everything(ctx context.Context) error {
	if err := b.furnish(ctx, b.platform, b.o.sites); err != nil {
		return err
	}
	for script := range scripts {
		if _, err := b.yard.run(ctx, script, clients[0], 1); err != nil {
			return err
		}
	}
	if err := b.pg.prepare(ctx); err != nil {
		return err
	}
	if b.o.statements {
		if err := b.forgetStatements(ctx); err != nil {
			return err
		}
	}
	idle, _ := residentMemory(b.serve.Process.Pid)
	if err := b.rest(ctx); err != nil {
		return err
	}
	began := time.Now()
	if b.o.against != "" {
		return b.against(ctx)
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"probe", b.probe}, {"visits", b.visits}, {"purchases", b.purchases}, {"single", b.single}, {"hot", b.hot}, {"points", b.points},
		{"shares", b.shares}, {"claims", b.claims}, {"coupons", b.coupons}, {"budgets", b.budgets}, {"approvals", b.approvals}, {"filled", b.filled}, {"latency", b.latency}} {
		if part.name != "probe" && !b.o.only.part(part.name) {
			continue
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if err := b.verify(ctx); err != nil {
			return fmt.Errorf("after %s: %w", part.name, err)
		}
		if err := verifyYardstick(ctx, b.pg.yardstick); err != nil {
			return fmt.Errorf("after %s: %w", part.name, err)
		}
	}
	if now, most := residentMemory(b.serve.Process.Pid); now > 0 {
		b.report.note("memory of serve", "%d MiB before the load, %d MiB at most, %d MiB after", idle>>20, most>>20, now>>20)
	}
	r := b.took
	b.report.note("counted", "%d visits, %d purchases, %d referrals with reward, points and message, all in the database after each part; entries add up to 0; %s of load",
		r.visits, r.purchases, r.matched, time.Since(began).Round(time.Second))
	if b.o.statements {
		return b.showStatements(ctx, &b.report, "a purchase", r.purchases)
	}
	return nil
}

// rest measures what the platform takes while nobody asks it for anything, and what else goes on.
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
	u := after.minus(before)
	if u.busy <= 0 {
		return nil
	}
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / u.span.Seconds() }
	b.report.note("at rest", "%.1f %% of a processor PostgreSQL + %.1f %% talkable; %d bytes of log a second; others took %.0f %% of the machine", share(u.postgres), share(u.serve),
		int64(float64(u.wal)/u.span.Seconds()), 100*u.others(0))
	if u.others(0) > disturbance {
		progress("this machine is busy with other work (%.0f %%): pairs that it disturbs are not judged, or marked with a ~", 100*u.others(0))
	}
	return nil
}
