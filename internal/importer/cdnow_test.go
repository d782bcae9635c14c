package importer_test

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/importer"
)

func TestCDNOW(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.o.Name = "cdnow"
	text := " customer_id  date number_of_cds  dollar_value\r\n 00001 19970101  1   11.77\r\n 00002 19970112  1   12.00\r\n 00002 19970112  1   12.00\r\n" +
		" 00002 19970112  5   0.00\r\n 00003 19970230  1 1.00\r\n 00003 19970102\r\n"
	s := b.purchases(text)
	if s.Format != importer.CDNOW || s.New != 4 || s.Failed != 2 || s.Sum["USD"] != 3577 {
		t.Errorf("got %+v\n%s", s, b.wrong.String())
	}
	o := b.origin("cdnow-000001")
	if o.CustomerID != "00001" || o.Email != "" || o.OccurredAt.In(b.o.Site.Zone).Format(time.DateOnly) != "1997-01-01" {
		t.Errorf("got %+v", o)
	}
}

// TestRealHistory takes in the whole of CDNOW's purchases, where they are.
func TestRealHistory(t *testing.T) {
	const path = "../../../shared/data/cdnow.txt"
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Logf("THE REAL PURCHASE HISTORY IS NOT THERE (%s): only its first lines were tried, in TestCDNOW", path)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b := newBundle(t)
	b.o.Name = "cdnow"
	for round, want := range []importer.Summary{{Read: 69659, New: 69659}, {Read: 69659, Unchanged: 69659}} {
		var most uint64
		b.o.Progress = func(p importer.Progress) {
			if p.Rows%20000 == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
		began := time.Now()
		got, err := importer.Purchases(t.Context(), b, file, b.o)
		took := time.Since(began)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %.1f s, %.0f rows/s, heap at most %d KiB", round+1, took.Seconds(), float64(got.Read)/took.Seconds(), most>>10)
		if got.Read != want.Read || got.New != want.New || got.Unchanged != want.Unchanged || got.Failed != 0 || got.Sum["USD"] != 250031563 {
			t.Errorf("round %d: got %+v\n%.500s", round+1, got, b.wrong.String())
		}
		if b.count("origin") != 69659 || b.count("person") != 23570 {
			t.Errorf("round %d: %d origins of %d persons", round+1, b.count("origin"), b.count("person"))
		}
	}
	var told int64
	if err := b.admin.Get(&told, `select count(*) from customer.waiting where type = 'customer.origin_recorded.v1'`); err != nil || told != 69659 {
		t.Errorf("%d origins told, %v", told, err)
	}
	var first int64
	if err := b.admin.Get(&first, `select count(*) from customer.waiting where payload->>'first_purchase' = 'true'`); err != nil || first != 23570 {
		t.Errorf("%d first purchases, %v", first, err)
	}
}
