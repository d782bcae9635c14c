package postgres_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/talkable/talkable/internal/postgres"
)

// Whoever comes, leaves, fails or panics, in whatever order: everybody who stays is answered, once, and the group is idle afterwards.
func TestGroup_leaves_nobody_behind(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			writers, crowd, most := 1+rng.IntN(3), 1+rng.IntN(5), 1+rng.IntN(4)
			var mu sync.Mutex
			underWay, done := 0, map[int]int{}
			g := postgres.NewGroup(most, func(_ context.Context, in []int) ([]postgres.Result[int], error) {
				mu.Lock()
				underWay++
				pause, end := time.Duration(rng.IntN(20))*time.Millisecond, rng.IntN(20)
				if underWay > writers || len(in) > most {
					t.Errorf("seed %d: %d batches, one of %d", seed, underWay, len(in))
				}
				mu.Unlock()
				time.Sleep(pause)
				mu.Lock()
				defer mu.Unlock()
				underWay--
				switch end {
				case 0:
					panic("seed")
				case 1:
					return nil, errors.New("nothing was done")
				}
				out := make([]postgres.Result[int], len(in))
				for i, n := range in {
					done[n]++
					out[i].Value = n
				}
				return out, nil
			}).Writers(writers).Crowd(crowd)
			var all sync.WaitGroup
			for n := range 40 {
				mu.Lock()
				after, patience := time.Duration(rng.IntN(60))*time.Millisecond, time.Duration(1+rng.IntN(30))*time.Millisecond
				mu.Unlock()
				all.Go(func() {
					time.Sleep(after)
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					if n%3 > 0 {
						ctx = t.Context()
					}
					defer cancel()
					got, err := g.Do(ctx, n)
					mu.Lock()
					defer mu.Unlock()
					if err == nil && (got != n || done[n] != 1) || err != nil && done[n] != 0 {
						t.Errorf("seed %d: %d was answered %d (%v) and done %d times", seed, n, got, err, done[n])
					}
				})
			}
			all.Wait() // a request that nobody leads is a deadlock here
			for range 20 {
				if _, err := g.Do(t.Context(), 99); err == nil {
					return
				}
			}
			t.Errorf("seed %d: the group does nothing any more", seed)
		})
	}
}
