package web_test

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

type place struct {
	At time.Time `json:"at"`
	ID int64     `json:"id"`
	S  string    `json:"s"`
}

var cursors = web.NewCursors([]byte("the secret of all replicas"))

func refused(t testing.TB, what string, ok bool, err error) {
	t.Helper()
	if f, _ := fault.Of(err); ok || !fault.Is(err, fault.Invalid) || f.Code != "invalid_cursor" || len(f.Fields) != 1 || f.Fields[0].Pointer != "query.cursor" {
		t.Errorf("%s: %v, %v; want a fault", what, ok, err)
	}
}

func TestCursors_round_trip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := place{time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "at")).UTC(), rapid.Int64().Draw(t, "id"), strings.ToValidUTF8(rapid.String().Draw(t, "s"), "")}
		site, list := rapid.Int64().Draw(t, "site"), rapid.String().Draw(t, "list")
		c := cursors.Encode(site, list, sent)
		var got place
		if ok, err := cursors.Decode(site, list, c, &got); len(c) <= 1024 && (!ok || err != nil || !reflect.DeepEqual(got, sent)) {
			t.Fatalf("got %v, %v, %v; want %v", got, ok, err, sent)
		}
		if strings.ContainsAny(c, "+/=%& ") {
			t.Fatalf("%q has to be escaped in a query", c)
		}
	})
}

func TestCursors_refuse_what_they_did_not_give(t *testing.T) {
	sent := place{ID: 7}
	c := cursors.Encode(1, "entries", sent)
	try := func(what string, site int64, list, cursor string) {
		t.Helper()
		got := place{ID: 99}
		ok, err := cursors.Decode(site, list, cursor, &got)
		refused(t, what, ok, err)
		if got.ID != 99 {
			t.Errorf("%s: left %v behind", what, got)
		}
	}
	try("another site's", 2, "entries", c)
	try("another list's", 1, "people", c)
	try("another list's with the site in its name", 11, "entries", cursors.Encode(1, "1\x00entries", sent))
	try("another secret's", 1, "entries", web.NewCursors([]byte("another")).Encode(1, "entries", sent))
	try("doubled", 1, "entries", c+c)
	try("padded", 1, "entries", c+"=")
	try("long", 1, "entries", strings.Repeat("A", 1<<20))
	for i := range c {
		try("cut off", 1, "entries", c[i:][:max(1, len(c)-i-1)])
		for _, b := range []byte("A_-z9") {
			if edited := c[:i] + string(b) + c[i+1:]; edited != c {
				try("edited", 1, "entries", edited)
			}
		}
	}
	got := place{ID: 99}
	if ok, err := cursors.Decode(1, "entries", "", &got); ok || err != nil || got.ID != 99 {
		t.Errorf("none: %v, %v, %v", ok, err, got)
	}
	var other struct{ ID string }
	ok, err := cursors.Decode(1, "entries", c, &other)
	refused(t, "one of an older release, of another shape", ok, err)
}

func FuzzDecode(f *testing.F) {
	sent := place{ID: 7, S: "x"}
	good := cursors.Encode(1, "entries", sent)
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "A", "====", "\x00", "é", good, good[1:], good + "A", good[:16], strings.ToLower(good),
		base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString([]byte(`{"id":7}`))} {
		f.Add(int64(1), "entries", seed)
		f.Add(int64(2), "people", seed)
	}
	f.Fuzz(func(t *testing.T, site int64, list, cursor string) {
		var got place
		ok, err := cursors.Decode(site, list, cursor, &got)
		switch {
		case cursor == "":
			if ok || err != nil {
				t.Errorf("none: %v, %v", ok, err)
			}
		case ok: // nobody guesses a signature
			if site != 1 || list != "entries" || !reflect.DeepEqual(got, sent) || err != nil {
				t.Errorf("%d, %q, %q: %v, %v", site, list, cursor, got, err)
			}
		default:
			refused(t, cursor, ok, err)
		}
		given := json.RawMessage(`{"id":1}`)
		var back json.RawMessage
		if ok, err := cursors.Decode(site, list, cursors.Encode(site, list, given), &back); !ok || err != nil || string(back) != string(given) {
			t.Errorf("%d, %q: %s, %v, %v", site, list, back, ok, err)
		}
	})
}
