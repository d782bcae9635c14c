package postgres_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/talkable/talkable/internal/postgres"
)

// doubler is a group that answers with twice what it was asked, batch by batch, and remembers the batches. A batch waits for
// gate, when there is one, and asks before first.
type doubler struct {
	*postgres.Group[int, int]
	gate   chan struct{}
	before func(ctx context.Context, in []int) error

	mu      sync.Mutex
	batches [][]int
	sizes   []int
}

func newDoubler(max int) *doubler {
	d := &doubler{before: func(context.Context, []int) error { return nil }}
	d.Group = postgres.NewGroup(max, func(ctx context.Context, in []int) ([]postgres.Result[int], error) {
		d.mu.Lock()
		d.batches = append(d.batches, slices.Clone(in))
		d.mu.Unlock()
		if d.gate != nil {
			<-d.gate
		}
		if err := d.before(ctx, in); err != nil {
			return nil, err
		}
		out := make([]postgres.Result[int], len(in))
		for i, n := range in {
			out[i].Value = 2 * n
			if n < 0 {
				out[i] = postgres.Result[int]{Err: fmt.Errorf("negative: %d", n)}
			}
		}
		return out, nil
	}).Observe(func(n int) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.sizes = append(d.sizes, n)
	})
	return d
}

type said struct {
	value int
	err   error
}

// ask puts a request into the group and returns once it waits there or is answered; only within a synctest bubble.
func (d *doubler) ask(ctx context.Context, n int) <-chan said {
	answer := make(chan said, 1)
	go func() {
		v, err := d.Do(ctx, n)
		answer <- said{v, err}
	}()
	synctest.Wait()
	return answer
}

func want(t *testing.T, answer <-chan said, value int) {
	t.Helper()
	if got := <-answer; got.value != value || got.err != nil {
		t.Errorf("got %d, %v; want %d", got.value, got.err, value)
	}
}

func wantErr(t *testing.T, answer <-chan said, text string) {
	t.Helper()
	if got := <-answer; got.err == nil || !strings.Contains(got.err.Error(), text) {
		t.Errorf("got %d, %v; want an error with %q", got.value, got.err, text)
	}
}

func wantBatches(t *testing.T, d *doubler, batches ...[]int) {
	t.Helper()
	var sizes []int
	for _, b := range batches {
		sizes = append(sizes, len(b))
	}
	if !reflect.DeepEqual(d.batches, batches) || !slices.Equal(d.sizes, sizes) {
		t.Errorf("batches %v, sizes seen %v; want %v", d.batches, d.sizes, batches)
	}
}
