package bus

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is told comes back as it was, whichever event of the batch the reader begins after.
func TestBatch_comes_back(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) told {
			body, err := json.Marshal(map[string]string{"s": rapid.String().Draw(t, "body")})
			if err != nil {
				t.Fatal(err)
			}
			return told{rapid.Int64().Draw(t, "site"), rapid.StringMatching(`[^\t\n\x00]+`).Draw(t, "key"), "shop.sold.v1", string(body)}
		}), 1, 20).Draw(t, "events")
		n := len(events)
		first := rapid.Int64Range(1, 1<<40).Draw(t, "first")
		last := first + int64(n) - 1
		after := rapid.Int64Range(first-2, last).Draw(t, "after")
		at := time.Unix(1, 0)
		got, err := unroll(nil, []byte(lines(events)), last, n, after, at, "e")
		if err != nil {
			t.Fatal(err)
		}
		if want := min(last-after, int64(n)); int64(len(got)) != want {
			t.Fatalf("%d events, want %d", len(got), want)
		}
		for i, r := range got {
			e := events[n-len(got)+i]
			if r.Seq != last-int64(len(got)-1-i) || r.Site != e.site || r.Key != e.key || r.Type != e.kind || string(r.Payload) != e.body || r.At != at || r.Epoch != "e" {
				t.Fatalf("%+v came back as %+v", e, r)
			}
		}
	})
}

func TestBatch_that_is_none(t *testing.T) {
	t.Parallel()
	const good = "1\tk\tshop.sold.v1\t{}"
	for name, c := range map[string]struct {
		body string
		n    int
	}{
		"empty":          {"", 1},
		"three parts":    {"1\tk\tshop.sold.v1", 1},
		"no site":        {"x\tk\tshop.sold.v1\t{}", 1},
		"a line too few": {good, 2},
		"one too many":   {good + "\n" + good, 1},
	} {
		if got, err := unroll(nil, []byte(c.body), 10, c.n, 0, time.Time{}, ""); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzUnroll(f *testing.F) {
	f.Add([]byte("1\tk\tshop.sold.v1\t{}"), int64(1), 1)
	f.Fuzz(func(t *testing.T, body []byte, seq int64, n int) {
		got, err := unroll(nil, body, seq, n, seq-int64(n), time.Time{}, "")
		if err == nil && len(got) != strings.Count(string(body), "\n")+1 {
			t.Errorf("%d events of %q", len(got), body)
		}
	})
}
