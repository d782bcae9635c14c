package main

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/failpoint"
	"github.com/talkable/talkable/internal/freeport"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// process is the real binary, restarted whenever it dies.
type process struct {
	t       testing.TB
	path    string
	environ []string
	mu      sync.Mutex
	cmd     *exec.Cmd
	deaths  int
	stopped bool
	done    chan struct{}
}

func startProcess(t testing.TB, environ []string, first ...string) *process {
	p := &process{t: t, path: program(t), environ: environ, done: make(chan struct{})}
	p.launch(first...)
	go p.watch()
	t.Cleanup(p.stop)
	return p
}

// launch starts the binary; more is environment for this one life.
func (p *process) launch(more ...string) {
	cmd := exec.Command(p.path, "serve", "--demo")
	cmd.Env = append(append([]string(nil), p.environ...), more...)
	out := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		p.t.Error(err)
	}
	p.cmd = cmd
}

func (p *process) watch() {
	defer close(p.done)
	for {
		err := p.cmd.Wait()
		p.mu.Lock()
		if p.stopped {
			p.mu.Unlock()
			return
		}
		if err == nil || !strings.Contains(err.Error(), "killed") {
			p.t.Errorf("the server ended by itself: %v\n%s", err, p.cmd.Stdout.(*lockedBuffer).String())
		}
		p.deaths++
		p.launch()
		p.mu.Unlock()
	}
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Kill() // it may have died by itself just now
}

func (p *process) died() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deaths
}

func (p *process) stop() {
	p.mu.Lock()
	p.stopped = true
	_ = p.cmd.Process.Signal(os.Interrupt)
	p.mu.Unlock()
	select {
	case <-p.done:
	case <-time.After(longest):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	if p.t.Failed() {
		p.t.Log(p.cmd.Stdout.(*lockedBuffer).String())
	}
}

// TestStoryKilledAtEveryStep kills the server (kill -9, by itself, at a named step of the story) and starts it again: whatever the
// step, the story ends as if nothing had happened.
func TestStoryKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	dir := pgtest.Dir(t)
	address := freeport.Address(t)
	environ := l.environ(dir, "TALKABLE_LISTEN="+address, "TALKABLE_INTERNAL_LISTEN="+freeport.Address(t))
	p := startProcess(t, environ)
	d := awaitDemo(t, dir, nil)
	s := newShop(t, d)
	merchant := newMerchant(t)
	s.must("POST", "/api/v2/webhooks", object{"url": merchant.URL, "types": []string{"referral.approved"}}, nil)
	told := 0
	for _, name := range failpoint.Names() {
		for _, hit := range []string{"1", "3"} {
			if strings.HasPrefix(name, "notify.") && hit != "1" {
				continue // the lease of a message in transmission takes half a minute to end
			}
			p.mu.Lock()
			p.environ = append(l.environ(dir, "TALKABLE_LISTEN="+address, "TALKABLE_INTERNAL_LISTEN="+freeport.Address(t)), "TALKABLE_FAILPOINT="+name+":"+hit)
			before := p.deaths
			p.mu.Unlock()
			p.kill() // the next life dies at the failpoint, the one after it as well, until the point is taken away
			eventually(t, "the armed server is up or has died at "+name, func() bool {
				return p.died() > before+1 || p.died() == before+1 && s.call(t.Context(), "GET", "/api/v2/site", nil, nil) == nil
			})
			p.mu.Lock()
			p.environ = l.environ(dir, "TALKABLE_LISTEN="+address, "TALKABLE_INTERNAL_LISTEN="+freeport.Address(t))
			p.mu.Unlock()
			// Two stories reach the point so often, unless a busy server does in one go what it does in several: then some more do.
			for n, tale := range tales(strings.ReplaceAll(name, ".", "-")+"-"+hit, 20) {
				if n >= 2 && p.died() >= before+2 {
					break
				}
				tale.tell(s)
				tale.ends(s)
				told++
			}
			if p.died() < before+2 {
				t.Errorf("%s was not reached by the stories", name)
			}
		}
	}
	totals(s, told)
	eventually(t, "every referral came to the merchant", func() bool { return merchant.ids() >= told })
	if n := merchant.ids(); n != told {
		t.Errorf("%d messages came to the merchant, want %d", n, told)
	}
}

// TestStoryOnTwoReplicas lets two processes share one database while one after the other is killed at random.
func TestStoryOnTwoReplicas(t *testing.T) {
	t.Parallel()
	pa, sa, pb, sb := twoReplicas(t)
	const n, kills = 48, 8
	begun := make(chan int, n)
	var killer, tellers sync.WaitGroup
	killer.Go(func() {
		for i := range begun {
			if i%(n/kills) == 0 { // in the midst of a story that has just begun
				time.Sleep(time.Duration(i) * time.Millisecond / 2)
				[]*process{pa, pb}[i/(n/kills)%2].kill()
			}
		}
	})
	all := tales("replica", n)
	var next atomic.Int64
	for range 4 {
		tellers.Go(func() {
			for i := next.Add(1) - 1; i < n; i = next.Add(1) - 1 {
				begun <- int(i)
				all[i].tell([]shop{sa, sb}[i%2])
			}
		})
	}
	tellers.Wait()
	close(begun)
	killer.Wait()
	for _, tale := range all {
		tale.ends(sa)
	}
	totals(sa, n)
	if pa.died()+pb.died() < kills/2 {
		t.Errorf("only %d kills: the test proved little", pa.died()+pb.died())
	}
}
