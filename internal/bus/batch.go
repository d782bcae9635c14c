package bus

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// batchEvents is the most events of one record batch. The check of the outbox knows it, too.
const batchEvents = 1000

// told is an event on its way into the outbox.
type told struct {
	site            int64
	key, kind, body string
}

// lines is the body of a record batch: a line an event, of site, key, type and payload, parted by tabs. JSON holds neither tabs
// nor line ends as such, types are literals, and Tell refuses keys that do.
func lines(events []told) string {
	size := 0
	for _, e := range events {
		size += len(e.key) + len(e.kind) + len(e.body) + 23
	}
	var b strings.Builder
	b.Grow(size)
	var number [20]byte
	for i, e := range events {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.Write(strconv.AppendInt(number[:0], e.site, 10))
		b.WriteByte('\t')
		b.WriteString(e.key)
		b.WriteByte('\t')
		b.WriteString(e.kind)
		b.WriteByte('\t')
		b.WriteString(e.body)
	}
	return b.String()
}

// unroll appends the events of a record batch of n that ends at seq, but for those up to after. The payloads share the body.
func unroll(to []Record, body []byte, seq int64, n int, after int64, at time.Time, epoch string) ([]Record, error) {
	number := seq - int64(n)
	for line := range bytes.SplitSeq(body, []byte{'\n'}) {
		if number++; number <= after {
			continue
		}
		part := bytes.SplitN(line, []byte{'\t'}, 4)
		if len(part) != 4 {
			return nil, fmt.Errorf("event %d is no line of a record batch", number)
		}
		site, err := strconv.ParseInt(string(part[0]), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("event %d: site: %w", number, err)
		}
		to = append(to, Record{Seq: number, Site: site, Key: string(part[1]), Type: string(part[2]), Payload: part[3], At: at, Epoch: epoch})
	}
	if number != seq {
		return nil, fmt.Errorf("the record batch that ends at %d does not hold %d events", seq, n)
	}
	return to, nil
}
