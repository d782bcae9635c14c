package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/talkable/talkable/internal/failpoint"
	"github.com/talkable/talkable/internal/mailsink"
)

// fault is one way in which the world gets worse for a moment. strike returns when it is over, or has set its end in motion.
type fault struct {
	name   string
	strike func(ctx context.Context, n *nemesis) error
}

// faults are the random ones; each comes at least once before any comes twice.
var faults = []fault{
	{"kill", func(_ context.Context, n *nemesis) error { n.any().signal(syscall.SIGKILL, true); return nil }},
	{"kill-both", func(_ context.Context, n *nemesis) error {
		for _, r := range n.replicas {
			r.signal(syscall.SIGKILL, true)
		}
		return nil
	}},
	{"deploy", func(_ context.Context, n *nemesis) error { n.any().signal(syscall.SIGTERM, true); return nil }},
	{"freeze", func(ctx context.Context, n *nemesis) error {
		r := n.any()
		r.signal(syscall.SIGSTOP, false)
		n.later.Go(func() {
			wait(ctx, n.frozen)
			r.signal(syscall.SIGCONT, false)
		})
		return nil
	}},
	{"postgres", func(ctx context.Context, n *nemesis) error { return n.crashPostgres(context.WithoutCancel(ctx)) }},
	{"backends", func(ctx context.Context, n *nemesis) error {
		_, err := n.admin.ExecContext(ctx, `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'talkable %'`)
		return err
	}},
	{"connections", func(_ context.Context, n *nemesis) error { n.proxy.cut(); return nil }},
	{"slow-network", func(_ context.Context, n *nemesis) error { n.proxy.hold(time.Second); return nil }},
	{"lost-answers", func(_ context.Context, n *nemesis) error { n.proxy.rob(200 * time.Millisecond); return nil }},
	{"locked-table", func(ctx context.Context, n *nemesis) error {
		tx, err := n.admin.BeginTxx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.ExecContext(ctx, "set local lock_timeout = '2s'; lock table loyalty.account in access exclusive mode"); err == nil {
			wait(ctx, time.Second)
		}
		return nil
	}},
	{faultDisk, func(ctx context.Context, n *nemesis) error {
		before := n.refusedByDisk()
		if err := n.disk.fill(); err != nil {
			return err
		}
		wait(ctx, time.Second)
		for range 40 { // files have some room inside: until one must grow
			if n.refusedByDisk() > before {
				break
			}
			wait(ctx, 100*time.Millisecond)
		}
		return n.disk.room()
	}},
}

// Faults with a part of their own; all but the disk run along with the others.
const (
	faultDisk       = "disk-full"
	faultAimed      = "aimed"      // backends ended inside a consumer's transaction, or between a request's last write and its commit
	faultFailpoints = "failpoints" // replicas that kill themselves at a named step
	faultMail       = "mail"       // a mail server that refuses, or goes away without a word
	faultHook       = "webhook"    // a merchant's server that refuses, takes its time, or goes away without a word
	faultSMS        = "sms"        // a provider of SMS that is busy, or goes away without a word
)

// nemesis does harm by the seed's dice.
type nemesis struct {
	*world
	rng    *rand.Rand
	hits   *rand.Rand // of failpoints, under mu
	only   []string
	frozen time.Duration
	gap    time.Duration // between faults, on average
	until  time.Time     // when it may end, if all faults have come
	later  sync.WaitGroup

	mu    sync.Mutex
	queue []string // failpoints that were not hit yet
	armed bool     // replicas are
}

func newNemesis(w *world, seed uint64, only []string, d time.Duration) *nemesis {
	n := &nemesis{world: w, rng: rand.New(rand.NewPCG(seed, 1)), hits: rand.New(rand.NewPCG(seed, 3)), only: only, frozen: min(max(d/12, 2*time.Second), 12*time.Second),
		gap: 1100 * time.Millisecond}
	if n.wants(faultFailpoints) {
		n.queue = failpoint.Names()
		n.rng.Shuffle(len(n.queue), func(i, j int) { n.queue[i], n.queue[j] = n.queue[j], n.queue[i] })
	}
	for _, r := range w.replicas {
		r.heed(n.nextFailpoint, func(armed string, how end) { n.mourn(r, armed, how) })
	}
	return n
}

func (n *nemesis) wants(name string) bool { return len(n.only) == 0 || slices.Contains(n.only, name) }

func (n *nemesis) any() *replica { return n.replicas[n.rng.IntN(len(n.replicas))] }

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// nextFailpoint arms the life that begins now.
func (n *nemesis) nextFailpoint() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.armed || len(n.queue) == 0 {
		return ""
	}
	name := n.queue[0]
	n.queue = n.queue[1:]
	if strings.HasPrefix(name, "notify.") {
		return name + ":1"
	}
	return fmt.Sprintf("%s:%d", name, 1+n.hits.IntN(12))
}

// mourn takes note of how a life ended. A failpoint that wasn't hit waits for another life.
func (n *nemesis) mourn(r *replica, armed string, how end) {
	name, _, _ := strings.Cut(armed, ":")
	switch {
	case how.killed && !how.struck && armed != "":
		n.tally.reach("failpoint "+name, 1)
		return
	case !how.struck && how.ready:
		n.tally.violate("replicas stay up", "one ended by itself", fmt.Sprintf("replica %d: %v: %s", r.number, how.err, r.tail()))
	case how.struck && how.err != nil && !how.killed:
		if exit, ok := errors.AsType[*exec.ExitError](how.err); ok && how.ready && !exit.Success() {
			n.tally.reach("deploys that ended with a fault about", 1)
		}
	}
	if armed != "" {
		n.mu.Lock()
		n.queue = append(n.queue, name)
		n.mu.Unlock()
	}
}

// run does harm until it is enough or ctx ends, then heals.
func (n *nemesis) run(ctx context.Context, said func(string)) {
	ctx, cancelAlong := context.WithCancel(ctx)
	defer cancelAlong()
	var along sync.WaitGroup
	if n.wants(faultMail) {
		n.rudeMail()
	}
	n.hooks.rude.Store(n.wants(faultHook))
	n.texts.behave(n.wants(faultSMS))
	if n.wants(faultAimed) {
		along.Go(func() { n.aim(ctx) })
	}
	if n.wants(faultFailpoints) {
		n.mu.Lock()
		n.armed = true
		n.mu.Unlock()
		for _, r := range n.replicas {
			r.signal(syscall.SIGKILL, true) // the next lives are armed
		}
	}
	var round []fault
	for rounds := 0; ctx.Err() == nil && !n.enough(rounds); {
		wait(ctx, n.gap/2+time.Duration(n.rng.Int64N(int64(n.gap))))
		if len(round) == 0 {
			for _, f := range faults {
				if n.wants(f.name) && (f.name != faultDisk || n.disk != nil) {
					round = append(round, f)
				}
			}
			n.rng.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		}
		if ctx.Err() != nil || len(round) == 0 {
			continue
		}
		f := round[0]
		if round = round[1:]; len(round) == 0 {
			rounds++
		}
		said(f.name)
		if err := f.strike(ctx, n); err != nil && ctx.Err() == nil {
			n.tally.reach("faults that failed: "+f.name+": "+err.Error(), 1)
			continue
		}
		n.tally.reach("fault "+f.name, 1)
	}
	cancelAlong()
	n.post.behave(nil)
	n.hooks.rude.Store(false)
	n.texts.behave(false)
	n.later.Wait()
	along.Wait()
	n.mu.Lock()
	n.armed = false
	n.mu.Unlock()
	for _, r := range n.replicas { // those that are still armed get a life without
		r.mu.Lock()
		armed := r.armed != ""
		r.mu.Unlock()
		if armed {
			r.signal(syscall.SIGKILL, true)
		}
	}
	up, cancel := context.WithTimeout(context.WithoutCancel(ctx), healing)
	defer cancel()
	for _, r := range n.replicas {
		if err := r.await(up); err != nil {
			n.tally.violate("it heals", err.Error())
		}
	}
	n.calm = n.history.now() + time.Second.Microseconds()
}

// enough says that its time is over, and that everything came once.
func (n *nemesis) enough(rounds int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Now().After(n.until) && rounds > 0 && len(n.queue) == 0
}

// A module that only answers requests is cut after it has told, while it pauses before its commit.
const beforeCommit = "cut before the commit of requests"

// aim ends backends that are writing inside a transaction of a module that hears events, and backends of customer, which hears none,
// between what its requests tell and their commit.
func (n *nemesis) aim(ctx context.Context) {
	targets := []struct{ module, query, reached string }{{"customer", "insert into customer.outbox%", beforeCommit}}
	for _, module := range []string{"referral", "loyalty", "analytics", "notify"} {
		targets = append(targets, struct{ module, query, reached string }{module, "%", "consumers of " + module + " cut inside a transaction"})
	}
	for i := 0; ctx.Err() == nil; i++ {
		at := targets[i%len(targets)]
		for try := 0; try < 60 && ctx.Err() == nil; try++ {
			var hit int
			err := n.admin.GetContext(ctx, &hit, `
				select count(pg_terminate_backend(pid)) from (
					select pid from pg_stat_activity where application_name = $1 and backend_xid is not null
						and (state = 'idle in transaction' or state = 'active' and $2 = '%') and query like $2 limit 1) a`, "talkable "+at.module, at.query)
			if err == nil && hit > 0 {
				n.tally.reach("fault "+faultAimed, 1)
				n.tally.reach(at.reached, 1)
				break
			}
			wait(ctx, 5*time.Millisecond)
		}
		wait(ctx, 250*time.Millisecond)
	}
}

// rudeMail makes the mail server refuse for now, or take a mail and go away without saying so: each once in fifteen mails.
func (n *nemesis) rudeMail() {
	mails := 0
	n.post.behave(func() mailsink.Reply { // called one at a time
		mails++
		switch mails % 15 {
		case 3:
			n.tally.reach("fault "+faultMail, 1)
			return mailsink.Reply{Code: 451, Text: "later"}
		case 9:
			n.tally.reach("fault "+faultMail, 1)
			return mailsink.Reply{Drop: true}
		}
		return mailsink.Reply{}
	})
}
