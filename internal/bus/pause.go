package bus

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/talkable/talkable/internal/postgres"
)

// patience spaces the tries of something that fails, and says when it is worth a line in the log: at once, then once a minute.
type patience struct {
	pause  time.Duration
	silent time.Duration
	failed bool
}

// next is the coming pause, growing up to most.
func (p *patience) next(most time.Duration) (pause time.Duration, say bool) {
	say = !p.failed || p.silent >= time.Minute
	if say {
		p.silent = 0
	}
	p.failed = true
	p.pause = min(max(2*p.pause, 20*time.Millisecond), most)
	pause = p.pause/2 + jitter(p.pause/2)
	p.silent += pause
	return pause, say
}

func (p *patience) reset() { *p = patience{} }

// breather spaces what follows closely on itself, so that batches gather and the foreground has its turn. What comes alone is
// not held up, and neither is a backlog while nobody waits for an answer.
type breather struct {
	began, ended time.Time
	least        time.Duration // of a rest; 0 is short
	held         bool          // the turn
}

const (
	near  = 20 * time.Millisecond // this close to the last one is load
	short = 5 * time.Millisecond
	long  = 100 * time.Millisecond
	crowd = 8 // so many requests wait: one piece of background work at a time, and a rest some times as long
	wide  = 3
)

// turn is held, rest included, by the one piece of background work that goes on while many requests wait.
var turn = make(chan struct{}, 1)

// begin waits for the turn where many requests wait for their answers. after or release follows.
func (b *breather) begin(ctx context.Context) {
	if postgres.Waiting() >= crowd {
		select {
		case turn <- struct{}{}:
			b.held = true
		case <-ctx.Done():
		}
	}
	b.began = time.Now()
}

// after rests when a piece of work has ended well.
func (b *breather) after(ctx context.Context, more bool) {
	defer b.release()
	now := time.Now()
	took, least, rest := now.Sub(b.began), max(b.least, short), time.Duration(0)
	switch {
	case postgres.Waiting() >= crowd:
		rest = max(min(wide*took, wide*long), least)
	case !more && b.began.Sub(b.ended) < near:
		rest = max(min(took, long), least)
	}
	if rest > 0 {
		sleep(ctx, rest)
		now = time.Now()
	}
	b.ended = now
}

// release gives the turn back.
func (b *breather) release() {
	if b.held {
		<-turn
		b.held = false
	}
}

// jitter is a part of d.
func jitter(d time.Duration) time.Duration { return rand.N(d) }

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
