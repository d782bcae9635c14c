package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lib/pq"
	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/postgres"
)

func TestGroup_runs_a_lone_request_at_once_in_its_callers_goroutine(t *testing.T) {
	here := goroutine()
	d := newDoubler(10)
	d.before = func(context.Context, []int) error {
		if got := goroutine(); got != here {
			t.Errorf("ran in %s, called in %s", got, here)
		}
		return nil
	}
	for n := range 3 {
		if v, err := d.Do(t.Context(), n); v != 2*n || err != nil {
			t.Errorf("got %d, %v; want %d", v, err, 2*n)
		}
	}
	wantBatches(t, d, []int{0}, []int{1}, []int{2})
}

func goroutine() string {
	var b [64]byte
	name, _, _ := strings.Cut(string(b[:runtime.Stack(b[:], false)]), " [")
	return name
}

func TestGroup_gathers_what_arrives_while_a_batch_runs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoubler(3)
		d.gate = make(chan struct{})
		var answers []<-chan said
		for _, n := range []int{1, 2, 3, 4, -5, 6} {
			answers = append(answers, d.ask(t.Context(), n))
		}
		close(d.gate)
		for i, n := range []int{1, 2, 3, 4} {
			want(t, answers[i], 2*n)
		}
		wantErr(t, answers[4], "negative: -5") // its own answer, no failure of the batch
		want(t, answers[5], 12)
		wantBatches(t, d, []int{1}, []int{2, 3, 4}, []int{-5, 6})
	})
}

func TestGroup_when_a_batch_fails(t *testing.T) {
	bad := errors.New("13 is bad")
	refuse := func(err error) func(context.Context, []int) error {
		return func(_ context.Context, in []int) error {
			if slices.Contains(in, 13) {
				return err
			}
			return nil
		}
	}
	away := &pq.Error{Code: "57P01", Message: "shutting down"}
	tests := map[string]struct {
		before  func(context.Context, []int) error
		good    string // what the neighbours of 13 are told; "" for their answers
		bad     string
		batches [][]int
	}{
		"only the bad request fails":          {refuse(bad), "", "13 is bad", [][]int{{1}, {12, 13, 14}, {12}, {13}, {14}}},
		"a database that is away fails all":   {refuse(fmt.Errorf("commit: %w", away)), "shutting down", "shutting down", [][]int{{1}, {12, 13, 14}}},
		"a panic fails all and is not redone": {func(ctx context.Context, in []int) error { _ = refuse(bad)(ctx, in) == nil || explode(); return nil }, "out of range", "out of range", [][]int{{1}, {12, 13, 14}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDoubler(3)
				d.gate, d.before = make(chan struct{}), tt.before
				first := d.ask(t.Context(), 1)
				var answers [3]<-chan said
				for i := range answers {
					answers[i] = d.ask(t.Context(), 12+i)
				}
				last := d.ask(t.Context(), 20)
				close(d.gate)
				want(t, first, 2)
				for i, a := range answers {
					switch {
					case i == 1:
						wantErr(t, a, tt.bad)
					case tt.good != "":
						wantErr(t, a, tt.good)
					default:
						want(t, a, 2*(12+i))
					}
				}
				want(t, last, 40) // the lead went on
				wantBatches(t, d, append(tt.batches, []int{20})...)
			})
		})
	}
	t.Run("a panic of a lone request is an error with its place", func(t *testing.T) {
		d := newDoubler(3)
		d.before = func(context.Context, []int) error { explode(); return nil }
		if _, err := d.Do(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "explode") {
			t.Errorf("got %v, want an error that names the function", err)
		}
		d.before = func(context.Context, []int) error { return nil }
		if v, err := d.Do(t.Context(), 2); v != 4 || err != nil {
			t.Errorf("afterwards: %d, %v", v, err)
		}
	})
	t.Run("a wrong number of answers fails", func(t *testing.T) {
		g := postgres.NewGroup(3, func(context.Context, []int) ([]postgres.Result[int], error) { return nil, nil })
		if _, err := g.Do(t.Context(), 1); err == nil {
			t.Error("no error")
		}
	})
}

func explode() bool { return make([]bool, 0)[len(newDoubler(1).batches)] }

func TestGroup_when_a_callers_context_ends(t *testing.T) {
	setup := func(t *testing.T) (*doubler, context.Context, context.CancelFunc) {
		d := newDoubler(3)
		d.gate = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		return d, ctx, cancel
	}
	t.Run("before it asked, nothing runs", func(t *testing.T) {
		d, ctx, cancel := setup(t)
		cancel()
		if _, err := d.Do(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		wantBatches(t, d)
	})
	t.Run("in the queue, the request is left out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, ctx, cancel := setup(t)
			first, gone, other := d.ask(t.Context(), 1), d.ask(ctx, 2), d.ask(t.Context(), 3)
			cancel()
			wantErr(t, gone, "canceled") // at once, while the first still runs
			close(d.gate)
			want(t, first, 2)
			want(t, other, 6)
			wantBatches(t, d, []int{1}, []int{3})
		})
	})
	t.Run("in a running batch, it gets its answer and the batch its end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, ctx, cancel := setup(t)
			d.before = func(ctx context.Context, _ []int) error { return ctx.Err() }
			first, leader, member := d.ask(t.Context(), 1), d.ask(ctx, 2), d.ask(ctx, 3)
			d.gate <- struct{}{}
			want(t, first, 2)
			synctest.Wait()
			cancel()
			last := d.ask(t.Context(), 4)
			close(d.gate)
			want(t, leader, 4)
			want(t, member, 6)
			want(t, last, 8)
			wantBatches(t, d, []int{1}, []int{2, 3}, []int{4})
		})
	})
	t.Run("at the moment it is made the leader, the lead is not lost", func(t *testing.T) {
		for range 300 {
			synctest.Test(t, func(t *testing.T) {
				d, ctx, cancel := setup(t)
				first, gone, other := d.ask(t.Context(), 1), d.ask(ctx, 2), d.ask(t.Context(), 3)
				d.gate <- struct{}{}
				cancel() // in a race with the end of the first batch
				close(d.gate)
				want(t, first, 2)
				if got := <-gone; got.err == nil && got.value != 4 {
					t.Errorf("got %v", got)
				}
				want(t, other, 6)
				want(t, d.ask(t.Context(), 7), 14)
			})
		}
	})
	t.Run("a batch that hangs ends by its own limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDoubler(3)
			d.before = func(ctx context.Context, in []int) error {
				if in[0] == 1 {
					<-ctx.Done()
				}
				return ctx.Err()
			}
			begin := time.Now()
			first, next := d.ask(t.Context(), 1), d.ask(t.Context(), 2)
			wantErr(t, first, "deadline")
			want(t, next, 4)
			if took := time.Since(begin); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	})
	t.Run("who waited for the batch ahead doesn't wait as long again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDoubler(3)
			locked := true
			d.before = func(ctx context.Context, _ []int) error {
				if !locked {
					return nil
				}
				select {
				case <-ctx.Done():
				case <-time.After(8 * time.Second): // a lock's timeout
				}
				return context.DeadlineExceeded
			}
			begin := time.Now()
			first, next := d.ask(t.Context(), 1), d.ask(t.Context(), 2)
			wantErr(t, first, "deadline")
			if took := time.Since(begin); took != 8*time.Second {
				t.Errorf("the first took %v", took)
			}
			wantErr(t, next, "deadline")
			if took := time.Since(begin); took != 10*time.Second {
				t.Errorf("the next took %v", took)
			}
			begin = time.Now()
			wantErr(t, d.ask(t.Context(), 3), "deadline") // a new one has all its time
			if took := time.Since(begin); took != 8*time.Second {
				t.Errorf("a new one took %v", took)
			}
			locked = false
			want(t, d.ask(t.Context(), 4), 8)
		})
	})
	t.Run("a batch ends with the patience of its first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDoubler(3)
			d.before = func(ctx context.Context, _ []int) error { <-ctx.Done(); return ctx.Err() }
			for patience, want := range map[time.Duration]time.Duration{time.Minute: 10 * time.Second, 5 * time.Second: 5 * time.Second, time.Second: 2 * time.Second} {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				begin := time.Now()
				wantErr(t, d.ask(ctx, 1), "deadline")
				if took := time.Since(begin); took != want {
					t.Errorf("with a patience of %v it took %v", patience, took)
				}
				cancel()
			}
		})
	})
	t.Run("a batch has two seconds at least", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDoubler(3)
			d.before = func(ctx context.Context, in []int) error {
				if in[0] == 1 {
					<-ctx.Done()
					return ctx.Err()
				}
				time.Sleep(1900 * time.Millisecond)
				return ctx.Err()
			}
			first, next := d.ask(t.Context(), 1), d.ask(t.Context(), 2)
			wantErr(t, first, "deadline")
			want(t, next, 4)
		})
	})
}

func TestGroup_gives_each_of_200_goroutines_its_own_answers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		max := rapid.IntRange(1, 50).Draw(rt, "max")
		d := newDoubler(max)
		var executed [2000]atomic.Int32
		d.before = func(_ context.Context, in []int) error {
			if len(in) > max {
				t.Errorf("a batch of %d, at most %d", len(in), max)
			}
			if len(in) > 1 && in[0]%7 == 0 {
				return errors.New("one by one, please")
			}
			for _, n := range in {
				executed[n].Add(1)
			}
			return nil
		}
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				for j := range 10 {
					n := 10*i + j
					ctx, cancel := context.WithCancel(t.Context())
					if n%5 == 0 {
						time.AfterFunc(time.Duration(rand.IntN(200))*time.Microsecond, cancel)
					}
					v, err := d.Do(ctx, n)
					cancel()
					times := executed[n].Load()
					if answered := v == 2*n && err == nil && times == 1; !answered && !(n%5 == 0 && errors.Is(err, context.Canceled) && times == 0) {
						t.Errorf("asked %d, got %d, %v; executed %d times", n, v, err, times)
					}
				}
			})
		}
		all.Wait()
	})
}

// Two writers run two batches at a time; what comes meanwhile waits for the first of them to end.
func TestGroup_of_two_writers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		underWay, most, sizes := 0, 0, []int{}
		var mu sync.Mutex
		g := postgres.NewGroup(10, func(_ context.Context, in []int) ([]postgres.Result[int], error) {
			mu.Lock()
			underWay++
			most = max(most, underWay)
			sizes = append(sizes, len(in))
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			underWay--
			mu.Unlock()
			out := make([]postgres.Result[int], len(in))
			for i, n := range in {
				out[i].Value = 2 * n
			}
			return out, nil
		}).Writers(2)
		var all sync.WaitGroup
		for n := range 6 {
			all.Go(func() {
				if got, err := g.Do(t.Context(), n); err != nil || got != 2*n {
					t.Errorf("%d: %d, %v", n, got, err)
				}
			})
			time.Sleep(100 * time.Millisecond) // so that one batch ends before the other
		}
		all.Wait()
		if most != 2 || !slices.Equal(sizes, []int{1, 1, 4}) {
			t.Errorf("%d at a time, batches of %v", most, sizes)
		}
	})
}

// Beside a batch another begins when enough wait for it; fewer wait for the one that runs.
func TestGroup_runs_beside_another_for_a_crowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		underWay, most, batches := 0, 0, [][]int{}
		var mu sync.Mutex
		g := postgres.NewGroup(10, func(_ context.Context, in []int) ([]postgres.Result[int], error) {
			mu.Lock()
			underWay++
			most = max(most, underWay)
			batches = append(batches, slices.Clone(in))
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			underWay--
			mu.Unlock()
			return make([]postgres.Result[int], len(in)), nil
		}).Writers(2).Crowd(3)
		var all sync.WaitGroup
		for n := range 6 {
			all.Go(func() {
				if _, err := g.Do(t.Context(), n); err != nil {
					t.Errorf("%d: %v", n, err)
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		if got := fmt.Sprint(most, batches); got != "2 [[0] [1 2 3] [4 5]]" {
			t.Errorf("got %s", got)
		}
		if _, err := g.Do(t.Context(), 7); err != nil || len(batches) != 4 {
			t.Errorf("afterwards: %v, %v", batches, err)
		}
	})
}
