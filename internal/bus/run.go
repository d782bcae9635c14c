package bus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	batch = 500                    // most events of one transaction
	tries = 3                      // of a batch, before its guilty event is looked for
	net   = 5 * time.Second        // a look at the log when nobody wakes us
	lazy  = 50 * time.Millisecond  // a cursor that only passed by foreign events stays unsaved until they pause so long
	stale = time.Second            // and at most so long
	limit = 2 * time.Minute        // of one batch
	slow  = 2 * time.Second        // longest pause when a database is away
	soon  = time.Second            // longest pause when something isn't here yet
	yield = 100 * time.Millisecond // longest pause of a replica that lost a batch to another
)

// hearing is one consumer at one log.
type hearing struct {
	*Consumer
	source string
	from   Log
	log    zerolog.Logger
	known  bool             // whether saved is what the database holds
	saved  Head             // the cursor
	at     int64            // read up to here; events in between are not for this consumer
	missed int              // looks at a log that counts more than it returns
	due    <-chan time.Time // when at has to be saved; nil while it is saved
	first  time.Time        // when due was first set
	look   *time.Ticker
	rest   breather
	heard  *atomic.Int64 // at, for others to see
}

// Run applies the events of one log, in batches, until ctx ends. Replicas may run the same: one of them applies, the others
// stand by. It returns an error only when a person has to look: ErrGap, ErrEpoch, ErrParked.
func (c *Consumer) Run(ctx context.Context, source string, log Log) error {
	heard, _ := c.heard.LoadOrStore(source, new(atomic.Int64))
	h := &hearing{Consumer: c, heard: heard.(*atomic.Int64), source: source, from: log, log: c.log.With().Str("source", source).Logger(),
		look: time.NewTicker(time.Second), rest: breather{least: c.leisure}}
	defer h.look.Stop()
	var fails patience
	for ctx.Err() == nil {
		err := h.step(ctx)
		if ctx.Err() != nil {
			break
		}
		most := slow
		switch judge(err) {
		case none:
			fails.reset()
			continue
		case final:
			return fmt.Errorf("%s hears %s: %w", c.name, source, err)
		case passed:
			h.known = false
			sleep(ctx, jitter(yield))
			continue
		case tooEarly:
			most = soon
		}
		h.known = false // the commit may have come through
		c.m.retries.WithLabelValues(c.name, source).Inc()
		pause, say := fails.next(most)
		if say {
			h.log.Warn().Err(err).Int64("after", h.at).Msg("events wait")
		}
		sleep(ctx, pause)
	}
	return nil
}

// step reads once, and applies what it read or waits for more.
func (h *hearing) step(ctx context.Context) error {
	if !h.known {
		if err := h.load(ctx); err != nil {
			return err
		}
	}
	wake := h.from.Wake()
	records, err := h.from.From(ctx, h.at, batch)
	if err != nil {
		return err
	}
	full := len(records) >= batch
	if records, err = h.follow(records); err != nil {
		return err
	}
	if len(records) == 0 {
		return h.idle(ctx, wake)
	}
	h.missed = 0
	before := h.saved.Seq
	h.rest.begin(ctx)
	err = h.take(ctx, records)
	h.heard.Store(h.at)
	if err != nil || h.saved.Seq == before {
		h.rest.release()
	} else {
		h.rest.after(ctx, full)
	}
	if err != nil {
		return err
	}
	select {
	case <-h.look.C: // under load, too, the lag is measured and the epoch looked at
		if _, err := h.behind(ctx); err != nil {
			return err
		}
	default:
	}
	if full || h.at < records[len(records)-1].Seq { // a batch that fails is taken in parts
		return nil
	}
	h.m.lag.WithLabelValues(h.name, h.source).Set(0)
	return h.wait(ctx, wake)
}

// load reads the cursor and checks that the log is the one it belongs to.
func (h *hearing) load(ctx context.Context) error {
	p, err := h.position(ctx, h.source)
	if errors.Is(err, sql.ErrNoRows) {
		head, err := h.from.Head(ctx)
		if err != nil {
			return err
		}
		if err := h.begin(ctx, h.source, head.Epoch); err != nil {
			return err
		}
		if p, err = h.position(ctx, h.source); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	h.m.parked.WithLabelValues(h.name, h.source).Set(float64(p.parked))
	h.saved, h.at, h.missed, h.due = p.Head, p.Seq, 0, nil
	h.heard.Store(h.at)
	if _, err := h.behind(ctx); err != nil {
		return err
	}
	h.known = true
	return nil
}

// behind is how many events of the log are ahead.
func (h *hearing) behind(ctx context.Context) (int64, error) {
	head, err := h.from.Head(ctx)
	if err != nil {
		return 0, err
	}
	if head.Epoch != h.saved.Epoch {
		return 0, fmt.Errorf("%w: epoch %s at %d, heard epoch %s to %d", ErrEpoch, head.Epoch, head.Seq, h.saved.Epoch, h.at)
	}
	if head.Seq < h.at {
		return 0, fmt.Errorf("%w: it ends at %d, heard to %d", ErrEpoch, head.Seq, h.at)
	}
	h.m.lag.WithLabelValues(h.name, h.source).Set(float64(head.Seq - h.at))
	return head.Seq - h.at, nil
}

// follow leaves out what came twice and insists that nothing is missing.
func (h *hearing) follow(records []Record) ([]Record, error) {
	next := h.at + 1
	fresh := records[:0]
	for _, r := range records {
		switch {
		case r.Epoch != h.saved.Epoch:
			return nil, fmt.Errorf("%w: event %d is of epoch %s, heard epoch %s", ErrEpoch, r.Seq, r.Epoch, h.saved.Epoch)
		case r.Seq > next:
			return nil, fmt.Errorf("%w: %d follows %d", ErrGap, r.Seq, next-1)
		case r.Seq == next:
			fresh = append(fresh, r)
			next++
		}
	}
	return fresh, nil
}

// idle looks whether something is lost, and waits for more.
func (h *hearing) idle(ctx context.Context, wake <-chan struct{}) error {
	n, err := h.behind(ctx)
	if err != nil {
		return err
	}
	if n > 0 { // they came after the read, or they are lost
		if h.missed++; h.missed > 1 {
			return fmt.Errorf("%w: nothing follows %d, and it ends at %d", ErrGap, h.at, h.at+n)
		}
		return nil
	}
	h.missed = 0
	return h.wait(ctx, wake)
}

// wait returns when there may be more.
func (h *hearing) wait(ctx context.Context, wake <-chan struct{}) error {
	timer := time.NewTimer(net)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-h.due:
		return h.save(ctx)
	case <-timer.C:
		h.known = h.at > h.saved.Seq // somebody may have set the cursor back
	}
	return nil
}

// save stores how far events that are not for this consumer were passed by.
func (h *hearing) save(ctx context.Context) error {
	if h.at == h.saved.Seq {
		return nil
	}
	return h.commit(ctx, h.at, nil, nil)
}
