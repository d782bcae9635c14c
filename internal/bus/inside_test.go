package bus

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
)

// These look inside the package.

func TestPatience(t *testing.T) {
	t.Parallel()
	var p patience
	said, total := 0, time.Duration(0)
	for total < 10*time.Minute {
		pause, say := p.next(time.Second)
		if pause > time.Second || pause <= 0 {
			t.Fatalf("a pause of %s", pause)
		}
		total += pause
		if say {
			said++
		}
	}
	if said < 8 || said > 11 {
		t.Errorf("said it %d times in ten minutes, want about once a minute", said)
	}
}

func TestWaves(t *testing.T) {
	t.Parallel()
	var records []Record
	for i, c := range strings.Fields("k:x l:x k:y l:x m:y k:x k:x l:y") {
		key, kind, _ := strings.Cut(c, ":")
		records = append(records, Record{Seq: int64(i), Key: key, Type: kind})
	}
	var got []string
	for _, g := range waves(records) {
		s := g.kind
		for _, r := range g.records {
			s += " " + r.Key
		}
		got = append(got, s)
	}
	if got, want := strings.Join(got, ", "), "x k l l, y m, y k l, x k k"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What is to be done ahead is done once, before the first handler, where a transaction calls more than one.
func TestAhead(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{"k:x l:x": "x", "k:x l:y": "ahead x y", "k:x k:y k:x": "ahead x y x"} {
		var got []string
		c := NewConsumer("shop", NewOutbox("shop", nil, nil, nil), zerolog.Nop(), prometheus.NewRegistry()).Ahead(func(context.Context, *Unit, []Record) error {
			got = append(got, "ahead")
			return nil
		})
		var records []Record
		for _, s := range strings.Fields(said) {
			key, kind, _ := strings.Cut(s, ":")
			records = append(records, Record{Key: key, Type: kind})
			c.handlers[kind] = func(context.Context, *Unit, []Record) error {
				got = append(got, kind)
				return nil
			}
		}
		if err := (&pass{Consumer: c, u: &Unit{}}).whole(t.Context(), records); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v, %v; want %s", said, got, err, want)
		}
	}
}

// Several logs and consumers share the families of one registry.
func TestMetricsShared(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	for _, name := range []string{"shop", "till"} {
		NewTable(name, nil, reg, zerolog.Nop()).news(7, 0)
		NewConsumer(name, NewOutbox(name, nil, nil, nil), zerolog.Nop(), reg)
	}
	if n := testutil.CollectAndCount(reg, "talkable_bus_head_seq"); n != 2 {
		t.Errorf("%d logs have a head, want 2", n)
	}
	newMetrics(nil)
}

func TestWake(t *testing.T) {
	t.Parallel()
	table := NewTable("shop", nil, nil, zerolog.Nop())
	wake := table.Wake()
	table.news(0, 0)
	select {
	case <-wake:
		t.Fatal("woken for nothing")
	default:
	}
	table.news(1, 0)
	select {
	case <-wake:
	default:
		t.Fatal("not woken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sleep(ctx, time.Hour)
}
