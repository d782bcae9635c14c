package customer

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
)

// TestMergeRaces: of two who merge the same person at once one wins, nobody goes round in a circle, and an order that comes at the same moment is somebody's.
func TestMergeRaces(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 8)
	for _, name := range []string{"a", "b", "c"} {
		b.update(b.a, name+"@example.com", customerapi.PersonUpdate{})
	}
	for round := range 6 {
		gate := make(chan struct{})
		var wg sync.WaitGroup
		var mu sync.Mutex
		var won []mergeView
		for _, pair := range [][2]string{{"a", "b"}, {"b", "a"}, {"c", "b"}, {"b", "c"}, {"a", "c"}} {
			wg.Go(func() {
				<-gate
				out, _, err := b.merge(t.Context(), wanted{site: 1, survivor: whom{place: "/survivor", slug: pair[0] + "@example.com"},
					duplicate: whom{place: "/duplicate", slug: pair[1] + "@example.com"}, reason: "r"})
				if _, refused := fault.Of(err); err != nil && !refused {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					won = append(won, out)
					mu.Unlock()
				}
			})
		}
		for i := range 4 {
			wg.Go(func() {
				<-gate
				if _, err := b.Record(t.Context(), b.a, purchase(fmt.Sprint(round, "-", i), string("abc"[i%3])+"@example.com", 100)); err != nil {
					t.Error(err)
				}
			})
		}
		close(gate)
		wg.Wait()
		var wrong int
		if err := b.admin().Get(&wrong, `select count(*) from customer.person d join customer.person s on s.site_id = d.site_id and s.id = d.merged_into where s.merged_into is not null`); err != nil || wrong > 0 || len(won) == 0 {
			t.Fatalf("%d lead on, %d won, %v", wrong, len(won), err)
		}
		var counted, bought int64
		if err := b.admin().QueryRow(`select (select sum(purchases) from customer.person where merged_into is null), (select count(*) from customer.origin)`).Scan(&counted, &bought); err != nil || counted != bought {
			t.Errorf("%d purchases are counted of %d, %v", counted, bought, err)
		}
		for _, m := range won {
			b.undoes(b.a, m.ID)
		}
		if err := b.admin().QueryRow(`select (select sum(purchases) from customer.person), (select count(*) from customer.merge_side)`).Scan(&counted, &wrong); err != nil || counted != bought || wrong > 0 {
			t.Errorf("parted, %d purchases are counted of %d, %d sides are left, %v", counted, bought, wrong, err)
		}
	}
}

// TestMergeSuggestions: an order that names two persons goes by its e-mail, as ever, and the pair is kept once, until it is merged.
func TestMergeSuggestions(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	order := func(number, email, customerID string) {
		in := purchase(number, email, 100)
		in.Person.CustomerID = customerID
		b.must(in)
	}
	order("1", "ann@example.com", "c-1")
	order("2", "bob@example.com", "c-2")
	order("3", "ann@example.com", "c-2")
	order("4", "bob@example.com", "c-1")
	order("5", "ann@example.com", "c-2")
	order("6", "new@example.com", "c-1") // has changed its address
	if status, body := b.get(b.a, "/api/v2/people/merge_suggestions"); status != 200 || body != `{"ok":true,"result":{"suggestions":[{"id":1,"person_by_email":1,"person_by_customer_id":2,`+
		`"order_number":"3","suggested_at":"2026-03-01T12:00:00Z"}],"next_cursor":null}}` {
		t.Errorf("%d %s", status, body)
	}
	b.merges(b.a, "bob@example.com", "new@example.com")
	for path, want := range map[string]string{"/api/v2/people/merge_suggestions": `{"ok":true,"result":{"suggestions":[],"next_cursor":null}}`,
		"/api/v2/people/merges?limit=1": `{"ok":true,"result":{"merges":[{"id":1,"survivor_id":2,"duplicate_id":1,"status":"merged","reason":"one person","key_id":3,"lent":[],"purchases_count":4,` +
			`"events_count":0,"merged_at":"2026-03-01T12:00:00Z","undone":null}],"next_cursor":null}}`} {
		if status, body := b.get(b.a, path); status != 200 || body != want {
			t.Errorf("%d %s", status, body)
		}
		if status, body := b.get(b.b, path); status != 200 || strings.Contains(body, `"id":1`) {
			t.Errorf("the twin: %d %s", status, body)
		}
	}
}
