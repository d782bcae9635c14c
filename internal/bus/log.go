package bus

import (
	"context"
	"encoding/json"
	"time"
)

// Log is the seam between a producer and those who hear it: any transport. Records keep the numbers that the producer gave
// them, so a consumer sees by the numbers alone what came twice and what is lost.
type Log interface {
	// From returns the records after seq in order, n of them; fewer when there are no more yet.
	// The slice is the caller's; the payloads are shared with others, and read only.
	From(ctx context.Context, seq int64, n int) ([]Record, error)
	// Head is the end of the log. Whatever it counts, a From that is called afterwards returns.
	Head(ctx context.Context) (Head, error)
	// Wake returns a channel that is closed once there may be more than at the time of this call: ask for it, read, and wait
	// for it when the read came to the end. It may be closed for nothing, and it needs no giving back.
	Wake() <-chan struct{}
}

// Head is the end of a log. The epoch changes when a log was restored to an older time and gives its numbers again.
type Head struct {
	Epoch string
	Seq   int64
}

// Record is an event as it travels.
type Record struct {
	Seq     int64
	Site    int64
	Key     string
	Type    string
	Payload json.RawMessage
	At      time.Time
	Epoch   string
}
