package bus

import (
	"context"
	"slices"
	"sync"
)

const (
	tailRecords = 4096
	tailBytes   = 8 << 20
)

// tail is the end of a log in memory: what one consumer of the process has read of the table, the others get from here. It holds
// what was read in one piece and in one epoch, and nothing that its table didn't return, so it is never ahead of a commit.
type tail struct {
	turn chan struct{} // held by the one who reads the table for all

	mu      sync.Mutex
	records []Record
	bytes   int
	emptied int
}

// reach returns up to n records after seq, and the last number that is held; false: seq lies outside.
func (t *tail) reach(seq int64, n int) (records []Record, last int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.records) == 0 {
		return nil, 0, false
	}
	first, last := t.records[0].Seq, t.records[len(t.records)-1].Seq
	if seq < first-1 || seq > last {
		return nil, last, false
	}
	from := int(seq - first + 1)
	return slices.Clone(t.records[from:min(from+n, len(t.records))]), last, true
}

// times counts how often it was emptied: what was read before the last of them may belong to another log.
func (t *tail) times() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.emptied
}

// add holds what was read after seq, unless the tail was emptied since. Records after a hole replace it.
func (t *tail) add(seq int64, fresh []Record, emptied int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if emptied != t.emptied {
		return false
	}
	if len(fresh) == 0 {
		return true
	}
	for i, r := range fresh {
		if r.Seq != seq+1+int64(i) || r.Epoch != fresh[0].Epoch {
			t.empty()
			return false
		}
	}
	if n := len(t.records); n > 0 && (t.records[n-1].Seq != seq || t.records[n-1].Epoch != fresh[0].Epoch) {
		t.empty()
	}
	t.records = append(t.records, fresh...)
	for _, r := range fresh {
		t.bytes += r.size()
	}
	drop := 0
	for len(t.records)-drop > tailRecords || t.bytes > tailBytes {
		t.bytes -= t.records[drop].size()
		drop++
	}
	clear(t.records[:drop])
	t.records = t.records[drop:]
	return true
}

func (r *Record) size() int { return len(r.Payload) + len(r.Key) + len(r.Type) + 128 }

// check empties the tail when the log is not the one that it was read from.
func (t *tail) check(head Head) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.records); n > 0 && (head.Seq < t.records[n-1].Seq || head.Epoch != "" && head.Epoch != t.records[n-1].Epoch) {
		t.empty()
	}
}

func (t *tail) empty() {
	t.records, t.bytes = nil, 0
	t.emptied++
}

// From implements Log. A reader near the end gets what another has read before; one that is far behind reads for itself.
func (t *Table) From(ctx context.Context, seq int64, n int) ([]Record, error) {
	if records, ok := t.held(seq, n); ok {
		return records, nil
	}
	if _, last, ok := t.tail.reach(seq, 0); !ok && seq < last {
		return t.stored(ctx, seq, n)
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case t.tail.turn <- struct{}{}:
	}
	defer func() { <-t.tail.turn }()
	if records, ok := t.held(seq, n); ok { // whoever had the turn has read it
		return records, nil
	}
	emptied := t.tail.times()
	after := seq
	if _, last, ok := t.tail.reach(seq, 0); ok {
		after = last
	}
	fresh, err := t.page(ctx, after)
	if err != nil {
		return nil, err
	}
	if t.tail.add(after, fresh, emptied) {
		if records, _, ok := t.tail.reach(seq, n); ok {
			return records, nil
		}
		if len(fresh) == 0 { // and nothing is held
			return nil, nil
		}
	}
	return t.stored(ctx, seq, n)
}

// held answers from memory, if that is all there is as far as we know.
func (t *Table) held(seq int64, n int) ([]Record, bool) {
	t.mu.Lock()
	seen, runs := t.seen, t.runs
	t.mu.Unlock()
	if runs && seq == seen {
		return nil, true
	}
	records, last, ok := t.tail.reach(seq, n)
	return records, ok && (len(records) == n || runs && last >= seen)
}

// stored answers from the table.
func (t *Table) stored(ctx context.Context, seq int64, n int) ([]Record, error) {
	var records []Record
	for len(records) < n {
		more, err := t.page(ctx, seq+int64(len(records)))
		if err != nil {
			return nil, err
		}
		if len(more) == 0 {
			break
		}
		records = append(records, more...)
	}
	return records[:min(n, len(records))], nil
}
