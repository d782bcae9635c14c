package bustest

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
)

// Feed is a log in memory, for tests of what a module hears: no producer is needed.
type Feed struct {
	mu      sync.Mutex
	records []bus.Record
	wake    chan struct{}
}

const feedEpoch = "5b0b8e04-feed-4000-8000-000000000000"

// Tell appends an event.
func (f *Feed) Tell(t testing.TB, at time.Time, site int64, key string, body bus.Payload) {
	t.Helper()
	payload, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.records = append(f.records, bus.Record{Seq: int64(len(f.records)) + 1, Site: site, Key: key, Type: body.EventType(),
		Payload: payload, At: at, Epoch: feedEpoch})
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}

// From implements bus.Log.
func (f *Feed) From(_ context.Context, seq int64, n int) ([]bus.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := int64(len(f.records))
	seq = min(seq, end)
	return append([]bus.Record(nil), f.records[seq:min(seq+int64(n), end)]...), nil
}

// Head implements bus.Log.
func (f *Feed) Head(context.Context) (bus.Head, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bus.Head{Epoch: feedEpoch, Seq: int64(len(f.records))}, nil
}

// Wake implements bus.Log.
func (f *Feed) Wake() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wake == nil {
		f.wake = make(chan struct{})
	}
	return f.wake
}

// Deliver lets c hear all of source's log, stops it, and fails the test if anything was parked.
func Deliver(t testing.TB, c *bus.Consumer, source string, log bus.Log) {
	t.Helper()
	_, stop := Go(t, func(ctx context.Context) error { return c.Run(ctx, source, log) })
	defer stop()
	head, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	Wait(t, "all is heard", func() bool {
		at, err := c.Cursor(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		return at >= head.Seq
	})
	parked, err := c.Parked(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parked {
		t.Errorf("parked: %s %d of %s, key %s: %s", p.Type, p.Seq, p.Source, p.Key, p.Error)
	}
}

// Told reads what the module of a schema told in committed transactions, in the order of telling, whether it was moved into the
// log or not. db is a pool of the owner (role ""), for the module itself cannot read its outbox.
func Told(t testing.TB, db *sqlx.DB, schema string) []bus.Record {
	t.Helper()
	rows, err := db.Query(strings.ReplaceAll(`
		select seq, site, key, type, payload, at from {schema}.event
		union all
		select (select seq from {schema}.head) + row_number() over (order by id, i), site, key, type, payload, at from {schema}.waiting
		order by 1`, "{schema}", schema))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []bus.Record
	for rows.Next() {
		var r bus.Record
		if err := rows.Scan(&r.Seq, &r.Site, &r.Key, &r.Type, (*[]byte)(&r.Payload), &r.At); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
