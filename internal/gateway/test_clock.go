package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
)

// Timed is who has timers, whose place a moving clock takes.
type Timed interface {
	Agenda() agenda.Agenda
	Due(ctx context.Context, at time.Time) ([]agenda.Line, error)
	RunDue(ctx context.Context) error
	TakeTimers() (giveBack func())
}

// TestClockDeps is what the test clock stands on.
type TestClockDeps struct {
	DB      *sqlx.DB
	Outbox  *bus.Outbox
	Log     zerolog.Logger
	Reg     prometheus.Registerer
	Now     clock.Clock
	Time    *TestTime // nil: a live platform, whose clock nobody moves
	Modules []Timed   // in the order in which they do what is due at one moment

	// Drained says how many events somebody has still to hear, and where the logs end.
	Drained func(ctx context.Context) (left int64, ends string, err error)
}

// TestClock moves the clock of a test platform: from each moment at which something is due to the next, and on when all that follows from it
// is done.
type TestClock struct {
	TestClockDeps
	wanted  chan *move
	mu      sync.Mutex
	moves   map[int64]*move // that run, or have just ended
	moments prometheus.Counter
	ahead   prometheus.Gauge
}

// move is an advance while it is made.
type move struct {
	advance
	done chan struct{}
}

const (
	momentPatience = 2 * time.Minute  // for all that follows from what was due at a moment
	leasePatience  = 45 * time.Second // for a call that somebody has begun: none takes longer
	mostMoments    = 200_000          // of one advance
	mostTime       = time.Hour        // of one advance, by the machine's clock
)

// States of an advance.
const (
	advanceRunning = "running"
	advanceDone    = "done"
	advanceStopped = "stopped" // before its end, at a bound or with the server
	advanceFailed  = "failed"
)

// NewTestClock makes it; nothing moves yet.
func NewTestClock(d TestClockDeps) *TestClock {
	f := promauto.With(d.Reg)
	return &TestClock{TestClockDeps: d, wanted: make(chan *move, 1), moves: map[int64]*move{},
		moments: f.NewCounter(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "gateway", Name: "test_clock_moments_total",
			Help: "Moments that the clock of a test platform was put to."}),
		ahead: f.NewGauge(prometheus.GaugeOpts{Namespace: "talkable", Subsystem: "gateway", Name: "test_clock_ahead_seconds",
			Help: "How far the clock of a test platform is ahead of the machine's; 0 on a live one."})}
}

// Consumer is none.
func (t *TestClock) Consumer() *bus.Consumer { return nil }

// Run moves the clock when somebody wants it, until ctx ends. It ends by itself if another process has taken the clock.
func (t *TestClock) Run(ctx context.Context) error {
	if t.Time == nil {
		<-ctx.Done()
		return nil
	}
	t.ahead.Set(t.Time.Clock.Release().Seconds())
	lost := make(chan error, 1)
	go func() { lost <- t.Time.hold(ctx) }()
	for {
		select {
		case err := <-lost:
			return err
		case m := <-t.wanted:
			t.carryOut(ctx, m)
		}
	}
}

// carryOut does what was asked for, and leaves the clock running from where it came to.
func (t *TestClock) carryOut(ctx context.Context, m *move) {
	for _, module := range t.Modules {
		defer module.TakeTimers()()
	}
	began := clock.System()
	if m.At = t.Time.Clock.Hold(); m.At.After(m.To) { // it was asked for a moment ago
		m.At = m.To
	}
	err := t.travel(ctx, m)
	m.end(ctx, err)
	ahead := t.Time.Clock.Release()
	t.ahead.Set(ahead.Seconds())
	t.conclude(ctx, m.advance, ahead)
	t.Log.Info().Err(err).Str("state", m.State).Time("from", m.From).Time("at", m.At).Int64("moments", m.Moments).Dur("took", clock.System().Sub(began)).
		Msg("the test clock was moved")
	close(m.done)
	t.mu.Lock()
	delete(t.moves, m.ID)
	t.mu.Unlock()
}

// conclude saves how a move ended, as soon as the database is there: until then nobody else can move the clock.
func (t *TestClock) conclude(ctx context.Context, a advance, ahead time.Duration) {
	for {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		err := saveAdvance(after, t.DB, a, ahead)
		cancel()
		if err == nil {
			return
		}
		t.Log.Error().Err(err).Msg("how the test clock was moved could not be saved")
		select {
		case <-ctx.Done(): // the next start knows that it ended
			return
		case <-time.After(time.Second):
		}
	}
}

// end says what became of it.
func (m *move) end(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
		m.State, m.Detail = advanceStopped, said("the server ended")
	case err != nil:
		m.State, m.Detail = advanceFailed, said(err.Error())
	case m.At.Before(m.To):
		m.State, m.Detail = advanceStopped, said(fmt.Sprintf("it goes no further than %d moments, or %s, at once", mostMoments, mostTime))
	default:
		m.State = advanceDone
	}
}

func said(s string) *string { return &s }

// travel goes from moment to moment, and to the end.
func (t *TestClock) travel(ctx context.Context, m *move) error {
	end := clock.System().Add(mostTime)
	now, err := t.settle(ctx, m.At, nil, true)
	for err == nil && m.At.Before(m.To) {
		if m.Moments >= mostMoments || clock.System().After(end) {
			return nil
		}
		next := now.next(m.At)
		last := next.IsZero() || !next.Before(m.To)
		if last {
			next = m.To
		}
		if now, err = t.put(ctx, m, next); err == nil {
			now, err = t.settle(ctx, next, now, last)
		}
	}
	return err
}

// put puts the clock to a moment, and returns what is due at it. The moment is saved before: after a crash the clock never goes back.
func (t *TestClock) put(ctx context.Context, m *move, at time.Time) (outlook, error) {
	then, err := t.look(ctx, at)
	if err != nil {
		return nil, err
	}
	due := false
	for _, l := range then.lines() {
		if l.Kind == agenda.Timed && l.Due > 0 {
			m.Jobs[l.What] += l.Due
			due = true
		}
	}
	if due {
		m.Moments++
		t.moments.Inc()
	}
	m.At = at
	if err := saveAdvance(ctx, t.DB, m.advance, t.Time.Clock.Ahead(at)); err != nil {
		return nil, err
	}
	t.Time.Clock.Put(at)
	return then, nil
}
