package clock

import (
	"sync"
	"time"
)

// Steered is the clock of a test platform. It runs with the machine's, as far ahead as it was put, and stands still while it is moved, so
// that whatever is due at a moment happens at that moment, however long it takes.
type Steered struct {
	machine Clock

	mu    sync.RWMutex
	ahead time.Duration
	held  time.Time // where it stands; zero: it runs
}

// NewSteered is a running clock that is so far ahead of the machine's.
func NewSteered(machine Clock, ahead time.Duration) *Steered {
	return &Steered{machine: machine, ahead: ahead}
}

// Now is a Clock.
func (s *Steered) Now() time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.now()
}

func (s *Steered) now() time.Time {
	if !s.held.IsZero() {
		return s.held
	}
	return s.machine().Add(s.ahead).Truncate(time.Microsecond)
}

// Hold has the clock stand still, and says where.
func (s *Steered) Hold() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = s.now()
	return s.held
}

// Put moves a clock that stands to a later moment; it never goes back.
func (s *Steered) Put(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at = at.UTC().Truncate(time.Microsecond); at.After(s.held) {
		s.held = at
	}
}

// Release has the clock run on from where it stands, or from where it would be by now if it had run on, and says how far ahead of the
// machine's it is by that.
func (s *Steered) Release() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held.IsZero() {
		s.ahead, s.held = max(s.ahead, s.held.Sub(s.machine())), time.Time{}
	}
	return s.ahead
}

// Ahead is how far ahead of the machine's it would run if it were put to a moment and released.
func (s *Steered) Ahead(at time.Time) time.Duration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return max(s.ahead, at.Sub(s.machine()))
}
