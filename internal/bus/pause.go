package bus

import (
	"context"
	"math/rand/v2"
	"time"
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
