package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// options of a run.
type options struct {
	Binary   string // a talkable built with the tag failpoint; "" builds one of this source
	Seed     uint64
	Duration time.Duration // of the load
	Only     []string      // faults; none: all
	Keep     bool          // the directory, and with it the database and the history
	Out      io.Writer
	Terminal bool // progress is one line that changes
}

// errVanished is that the program doesn't know what it has said it made. That needs no fault to be one.
var errVanished = errors.New("was made, and isn't there")

// verdict is how a run ended: 0 passed, 1 violated, 2 inconclusive.
type verdict struct {
	Code       int
	Violations []violation
	Missing    []string       // dangers that were not reached
	Reached    map[string]int // how often each danger was
	Dir        string         // where it all is, if it is kept
}

const (
	passed, violated, inconclusive = 0, 1, 2

	calm      = 3 // tenths of the load that nothing is done to, at its end
	calmest   = 2 // the same where some faults have still to come
	healing   = time.Minute
	settling  = 2 * time.Minute
	judging   = 3 * time.Minute
	lookEvery = 2 * time.Second
)

// runShaker makes a world, shakes it, and judges it.
func runShaker(ctx context.Context, o options) (v verdict, err error) {
	sweep(os.TempDir())
	dir, lock, err := claimDir(os.TempDir())
	if err != nil {
		return v, err
	}
	defer lock.Close()
	p := newPrinter(o)
	p.say("seed %d, %s of load; to repeat: go run ./cmd/shaker run --seed %d --duration %s%s", o.Seed, o.Duration, o.Seed, o.Duration, p.only())
	w, err := makeWorld(ctx, dir, o.Binary)
	defer func() {
		keep := o.Keep || v.Code == violated
		err = errors.Join(err, w.close(keep))
		if keep {
			v.Dir = dir
			p.say("kept: %s\n  shaker check --history %s", dir, filepath.Join(dir, "history.jsonl"))
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if errors.Is(err, errVanished) {
		v.Code, v.Violations = violated, []violation{{Invariant: "what was answered is there", Detail: err.Error()}}
		return v, nil
	}
	if err != nil {
		return v, err
	}
	l := newLoad(w, o.Seed)
	if err := l.begin(ctx); err != nil {
		return v, err
	}
	p.say("the world is made")
	w.shake(ctx, l, o, p)
	if err := ctx.Err(); err != nil {
		return v, err
	}
	w.countInDatabase(ctx)
	if err := w.heal(ctx, p); err != nil {
		w.tally.violate("it heals", err.Error())
	} else if err := w.again(ctx, l, p); err != nil {
		w.tally.violate("it settles", err.Error())
	}
	w.countChoices(ctx)
	found, err := w.verify(ctx, p)
	if err != nil {
		return v, err
	}
	v.Violations = append(w.tally.violations(), found...)
	v.Reached, v.Missing = w.tally.all(), w.tally.missing(gates(o.Only, o.Duration))
	switch {
	case len(v.Violations) > 0:
		v.Code = violated
	case len(v.Missing) > 0:
		v.Code = inconclusive
	}
	p.verdict(v, w.history.all, w.tally.skipped)
	return v, nil
}

// shake runs the load, and does harm during most of it.
func (w *world) shake(ctx context.Context, l *load, o options, p *printer) {
	began := time.Now()
	l.end, l.last, l.must = began.Add(o.Duration), began.Add(2*o.Duration), loadGates(o.Only)
	loadCtx, stopLoad := context.WithDeadline(ctx, l.last.Add(healing))
	defer stopLoad()
	harmCtx, stopHarm := context.WithDeadline(ctx, began.Add(o.Duration*(10-calmest)/10))
	defer stopHarm()
	lookCtx, stopLook := context.WithCancel(ctx)
	n := newNemesis(w, o.Seed, o.Only, o.Duration)
	n.until = began.Add(o.Duration * (10 - calm) / 10)
	var all sync.WaitGroup
	all.Go(func() { n.run(harmCtx, p.fault) })
	all.Go(func() { w.poison(loadCtx, began.Add(o.Duration/4)) })
	all.Go(func() { w.look(lookCtx) })
	all.Go(func() { w.watchQueue(lookCtx) })
	all.Go(func() { w.befriend(loadCtx, l.end) })
	for door := range clubDoors {
		all.Go(func() { w.admit(loadCtx, l.end, door) })
	}
	for door := range homeDoors {
		all.Go(func() { w.visitHome(loadCtx, openUntil(door, began, l.end, o.Duration), door) })
	}
	all.Go(func() { p.follow(lookCtx, w, began) })
	l.run(loadCtx)
	stopLook()
	all.Wait()
}

// again repeats some of the load, and waits until that is over, too.
func (w *world) again(ctx context.Context, l *load, p *printer) error {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	l.repeat(ctx)
	return w.settle(ctx, p.progress)
}

const repeated = 300 // ops of each site

// repeat tells some of what was answered yes once more, with the same keys: whatever has happened since, the answers must be the same.
func (l *load) repeat(ctx context.Context) {
	var some []op
	count := map[int]int{}
	for i, one := range lives(l.history.all) {
		if one.Key != "" && one.fate() == yes && (i+int(l.seed))%5 == 0 && count[one.Site] < repeated {
			count[one.Site]++
			some = append(some, one.op)
		}
	}
	next := make(chan op)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for o := range next {
				l.do(ctx, o, len(o.ID)%len(l.replicas))
			}
		})
	}
	for _, o := range some {
		next <- o
	}
	close(next)
	all.Wait()
	l.tally.reach("repetitions after it healed", len(some))
}

// checkCalm: where nothing is done to it, it fails nobody.
func (w *world) checkCalm(all []attempt) *checks {
	c := &checks{}
	var rows []string
	calm := 0
	for _, a := range all {
		if a.Start < w.calm {
			continue
		}
		calm++
		if a.HTTP >= 500 || a.Outcome == unsent {
			rows = append(rows, a.String())
		}
	}
	c.add("no failure without a fault", fmt.Sprintf("%d attempts", calm), rows)
	return c
}

// countInDatabase counts what only PostgreSQL knows: what it could not write, and how often transactions stood in each other's way.
func (w *world) countInDatabase(ctx context.Context) {
	var deadlocks int
	if err := w.admin.GetContext(ctx, &deadlocks, `select deadlocks from pg_stat_database where datname = 'talkable'`); err == nil {
		w.tally.reach("deadlocks since the last crash", deadlocks)
	}
	w.tally.reach("writes that found the disk full", w.refusedByDisk())
}

// refusedByDisk counts what PostgreSQL could not write.
func (w *world) refusedByDisk() int {
	text, err := os.ReadFile(filepath.Join(w.dir, "postgres.log"))
	if err != nil {
		return 0
	}
	return bytes.Count(text, []byte("No space left on device"))
}

// look asks the invariants that hold at any instant, again and again.
func (w *world) look(ctx context.Context) {
	seen := map[string]bool{}
	for ctx.Err() == nil {
		wait(ctx, lookEvery)
		found, err := checkInvariants(ctx, w.admin, false)
		if err != nil {
			if ctx.Err() == nil {
				w.tally.reach("looks at the invariants that a fault cut off", 1)
			}
			continue
		}
		w.tally.reach("looks at the invariants under load", 1)
		for _, v := range found {
			if !seen[v.Invariant] {
				seen[v.Invariant] = true
				w.tally.violate(v.Invariant, "under load: "+v.Detail, v.Rows...)
			}
		}
	}
}

// heal waits until all replicas are up and nothing is under way any more.
func (w *world) heal(ctx context.Context, p *printer) error {
	up, cancel := context.WithTimeout(ctx, healing)
	defer cancel()
	for _, r := range w.replicas {
		if err := r.await(up); err != nil {
			return err
		}
	}
	calm, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	began := time.Now()
	err := w.settle(calm, p.progress)
	p.say("settled after %.1f s", time.Since(began).Seconds())
	return err
}
