package customer

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/site"
)

// TestBatches: however requests are cut into batches, the end is that of one by one.
func TestBatches(t *testing.T) {
	t.Parallel()
	one, many := newBundle(t, 1), newBundle(t, 1)
	siteID := int64(0)
	rapid.Check(t, func(t *rapid.T) {
		siteID++ // a site of its own for each round
		s := site.Site{ID: siteID, Currency: "USD"}
		mark := func(name string, of []string) string { return rapid.SampledFrom(append(of, "")).Draw(t, name) }
		gen := rapid.Custom(func(t *rapid.T) customerapi.Origin {
			in := customerapi.Origin{
				Type:     rapid.SampledFrom([]string{customerevent.Purchase, customerevent.Purchase, customerevent.Event, customerevent.AffiliateMember}).Draw(t, "type"),
				Number:   rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "number"),
				Category: "c", Subtotal: rapid.Int64Range(1, 2).Draw(t, "subtotal"), Verified: rapid.IntRange(0, 3).Draw(t, "verified") > 0,
				Person: customerapi.Identity{Email: mark("email", []string{"a@x.co", "b@x.co", "c@x.co"}), CustomerID: mark("id", []string{"1", "2"}),
					Phone: mark("phone", []string{"+12025550001", "+12025550002"}), Username: mark("username", []string{"u", "v"}),
					FirstName: mark("first", []string{"Ann", "Bob"})},
			}
			if p := mark("property", []string{"x", "y"}); p != "" {
				in.Person.CustomProperties = map[string]string{"p": p}
			}
			if v := mark("visitor", []string{visitor1, visitor2}); v != "" {
				in.Visitors = []string{v}
			}
			if rapid.Bool().Draw(t, "items") {
				in.Items = []customerapi.Item{{ProductID: "sku", Price: 1, Quantity: 1}}
			}
			return in
		})
		in := rapid.SliceOfN(gen, 1, 24).Draw(t, "requests")
		var alone []string
		for _, o := range in {
			out, err := one.RecordAll(context.Background(), s, []customerapi.Origin{o})
			if err != nil {
				t.Fatal(err)
			}
			alone = append(alone, outcome(out[0]))
		}
		var together []string
		for rest := in; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
			out, err := many.RecordAll(context.Background(), s, rest[:n])
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range out {
				together = append(together, outcome(r))
			}
			rest = rest[n:]
		}
		for i := range in {
			if alone[i] != together[i] {
				t.Fatalf("request %d: alone %s, together %s", i, alone[i], together[i])
			}
		}
	})
	if got, want := many.state(), one.state(); got != want {
		t.Errorf("together\n%s\nalone\n%s", got, want)
	}
}

// outcome is an answer without ids.
func outcome(a answer) string {
	a.Value.ID, a.Value.PersonID = 0, 0
	return fmt.Sprintf("%+v %v", a.Value, a.Err)
}
