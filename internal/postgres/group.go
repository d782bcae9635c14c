package postgres

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Result is the outcome of one request of a group.
type Result[Out any] struct {
	Value Out
	Err   error
}

// Group gathers concurrent requests of one kind into transactions: a group commit. While one batch commits, the requests that
// arrive wait and form the next one; there is no timer, and a lone request goes at once in its caller's goroutine. A batch
// that fails as a whole is run again one by one, so that a bad request fails alone. Requests are answered after the commit.
type Group[In, Out any] struct {
	run     func(ctx context.Context, in []In) ([]Result[Out], error)
	max     int
	limit   time.Duration // of a request, from its coming to its answer
	observe func(size int)

	mu      sync.Mutex
	busy    int
	writers int
	crowd   int // so many must wait for one more batch to run beside others
	queue   []*ticket[In, Out]
}

const (
	groupLimit = 10 * time.Second // longer than anybody waits for a lock
	leastLimit = 2 * time.Second  // of a batch, however long its first request has waited for the one ahead
)

type ticket[In, Out any] struct {
	in    In
	until time.Time // as long as it wants to wait
	out   Result[Out]
	done  chan bool // true: you lead the next batch; closed: your answer is there
}

// NewGroup makes a group, with one writer, whose batches hold at most max requests and which run executes, each as one transaction. run returns
// one result per request in their order; its error means that nothing of the batch was done. A panic of run is an error for
// every request of its batch: nobody knows how far it came, so nothing is run again.
func NewGroup[In, Out any](max int, run func(ctx context.Context, in []In) ([]Result[Out], error)) *Group[In, Out] {
	writers := 1
	if !grouped {
		max, writers = 1, poolSize
	}
	return &Group[In, Out]{run: run, max: max, limit: groupLimit, writers: writers, crowd: 1, observe: func(int) {}}
}

// Writers lets n batches run at a time: while one waits for the disk or computes here, the other has the database. They are to each
// other what two replicas are, so run must stand that. More than two gained nothing on two cores.
func (g *Group[In, Out]) Writers(n int) *Group[In, Out] {
	if grouped {
		g.writers = n
	}
	return g
}

// Crowd lets a batch run beside another only when n requests wait for it: until then they are better off together, because a batch
// costs as much as some requests.
func (g *Group[In, Out]) Crowd(n int) *Group[In, Out] {
	if grouped {
		g.crowd = n
	}
	return g
}

// more says whether one more batch may run, for as many as wait.
func (g *Group[In, Out]) more(wait int) bool {
	return g.busy == 0 || g.busy < g.writers && wait >= g.crowd
}

// Observe hands the size of each batch to fn, for a metric.
func (g *Group[In, Out]) Observe(fn func(size int)) *Group[In, Out] {
	g.observe = fn
	return g
}

// waiting counts the requests of all groups of this process that have no answer yet.
var waiting atomic.Int64

// Waiting is how many requests of all groups of this process have no answer yet: what works in the background makes room for them.
func Waiting() int64 { return waiting.Load() }

// Do runs one request in whatever batch it falls. When ctx ends while the request waits for its turn, it is not run. Once its
// batch runs, Do waits for the answer, ctx or not: the batch has a time limit of its own.
func (g *Group[In, Out]) Do(ctx context.Context, in In) (Out, error) {
	var none Out
	if err := ctx.Err(); err != nil {
		return none, err
	}
	waiting.Add(1)
	defer waiting.Add(-1)
	if Rehearsing(ctx) { // what will be rolled back must not take others with it
		return g.alone(ctx, in)
	}
	t := &ticket[In, Out]{in: in, until: time.Now().Add(g.limit), done: make(chan bool, 1)}
	if end, ok := ctx.Deadline(); ok && end.Before(t.until) {
		t.until = end
	}
	g.mu.Lock()
	if !g.more(len(g.queue) + 1) {
		g.queue = append(g.queue, t)
		g.mu.Unlock()
		select {
		case lead := <-t.done:
			if !lead {
				return t.out.Value, t.out.Err
			}
		case <-ctx.Done():
			if !g.abandon(t) {
				lead := <-t.done // the batch took it, or it was chosen to lead: its turn must not be lost
				if !lead {
					return t.out.Value, t.out.Err
				}
				g.lead(ctx, nil, false)
			}
			return none, ctx.Err()
		}
		g.lead(ctx, t, false)
		return t.out.Value, t.out.Err
	}
	g.busy++
	g.mu.Unlock()
	g.lead(ctx, t, true)
	return t.out.Value, t.out.Err
}

// alone runs one request as a batch that is nobody else's.
func (g *Group[In, Out]) alone(ctx context.Context, in In) (Out, error) {
	ctx, cancel := context.WithTimeout(ctx, g.limit)
	defer cancel()
	t := &ticket[In, Out]{in: in}
	g.commit(ctx, []*ticket[In, Out]{t})
	return t.out.Value, t.out.Err
}

// abandon takes a waiting request out of the queue.
func (g *Group[In, Out]) abandon(t *ticket[In, Out]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, q := range g.queue {
		if q == t {
			g.queue = append(g.queue[:i:i], g.queue[i+1:]...)
			return true
		}
	}
	return false
}

// lead runs one batch with own, which came first or last of all, then hands the lead to the first that waits. The batch belongs
// to all its callers, so no caller that leaves ends it.
func (g *Group[In, Out]) lead(ctx context.Context, own *ticket[In, Out], last bool) {
	g.mu.Lock()
	n := g.max
	if own != nil {
		n--
	}
	n = min(len(g.queue), n)
	batch := make([]*ticket[In, Out], 0, n+1)
	if own != nil && !last {
		batch = append(batch, own)
	}
	batch = append(batch, g.queue[:n]...)
	if own != nil && last {
		batch = append(batch, own)
	}
	g.queue = append([]*ticket[In, Out](nil), g.queue[n:]...)
	g.mu.Unlock()

	defer g.handOn(batch, own) // whatever ends the batch
	if len(batch) > 0 {
		work, cancel := context.WithDeadline(context.WithoutCancel(ctx), g.deadline(batch))
		defer cancel()
		g.commit(work, batch)
	}
}

// deadline is when a batch ends at the latest: when its first request wants to wait no longer, which may have waited for the batch
// ahead; but not so soon that the others have no chance.
func (g *Group[In, Out]) deadline(batch []*ticket[In, Out]) time.Time {
	if least := time.Now().Add(leastLimit); batch[0].until.Before(least) {
		return least
	}
	return batch[0].until
}

// handOn gives the lead to the first that waits, and the batch its answers.
func (g *Group[In, Out]) handOn(batch []*ticket[In, Out], own *ticket[In, Out]) {
	g.mu.Lock()
	g.busy--
	if len(g.queue) > 0 && g.more(len(g.queue)) { // else there is none, or the batch that runs hands on
		next := g.queue[0]
		g.queue = g.queue[1:]
		g.busy++
		next.done <- true
	}
	g.mu.Unlock()
	for _, t := range batch {
		if t != own {
			close(t.done)
		}
	}
}

// errPanic is the answer to a batch whose run did not return.
var errPanic = errors.New("group commit: the batch panicked")

func (g *Group[In, Out]) commit(ctx context.Context, batch []*ticket[In, Out]) {
	in := make([]In, len(batch))
	for i, t := range batch {
		in[i] = t.in
	}
	out, err := g.safely(ctx, in)
	if err == nil && len(out) != len(batch) {
		err = errors.New("group commit: the batch answered another number of requests than it was given")
	}
	switch {
	case err == nil:
		for i, t := range batch {
			t.out = out[i]
		}
	case len(batch) == 1 || Away(err) || errors.Is(err, errPanic):
		for _, t := range batch {
			t.out.Err = err
		}
	default:
		for _, t := range batch {
			g.commit(ctx, []*ticket[In, Out]{t})
		}
	}
}

// safely turns a panic of run into an error: it would be the end of the lead, and everybody after it would wait for ever.
func (g *Group[In, Out]) safely(ctx context.Context, in []In) (out []Result[Out], err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	g.observe(len(in))
	return g.run(ctx, in)
}
