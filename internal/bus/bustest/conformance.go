// Package bustest holds the behaviours that every transport of the bus must show, and the small world they are shown in.
package bustest

import (
	"testing"

	"github.com/talkable/talkable/internal/bus"
)

// Transport makes what consumers read of a producer's log. For the in-process transport it is the table itself.
type Transport func(t testing.TB, producer *bus.Table) bus.Log

// Conformance runs all behaviours, once with producer and consumer in one database and once with a database for each.
func Conformance(t *testing.T, open Transport) {
	behaviours := []struct {
		name string
		run  func(t *testing.T, w *World)
	}{
		{"effects happen exactly once and in order of the key", exactlyOnce},
		{"types of one key keep their order", typesKeepOrder},
		{"types without a handler are passed by", foreignTypes},
		{"a batch that rolls back is applied again", rollback},
		{"what comes twice is applied once", duplicates},
		{"a gap stops the consumer", gap},
		{"a lost end stops the consumer", lostEnd},
		{"another epoch stops the consumer", epoch},
		{"a log that ends before the cursor stops the consumer", shorter},
		{"poison parks its key only", poisonParks},
		{"poison takes back what it told", poisonTells},
		{"a fault of kind Invalid is poison", invalid},
		{"a body that does not decode is poison", undecodable},
		{"a failure at the commit is traced to its event", commitFails},
		{"a panic is an error", panics},
		{"parked events are replayed in order", replay},
		{"a parked event can be given up", discard},
		{"too many parked events stop the consumer", tooMany},
		{"what is too early waits and is not parked", tooEarly},
		{"a database that is away is waited for", away},
		{"a projection is built anew from the start", rewind},
		{"two replicas share the work", replicas},
	}
	for _, layout := range []string{"one database", "two databases"} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			for _, b := range behaviours {
				t.Run(b.name, func(t *testing.T) {
					t.Parallel()
					shop := Database(t)
					till := shop
					if layout == "two databases" {
						till = Database(t)
					}
					b.run(t, NewWorld(t, shop, till, open))
				})
			}
		})
	}
}
