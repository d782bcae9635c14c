package bus_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/bus/bustest"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/failpoint"
	"github.com/talkable/talkable/internal/leaktest"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// TestMain lets the test binary be a process that is to be killed.
func TestMain(m *testing.M) {
	if urls := os.Getenv("BUS_TEST_CHILD"); urls != "" {
		shop, till, _ := strings.Cut(urls, "\n")
		fmt.Fprintln(os.Stderr, child(shop, till))
		os.Exit(3) // a child never ends by itself
	}
	leaktest.Main(m, pgtest.IgnoreServer())
}

var hearers = []string{"one", "two", "three"}

// TestKill runs two processes, each with producers, sequencer and three consumers, and kills one after the other with no
// warning; some are frozen first. In a build with the tag "failpoint" they die at each of the named moments instead.
func TestKill(t *testing.T) {
	t.Parallel()
	shop, till := bustest.Database(t), bustest.Database(t)
	killed := 0
	if failpoint.On {
		killed = atFailpoints(t, shop, till)
	} else {
		killed = atRandom(t, shop, till)
	}

	w := bustest.NewWorld(t, shop, till, func(_ testing.TB, producer *bus.Table) bus.Log { return producer })
	for _, name := range hearers {
		h := w.Hear(name, nil)
		h.Start(t, w.Log)
		w.Settle(t, h.Consumer)
		effects := w.Effects(t, name)
		w.Exactly(t, effects)
		if parked, err := h.Parked(t.Context(), 1); err != nil || len(parked) > 0 {
			t.Errorf("%s parked %v: %v", name, parked, err)
		}
		t.Logf("%s: %d processes killed, %d effects", name, killed, len(effects))
	}
	checkLog(t, w)
}

// atRandom keeps two processes alive for ten seconds and kills one about three times a second.
func atRandom(t *testing.T, shop, till string) (killed int) {
	var procs [2]*exec.Cmd
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); killed++ {
		i := killed % len(procs)
		kill(t, procs[i])
		procs[i] = start(t, shop, till, "")
		time.Sleep(time.Duration(150+rand.IntN(350)) * time.Millisecond)
	}
	for _, p := range procs {
		kill(t, p)
	}
	return killed
}

// atFailpoints lets two processes at a time die at each of the bus's failpoints.
func atFailpoints(t *testing.T, shop, till string) (killed int) {
	for range 3 {
		for _, name := range failpoint.Names() {
			if !strings.HasPrefix(name, "bus.") {
				continue
			}
			var pair [2]*exec.Cmd
			for i := range pair {
				pair[i] = start(t, shop, till, fmt.Sprintf("%s:%d", name, 1+rand.IntN(20)))
			}
			for _, p := range pair {
				late := time.AfterFunc(bustest.Longest, func() {
					t.Errorf("nobody died at %s", name)
					_ = p.Process.Kill()
				})
				dead(t, p, p.Wait())
				late.Stop()
				killed++
			}
		}
	}
	return killed
}

func start(t *testing.T, shop, till, at string) *exec.Cmd {
	t.Helper()
	p := exec.Command(os.Args[0], "-test.run=^$")
	p.Env = append(os.Environ(), "BUS_TEST_CHILD="+shop+"\n"+till, "TALKABLE_FAILPOINT="+at)
	p.Stderr = os.Stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func kill(t *testing.T, p *exec.Cmd) {
	t.Helper()
	if p == nil {
		return
	}
	if err := p.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	dead(t, p, p.Wait())
}

// dead checks that a process was killed and did not end by itself.
func dead(t *testing.T, p *exec.Cmd, err error) {
	t.Helper()
	status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("a process ended by itself: %v", err)
	}
}

// checkLog checks that the log holds each committed event once, without gaps and in the order of the key.
func checkLog(t *testing.T, w *bustest.World) {
	t.Helper()
	var events []struct {
		Seq int64
		Key string
		N   int64
	}
	err := w.Shop.DB().Select(&events, `select seq, key, (payload->>'n')::bigint as n from shop.event order by seq`)
	if err != nil {
		t.Fatal(err)
	}
	var effects []bustest.Effect
	for i, e := range events {
		if e.Seq != int64(i)+1 {
			t.Fatalf("the log's %d. event has the number %d", i+1, e.Seq)
		}
		effects = append(effects, bustest.Effect{Seq: e.Seq, Key: e.Key, N: e.N})
	}
	w.Exactly(t, effects)
}

// child produces, moves and consumes until it is killed.
func child(shopURL, tillURL string) error {
	ctx := context.Background()
	shop, err := postgres.Open(ctx, postgres.Pool{URL: shopURL, Role: "talkable_shop"})
	if err != nil {
		return err
	}
	till, err := postgres.Open(ctx, postgres.Pool{URL: tillURL, Role: "talkable_till"})
	if err != nil {
		return err
	}
	table := bus.NewTable("shop", shop, nil, zerolog.Nop())
	w := &bustest.World{Table: table, Log: table, Till: bus.NewOutbox("till", till, clock.System, nil)}
	w.Shop = bus.NewOutbox("shop", shop, clock.System, table.Kick)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return table.Run(ctx) })
	for _, name := range hearers {
		h := w.Hear(name, func(int64, string) error {
			if rand.IntN(2000) == 0 {
				return bus.Later(errors.New("not this time"))
			}
			return nil
		})
		g.Go(func() error { return h.Run(ctx, "shop", table) })
	}
	for range 3 {
		g.Go(func() error {
			for ctx.Err() == nil {
				keys := []string{fmt.Sprintf("k%02d", rand.IntN(20)), fmt.Sprintf("k%02d", 20+rand.IntN(20))}
				if err := w.Count(ctx, 1+rand.IntN(2), keys...); err != nil {
					return err
				}
				time.Sleep(time.Duration(rand.IntN(4)) * time.Millisecond)
			}
			return nil
		})
	}
	if !failpoint.On && rand.IntN(3) == 0 { // and this one freezes first, with whatever it holds
		time.AfterFunc(time.Duration(200+rand.IntN(200))*time.Millisecond, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) })
	}
	return g.Wait()
}
