package customer

import (
	"fmt"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/site"
)

// TestPasts: what was told before an origin and happened no later counts, of the person and of who was merged into them, and nothing of the twin site.
func TestPasts(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 2)
	ids := map[string]customerapi.Recorded{}
	tell := func(s site.Site, number, email string, subtotal int64, hours int, change func(*customerapi.Origin)) {
		o := purchase(number, email, subtotal)
		o.OccurredAt = noon.Add(time.Duration(hours) * time.Hour)
		if change != nil {
			change(&o)
		}
		r, err := b.Record(t.Context(), s, o)
		if err != nil {
			t.Fatal(err)
		}
		if s.ID == 1 {
			ids[number] = r
		}
	}
	in := func(segments ...string) func(*customerapi.Origin) {
		return func(o *customerapi.Origin) { copy(o.Segments[:], segments) }
	}
	for _, s := range []site.Site{b.a, b.b} {
		tell(s, "1", "a@example.com", 1000, -10, in("vip", "", "web"))
		tell(s, "2", "a@example.com", 500, -9, func(o *customerapi.Origin) { o.Currency = "JPY" })
		tell(s, "event", "a@example.com", 700, -8, func(o *customerapi.Origin) {
			o.Type, o.Category, o.Segments[0] = customerevent.Event, "review", "critic"
		})
		tell(s, "browser", "a@example.com", 9000, -7, func(o *customerapi.Origin) { o.Verified = false })
		tell(s, "3", "b@example.com", 300, -6, nil) // another person, for now
		tell(s, "4", "a@example.com", 2000, -5, nil)
		tell(s, "older", "a@example.com", 40, -20, nil) // told last
	}
	tell(b.b, "5", "a@example.com", 77_777, -5, in("twin"))
	amount := int64(250)
	b.clock.Move(-4 * time.Hour)
	if _, err := b.Refund(t.Context(), b.a, "1", Refund{Amount: &amount}); err != nil {
		t.Fatal(err)
	}
	ask := func(number string, hours int) string {
		t.Helper()
		out, err := b.Pasts(t.Context(), 1, []customerapi.Moment{{PersonID: 999, At: noon, Currency: "USD"},
			{PersonID: ids["1"].PersonID, OriginID: ids[number].ID, At: noon.Add(time.Duration(hours) * time.Hour), Currency: "USD"}})
		if err != nil || len(out) != 2 || out[0].Orders != 0 || len(out[0].Segments) != 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		p := out[1]
		text := fmt.Sprint(p.Orders, " ", p.Spent, "-", p.Refunded, " ", p.Segments)
		if p.Orders > 0 {
			text += fmt.Sprint(" ", p.FirstAt.Sub(noon).Hours(), " ", p.LastAt.Sub(noon).Hours())
		}
		return text
	}
	for _, c := range []struct {
		number string
		hours  int
		want   string
	}{
		{"1", -10, "0 0-0 [vip web]"}, // its own segments count
		{"2", -9, "1 1000-0 [vip web] -10 -10"},
		{"event", -8, "2 1000-0 [critic] -10 -9"},
		{"4", -5, "2 1000-0 [critic] -10 -9"}, // not the one that was told later, nor what a browser said, nor what others bought
		{"older", -20, "0 0-0 []"},
		{"", 0, "4 2790-250 [critic] -20 -5"},
	} {
		if got := ask(c.number, c.hours); got != c.want {
			t.Errorf("%s: got %s, want %s", c.number, got, c.want)
		}
	}
	made := b.merges(b.a, "a@example.com", "b@example.com")
	if got, want := ask("", 0), "5 3090-250 [critic] -20 -5"; got != want {
		t.Errorf("merged: got %s, want %s", got, want)
	}
	if b.undoes(b.a, made.ID); ask("", 0) != "4 2790-250 [critic] -20 -5" {
		t.Errorf("parted: got %s", ask("", 0))
	}
}
