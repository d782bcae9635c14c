package agenda

import "sync"

// Timers decides who does what is due in a module of this process: its timers, each when it comes round, or for a while somebody who has
// taken their place and does it in an order of his own. The zero value leaves it to the timers.
type Timers struct{ mu sync.RWMutex }

// Tick does a timer's work, unless somebody has taken the timers' place.
func (t *Timers) Tick(work func()) {
	if t.mu.TryRLock() {
		defer t.mu.RUnlock()
		work()
	}
}

// TakeTimers takes the timers' place as soon as what they have begun is done, until giveBack.
func (t *Timers) TakeTimers() (giveBack func()) {
	t.mu.Lock()
	return t.mu.Unlock
}
