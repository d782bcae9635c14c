package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/freeport"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// TestReplicasFrozenKilledAndReplaced (F03, F04, F11) kills both replicas at once, freezes one for longer than PostgreSQL lets a
// transaction idle, and ends one by SIGTERM while the other takes over: nothing happens twice, and the deploy fails no request.
func TestReplicasFrozenKilledAndReplaced(t *testing.T) {
	t.Parallel()
	pa, sa, pb, sb := twoReplicas(t)
	stories := tellOn(t, sb, "frozen")

	// F04: both are killed at once and come up at once. It comes first, because mail that was in transmission is given up only half a minute later.
	both := tales("both", 6)
	var told sync.WaitGroup
	told.Go(func() {
		for _, one := range both {
			one.tell(stories.patient(sa))
		}
	})
	time.Sleep(100 * time.Millisecond)
	pa.kill()
	pb.kill()
	told.Wait()

	// F11: a is frozen in the midst of its work; b goes on; a wakes up and finds the world changed.
	frozen := tales("thaw", 6)
	told.Go(func() {
		for _, one := range frozen {
			one.tell(stories.patient(sa)) // waits while a is frozen
		}
	})
	time.Sleep(200 * time.Millisecond)
	pid := pa.pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(11 * time.Second) // PostgreSQL ends transactions that idle for ten
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	told.Wait()
	all := slices.Concat(stories.end(), both, frozen)

	// F03: a gets SIGTERM under load. Clients go to b when a takes no more connections; none is told of a failure.
	var failures, answered atomic.Int64
	stop := make(chan struct{})
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	defer transport.CloseIdleConnections()
	eventually(t, "b is up", func() bool { return sb.call(t.Context(), "GET", "/api/v2/site", nil, nil) == nil })
	eventually(t, "a is up", func() bool { return sa.call(t.Context(), "GET", "/api/v2/site", nil, nil) == nil })
	for w := range 4 {
		told.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				var cut error
				for _, server := range []shop{sa, sb} {
					req, err := http.NewRequest("POST", server.server+"/api/v2/origins/event",
						strings.NewReader(fmt.Sprintf(`{"data":{"email":"deploy@shop.example","event_number":"deploy-%d-%d","event_category":"x"}}`, w, i)))
					if err != nil {
						t.Error(err)
						return
					}
					req.Header.Set("Authorization", "Bearer "+server.key)
					req.Header.Set("Content-Type", "application/json")
					req.Header.Set("Idempotency-Key", fmt.Sprintf("deploy-%d-%d", w, i)) // lets the client send it again on a connection that was closed idle
					res, err := transport.RoundTrip(req)
					if err != nil && server == sa && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
						cut = err // the system resets connections that nobody has accepted when the listener closes
						continue
					}
					if err != nil {
						t.Errorf("a request under way was cut: %v", err)
						failures.Add(1)
						break
					}
					_ = res.Body.Close()
					if cut != nil && res.Header.Get("Idempotent-Replayed") == "true" {
						t.Errorf("a request under way was cut, and done: %v", cut)
						failures.Add(1)
					}
					if answered.Add(1); res.StatusCode != http.StatusCreated {
						t.Errorf("a request was answered with %s", res.Status)
						failures.Add(1)
					}
					break
				}
			}
		})
	}
	time.Sleep(time.Second)
	eventually(t, "the load is there", func() bool { return answered.Load() >= 20 })
	began := time.Now()
	pa.terminate()
	<-pa.done
	if took := time.Since(began); took > 2*drain { // of which the requests have the half
		t.Errorf("the drain took %s", took)
	}
	time.Sleep(200 * time.Millisecond)
	close(stop)
	told.Wait()
	if answered.Load() < 20 {
		t.Errorf("only %d requests", answered.Load())
	}
	for _, one := range all {
		one.ends(sb)
	}
	totals(sb, len(all))
	t.Logf("%d stories, %d requests over the deploy, %d failed", len(all), answered.Load(), failures.Load())
}

// twoReplicas starts two processes that share one database, each with its shop.
func twoReplicas(t testing.TB) (pa *process, sa shop, pb *process, sb shop) {
	t.Helper()
	l := oneDatabase(t)
	first, second := pgtest.Dir(t), pgtest.Dir(t)
	a := l.environ(first, "TALKABLE_LISTEN="+freeport.Address(t), "TALKABLE_INTERNAL_LISTEN="+freeport.Address(t))
	b := l.environ(second, "TALKABLE_LISTEN="+freeport.Address(t), "TALKABLE_INTERNAL_LISTEN="+freeport.Address(t))
	pa = startProcess(t, a)
	sa = newShop(t, awaitDemo(t, first, nil))
	pb = startProcess(t, b)
	sb = newShop(t, awaitDemo(t, second, nil))
	return pa, sa, pb, sb
}

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// terminate asks the process to end, for good.
func (p *process) terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
}
