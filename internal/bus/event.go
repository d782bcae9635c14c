package bus

import "time"

// Payload is the body of an event: a flat struct in a leaf package of its producer. The type is a literal, past tense,
// "module.fact.vN"; its first word names the log that carries it.
type Payload interface{ EventType() string }

// Event is what a handler gets: the body, and its place in the producer's log.
type Event[T Payload] struct {
	Seq  int64     // gap-free in the log of one module
	Site int64     // the site that it happened in
	Key  string    // events of one key keep the order of their commits
	At   time.Time // when the producer's transaction decided it
	Body T
}
