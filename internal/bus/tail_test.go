package bus

import (
	"encoding/json"
	"testing"
)

func numbered(epoch string, from, to int64) []Record {
	var records []Record
	for seq := from; seq <= to; seq++ {
		records = append(records, Record{Seq: seq, Epoch: epoch, Payload: json.RawMessage(`{}`)})
	}
	return records
}

func TestTail(t *testing.T) {
	t.Parallel()
	var l tail
	expect := func(what string, seq int64, n int, want ...int64) { // none: outside; one: empty; two: first and last
		t.Helper()
		records, _, ok := l.reach(seq, n)
		if ok != (len(want) > 0) || ok && (len(records) == 0) != (len(want) == 1) {
			t.Errorf("%s: got %d records, held %t; want %v", what, len(records), ok, want)
		} else if len(want) == 2 && (records[0].Seq != want[0] || records[len(records)-1].Seq != want[1]) {
			t.Errorf("%s: got %d to %d, want %v", what, records[0].Seq, records[len(records)-1].Seq, want)
		}
	}
	expect("nothing was read", 0, 10)
	l.add(100, numbered("a", 101, 110), 0)
	l.add(110, numbered("a", 111, 120), 0)
	expect("before it", 99, 10)
	expect("all of it", 100, 500, 101, 120)
	expect("a part", 105, 5, 106, 110)
	expect("its end", 120, 5, 0)
	expect("past its end", 121, 5)

	l.add(200, numbered("a", 201, 203), 0)
	expect("before a hole", 110, 10)
	expect("after a hole", 200, 10, 201, 203)

	emptied := l.times()
	l.check(Head{Epoch: "a", Seq: 203})
	expect("the same log", 200, 10, 201, 203)
	l.check(Head{Epoch: "b", Seq: 300})
	expect("another epoch", 200, 10)
	if l.add(203, numbered("a", 204, 205), emptied) {
		t.Error("what was read before the epoch changed is held")
	}
	l.add(0, numbered("b", 1, 10), l.times())
	l.check(Head{Seq: 9})
	expect("a log that is shorter", 0, 10)

	if l.add(0, append(numbered("b", 1, 3), numbered("b", 5, 6)...), l.times()) {
		t.Error("a gap is held")
	}
	for seq := int64(0); seq < 3*tailRecords; seq += 1000 {
		l.add(seq, numbered("b", seq+1, seq+1000), l.times())
	}
	if n := len(l.records); n != tailRecords {
		t.Errorf("%d records are held, want %d", n, tailRecords)
	}
	big := numbered("b", 1, 3)
	for i := range big {
		big[i].Payload = make([]byte, tailBytes/2)
	}
	l.add(0, big, l.times())
	if n := len(l.records); n != 1 {
		t.Errorf("%d big records are held, want 1", n)
	}
	mine, _, _ := l.reach(2, 1)
	mine[0].Seq = 7
	expect("a caller's slice is its own", 2, 1, 3, 3)
}
