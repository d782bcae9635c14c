// Package clock is the only place that asks the machine for the time. Everything else is handed a Clock, so that tests move it
// and every decision of one transaction shares one moment.
package clock

import (
	"sync"
	"time"
)

// Clock tells the present moment: UTC, in microseconds, which is what PostgreSQL keeps.
type Clock func() time.Time

// System is the machine's clock.
func System() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Movable is a clock that stands still until it is moved; tests hand its Now to the platform.
type Movable struct {
	mu sync.Mutex
	at time.Time
}

// NewMovable starts at at.
func NewMovable(at time.Time) *Movable { return &Movable{at: at.UTC().Truncate(time.Microsecond)} }

// Now is a Clock.
func (m *Movable) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at
}

// Move shifts the clock by d, which may be negative.
func (m *Movable) Move(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = m.at.Add(d)
}
