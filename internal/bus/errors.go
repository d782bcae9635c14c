package bus

import (
	"errors"

	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
)

// What ends a consumer's Run. A person has to look: going on would skip events or park everything.
var (
	ErrGap    = errors.New("bus: the log has a gap")
	ErrEpoch  = errors.New("bus: the log is not the one that was heard before")
	ErrParked = errors.New("bus: too many events are parked")
)

// errPassed says that the cursor is not where it was left: another replica applied the batch.
var errPassed = errors.New("bus: another replica has passed")

type poison struct{ error }

func (p poison) Unwrap() error { return p.error }

// Poison marks an error that no repetition will cure: the event is parked at once. A fault of kind Invalid counts as one.
func Poison(err error) error {
	if err == nil {
		return nil
	}
	return poison{err}
}

type later struct{ error }

func (l later) Unwrap() error { return l.error }

// Later marks an error that time will cure, because something that another log brings is not here yet. The batch is tried
// again with pauses of up to a second, for as long as it takes, and nothing is parked.
func Later(err error) error {
	if err == nil {
		return nil
	}
	return later{err}
}

// verdict is what an error means for the batch.
type verdict int

const (
	none    verdict = iota
	suspect         // counts: after a few tries the guilty event is looked for
	hopeless
	transient
	tooEarly
	passed
	final
)

func judge(err error) verdict {
	if err == nil {
		return none
	}
	if errors.Is(err, errPassed) {
		return passed
	}
	if errors.Is(err, ErrGap) || errors.Is(err, ErrEpoch) || errors.Is(err, ErrParked) {
		return final
	}
	if _, ok := errors.AsType[poison](err); ok || fault.Is(err, fault.Invalid) {
		return hopeless
	}
	if _, ok := errors.AsType[later](err); ok {
		return tooEarly
	}
	if postgres.Away(err) {
		return transient
	}
	if pe, ok := errors.AsType[*pq.Error](err); ok {
		switch pe.Code.Class() {
		case "08", "40", "53", "55", "57", "58":
			return transient
		}
	}
	return suspect
}
