package bus

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/postgres"
)

const (
	partition = 1_000_000 // events of the log to one of its partitions
	moveLimit = 1000      // events of one move
	readLimit = 1000      // events of one read, at least
)

// Table is the transport within a process: the producer's own log, the sequencer that fills it, and the wake-up of those who
// read it. Every replica has one and runs it.
type Table struct {
	schema string
	db     *sqlx.DB
	log    zerolog.Logger
	poll   time.Duration
	size   int64 // events of a partition
	limit  int   // events of one move
	keep   *Retention
	m      *metrics
	kick   chan struct{}

	sequence, read *statement

	tail tail

	mu    sync.Mutex
	seen  int64 // the head, as far as we know
	noted int
	runs  bool
	wake  chan struct{}
}

// NewTable makes the log of the module that owns schema. db is that module's pool.
func NewTable(schema string, db *sqlx.DB, reg prometheus.Registerer, log zerolog.Logger) *Table {
	return &Table{
		schema: schema, db: db, log: log.With().Str("log", schema).Logger(),
		poll: 200 * time.Millisecond, size: partition, limit: moveLimit,
		m: newMetrics(reg), kick: make(chan struct{}, 1), wake: make(chan struct{}),
		tail:     tail{turn: make(chan struct{}, 1)},
		sequence: prepared(db, `select moved, last from `+schema+`.sequence($1)`),
		// The bound from above keeps a plan for any numbers within few partitions; the limit, a literal, tells the planner that
		// such a plan is as good as one for these numbers, which would be made anew each time.
		read: prepared(db, `
			select l.seq, l.at, l.n, l.body, h.epoch
			from `+schema+`.log l cross join `+schema+`.head h
			where l.seq > $1 and l.seq <= $2
			order by l.seq limit `+strconv.Itoa(readLimit)),
	}
}

// Kick says that something was committed. It never blocks.
func (t *Table) Kick() {
	select {
	case t.kick <- struct{}{}:
	default: // a kick that waits already will see it
	}
}

// Wake implements Log.
func (t *Table) Wake() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wake
}

// notes counts what became known of the head. Take it before asking for the head, and give it to note.
func (t *Table) notes() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.noted
}

// note takes in where the head is, and wakes the readers when that is news. A head that lies before the known one is an old
// answer if another was noted since the question; else the log was restored.
func (t *Table) note(head Head, notes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if head.Seq < t.seen && notes != t.noted {
		return
	}
	t.tail.check(head)
	if head.Seq != t.seen {
		t.seen = head.Seq
		t.noted++
		close(t.wake)
		t.wake = make(chan struct{})
	}
}

// news takes in what a move said of the head.
func (t *Table) news(head int64, notes int) {
	t.m.head.WithLabelValues(t.schema).Set(float64(head))
	t.note(Head{Seq: head}, notes)
}

// running says whether the sequencer runs here: only then what is known of the head is never old for long.
func (t *Table) running(yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs = yes
}

// known is the head as far as we know.
func (t *Table) known() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

// page reads what follows seq, in whole record batches: readLimit events and some, fewer only when there are no more.
func (t *Table) page(ctx context.Context, seq int64) ([]Record, error) {
	rows, err := t.read.rows(ctx, seq, seq+readLimit+batchEvents)
	if err != nil {
		return nil, fmt.Errorf("read log %s: %w", t.schema, err)
	}
	defer rows.Close()
	var records []Record
	for rows.Next() {
		var (
			last  int64
			n     int
			at    time.Time
			body  []byte
			epoch string
		)
		err := rows.Scan(&last, &at, &n, &body, &epoch)
		if err == nil {
			records, err = unroll(records, body, last, n, seq, at, epoch)
		}
		if err != nil {
			return nil, fmt.Errorf("read log %s: %w", t.schema, err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read log %s: %w", t.schema, err)
	}
	if len(records) == 0 && t.known() > seq { // there are some: this session doesn't see their partition
		_ = rows.Close()
		_ = postgres.Discard(ctx, t.db)
	}
	return records, nil
}

// Head implements Log.
func (t *Table) Head(ctx context.Context) (Head, error) {
	var h Head
	notes := t.notes()
	err := t.db.QueryRowContext(ctx, `select epoch, seq from `+t.schema+`.head`).Scan(&h.Epoch, &h.Seq)
	if err != nil {
		return Head{}, fmt.Errorf("head of log %s: %w", t.schema, err)
	}
	t.note(h, notes)
	return h, nil
}
