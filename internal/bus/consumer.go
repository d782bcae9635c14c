package bus

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Handler applies a batch of events of one type to its module's schema, in the unit of work that also moves the cursor. The
// batch has 1 to 500 events in the log's order, several of one key among them. It may be called again with the same events
// after a rollback, so it changes nothing but the database, and it asks no clock but the unit's.
type Handler[T Payload] func(ctx context.Context, u *Unit, batch []Event[T]) error

// Consumer applies what other modules tell to its own module's schema.
type Consumer struct {
	name     string
	outbox   *Outbox
	log      zerolog.Logger
	m        *metrics
	handlers map[string]apply
	limit    int // most parked events of one source
	cas      string
	leisure  time.Duration
	ahead    apply    // nil: nothing is done ahead
	heard    sync.Map // source → *atomic.Int64: how far this process has read and applied
}

// apply is a handler without its type.
type apply func(ctx context.Context, u *Unit, records []Record) error

// NewConsumer makes the consumer of a module; name is the module's. Its cursors and parked events are in the outbox's schema.
func NewConsumer(name string, outbox *Outbox, log zerolog.Logger, reg prometheus.Registerer) *Consumer {
	return &Consumer{
		name: name, outbox: outbox, log: log.With().Str("consumer", name).Logger(),
		m: newMetrics(reg), handlers: map[string]apply{}, limit: 1000,
		cas: `
			update ` + outbox.schema + `.cursor set seq = $5
			where name = $1 and source = $2 and seq = $3 and epoch = $4
			returning parked`,
	}
}

// Leisurely lets events gather for d between batches that follow closely on each other: for what nobody waits for, as a count or a
// mail. A lone event is still applied at once.
func (c *Consumer) Leisurely(d time.Duration) *Consumer {
	c.leisure = d
	return c
}

// Ahead says what is done before the first handler of a transaction that has work for several calls of handlers. Each locks what it needs in the module's
// order; the second of them, that begins anew, would lock what comes first in that order after what the first has locked last.
func (c *Consumer) Ahead(do func(ctx context.Context, u *Unit, records []Record) error) *Consumer {
	c.ahead = do
	return c
}

// On says who handles the events of type T. All handlers are given before Run. Events of other types are passed by.
func On[T Payload](c *Consumer, h Handler[T]) {
	var zero T
	kind := zero.EventType()
	if _, ok := c.handlers[kind]; ok {
		panic("bus: " + c.name + " has two handlers of " + kind)
	}
	c.handlers[kind] = func(ctx context.Context, u *Unit, records []Record) error {
		batch := make([]Event[T], len(records))
		for i, r := range records {
			batch[i] = Event[T]{Seq: r.Seq, Site: r.Site, Key: r.Key, At: r.At}
			if err := json.Unmarshal(r.Payload, &batch[i].Body); err != nil {
				return Poison(fmt.Errorf("decode %s %d: %w", kind, r.Seq, err))
			}
		}
		return h(ctx, u, batch)
	}
}

// Sources lists the modules that are heard: the first words of the types.
func (c *Consumer) Sources() []string {
	sources := map[string]bool{}
	for kind := range c.handlers {
		source, _, _ := strings.Cut(kind, ".")
		sources[source] = true
	}
	return slices.Sorted(maps.Keys(sources))
}

// call runs one handler. A panic is an error like any other.
func (c *Consumer) call(ctx context.Context, u *Unit, kind string, records []Record) (err error) {
	timer := prometheus.NewTimer(c.m.seconds.WithLabelValues(c.name, kind))
	defer timer.ObserveDuration()
	defer func() {
		if v := recover(); v != nil {
			c.log.Error().Str("type", kind).Interface("panic", v).Bytes("stack", debug.Stack()).Msg("handler panicked")
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	handle, ok := c.handlers[kind]
	if !ok { // only an event that was parked by an older version can be such
		return fmt.Errorf("no handler of %s", kind)
	}
	if err := handle(ctx, u, records); err != nil {
		return err
	}
	return u.err
}
