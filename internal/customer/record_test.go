package customer

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
)

const (
	visitor1 = "0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b"
	visitor2 = "0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6c"
)

func TestRecord(t *testing.T) {
	t.Parallel()

	t.Run("a purchase is kept and told with its person", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		in := purchase("100011", "Ann@Example.COM", 10044)
		in.Person.FirstName, in.Person.CustomProperties = "Ann", map[string]string{"vip": "yes"}
		in.Visitors = []string{strings.ToUpper(visitor1), visitor1}
		in.CouponCodes = []string{"A", "B"}
		in.Items = []customerapi.Item{{ProductID: "sku", Price: 10044, Quantity: 1}}
		got := b.must(in)
		if got.ID == 0 || got.PersonID == 0 || got.Email != "Ann@Example.COM" || got.Subtotal != 10044 || got.Currency != "USD" || !got.OccurredAt.Equal(noon) {
			t.Errorf("got %+v", got)
		}
		people := toldOf[customerevent.PersonChanged](b)
		if len(people) != 1 || people[0].Email != "Ann@Example.COM" || people[0].FirstName != "Ann" {
			t.Errorf("told of people %+v", people)
		}
		origins := toldOf[customerevent.OriginRecorded](b)
		if len(origins) != 1 || !origins[0].FirstPurchase || !origins[0].Verified || origins[0].VisitorIDs[0] != visitor1 || len(origins[0].VisitorIDs) != 1 {
			t.Errorf("told of origins %+v", origins)
		}
		p, err := b.Person(t.Context(), 1, "ann@example.com")
		if err != nil || p.EventsCount != 1 || p.CustomProperties["vip"] != "yes" {
			t.Errorf("got %+v, %v", p, err)
		}
		var linked int64
		if err := b.admin().Get(&linked, `select person_id from customer.visitor where site_id = 1 and uuid = $1`, visitor1); err != nil || linked != p.ID {
			t.Errorf("the visitor is linked to %d, %v", linked, err)
		}
	})

	t.Run("the same again changes nothing, other data is refused and leaves nothing", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		first := b.must(purchase("1", "a@example.com", 100))
		before := b.state()
		b.clock.Move(time.Hour)
		again := b.must(purchase("1", "A@example.com", 100))
		if !again.Existing || again.ID != first.ID || b.state() != before {
			t.Errorf("got %+v\n%s\nwant\n%s", again, b.state(), before)
		}
		_, err := b.Record(t.Context(), b.a, purchase("1", "a@example.com", 101))
		f := wantFault(t, err, fault.Invalid, "duplicate_entity")
		if f.Detail != "Duplicate entity: Talkable already has existing Purchase with the same order_number but different data\n" {
			t.Errorf("got %q", f.Detail)
		}
		_, err = b.Record(t.Context(), b.a, purchase("1", "stranger@example.com", 100))
		wantFault(t, err, fault.Invalid, "duplicate_entity")
		if b.state() != before {
			t.Error("a refused order left something behind")
		}
	})

	t.Run("events are unique within their category", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		in := customerapi.Origin{Type: customerevent.Event, Category: "newsletter", Number: "1", Verified: true}
		one := b.must(in)
		in.Category = "poll"
		two := b.must(in)
		if one.ID == two.ID || one.PersonID != 0 {
			t.Errorf("got %+v and %+v", one, two)
		}
		in.Subtotal = 5
		_, err := b.Record(t.Context(), b.a, in)
		if f := wantFault(t, err, fault.Invalid, "duplicate_entity"); !strings.Contains(f.Detail, "existing Event with the same event_number") {
			t.Errorf("got %q", f.Detail)
		}
		if keys := b.told(); keys[0].Key != "origin:"+strconv.FormatInt(one.ID, 10) {
			t.Errorf("told under %s", keys[0].Key)
		}
	})

	t.Run("twin sites share nothing", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		b.must(purchase("1", "a@example.com", 100))
		r, err := b.Record(t.Context(), b.b, purchase("1", "a@example.com", 999))
		if err != nil || r.Existing {
			t.Fatalf("got %+v, %v", r, err)
		}
		here, _ := b.Origin(t.Context(), 1, "1")
		there, _ := b.Origin(t.Context(), 2, "1")
		if here.Subtotal != 100 || there.Subtotal != 999 || here.PersonID == there.PersonID {
			t.Errorf("got %+v and %+v", here, there)
		}
		if _, err := b.Origin(t.Context(), 3, "1"); err == nil {
			t.Error("a third site has it too")
		}
		if people, _ := b.People(t.Context(), 2, []int64{here.PersonID}); len(people) != 0 {
			t.Errorf("site 2 sees %v", people)
		}
	})

	t.Run("numbers are compared byte by byte", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		ids := map[int64]bool{}
		numbers := []string{"1001", " 1001", "01001", "É", "E\u0301", "a/b", "50%", "a:b", "' OR 1=1 --", "x\u202e", strings.Repeat("ü", 255), "s", "S", "ſ"}
		for _, n := range numbers {
			ids[b.must(purchase(n, "a@example.com", 100)).ID] = true
		}
		if len(ids) != len(numbers) {
			t.Errorf("%d origins of %d numbers", len(ids), len(numbers))
		}
		for _, n := range numbers {
			if got, err := b.Origin(t.Context(), 1, n); err != nil || got.Number != n {
				t.Errorf("%q: got %q, %v", n, got.Number, err)
			}
		}
	})

	t.Run("only the first verified purchase is the first", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		out, err := b.RecordAll(t.Context(), b.a, []customerapi.Origin{
			purchase("1", "a@example.com", 1), purchase("2", "a@example.com", 1), purchase("3", "b@example.com", 1)})
		if err != nil || out[0].Err != nil {
			t.Fatal(err, out)
		}
		var first []bool
		for _, e := range toldOf[customerevent.OriginRecorded](b) {
			first = append(first, e.FirstPurchase)
		}
		if len(first) != 3 || !first[0] || first[1] || !first[2] {
			t.Errorf("got %v", first)
		}
	})

	t.Run("a sign-up comes once a person, once a visitor, and once for all nobodies", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		signUp := func(email, visitor string, verified bool) customerapi.Recorded {
			in := customerapi.Origin{Type: customerevent.AffiliateMember, Verified: verified, Person: customerapi.Identity{Email: email}}
			if visitor != "" {
				in.Visitors = []string{visitor}
			}
			return b.must(in)
		}
		for range 3 {
			signUp("a@example.com", visitor1, false)
			signUp("a@example.com", visitor2, false)
			signUp("", visitor1, false)
			signUp("", "", false)
		}
		if n := b.count("origin"); n != 3 {
			t.Errorf("%d sign-ups", n)
		}
		confirmed := signUp("a@example.com", "", true)
		if confirmed.Existing || !confirmed.Verified || confirmed.Number != "" {
			t.Errorf("got %+v", confirmed)
		}
		if again := signUp("a@example.com", "", true); !again.Existing || again.ID != confirmed.ID {
			t.Errorf("got %+v", again)
		}
	})

	t.Run("one bad row of a batch fails alone", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		b.must(purchase("2", "a@example.com", 1))
		out, err := b.RecordAll(t.Context(), b.a, []customerapi.Origin{
			purchase("1", "a@example.com", 1), purchase("2", "a@example.com", 2), purchase("3", "not an address", 1),
			purchase("4", "b@example.com", 1), purchase("4", "b@example.com", 1), purchase("4", "b@example.com", 2)})
		if err != nil {
			t.Fatal(err)
		}
		wantFault(t, out[1].Err, fault.Invalid, "duplicate_entity")
		if f := wantFault(t, out[2].Err, fault.Invalid, "invalid_request"); f.Detail != "Email isn't valid" || f.Fields[0].Pointer != "/data/email" {
			t.Errorf("got %+v", f)
		}
		if out[0].Err != nil || out[3].Err != nil || out[4].Err != nil || !out[4].Value.Existing || out[4].Value.ID != out[3].Value.ID {
			t.Errorf("got %+v", out)
		}
		wantFault(t, out[5].Err, fault.Invalid, "duplicate_entity")
		if n := b.count("origin"); n != 3 {
			t.Errorf("%d origins", n)
		}
	})
}

func TestRecordAtOnce(t *testing.T) {
	t.Parallel()
	for name, replicas := range map[string]int{"one process": 1, "four replicas": 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, 2)
			modules := []*Module{b.Module}
			for len(modules) < replicas {
				modules = append(modules, b.replica(2))
			}
			gate := make(chan struct{})
			got := make([]customerapi.Recorded, 20)
			errs := make([]error, 20)
			var wg sync.WaitGroup
			for i := range got {
				wg.Go(func() {
					<-gate
					in := purchase("1", "a@example.com", 100)
					in.Visitors = []string{visitor1}
					got[i], errs[i] = modules[i%replicas].Record(t.Context(), b.a, in)
				})
			}
			close(gate)
			wg.Wait()
			fresh := 0
			for i := range got {
				if errs[i] != nil || got[i].ID != got[0].ID || got[i].PersonID != got[0].PersonID {
					t.Errorf("got %+v, %v", got[i], errs[i])
				}
				if !got[i].Existing {
					fresh++
				}
			}
			if fresh != 1 || b.count("origin") != 1 || b.count("person") != 1 || len(b.told()) != 2 {
				t.Errorf("%d new, %d origins, %d persons, %d told", fresh, b.count("origin"), b.count("person"), len(b.told()))
			}
		})
	}
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	in := purchase("1", "a@example.com", 100)
	in.Idempotency = idempotency.Key{Value: "k1", Fingerprint: "f1"}
	first := b.must(in)
	again := b.must(in)
	if !again.Replayed || again.ID != first.ID || first.Replayed {
		t.Errorf("got %+v then %+v", first, again)
	}
	other := in
	other.Idempotency.Fingerprint = "f2"
	_, err := b.Record(t.Context(), b.a, other)
	wantFault(t, err, fault.Unprocessable, "idempotency_key_reused")

	refused := purchase("1", "a@example.com", 5)
	refused.Idempotency = idempotency.Key{Value: "k2", Fingerprint: "f"}
	for range 2 {
		_, err := b.Record(t.Context(), b.a, refused)
		wantFault(t, err, fault.Invalid, "duplicate_entity")
	}

	batch := purchase("2", "a@example.com", 1)
	batch.Idempotency = idempotency.Key{Value: "k3", Fingerprint: "f"}
	out, err := b.RecordAll(t.Context(), b.a, []customerapi.Origin{batch, batch, in})
	if err != nil || !out[1].Value.Replayed || out[1].Value.ID != out[0].Value.ID || out[2].Value.ID != first.ID {
		t.Errorf("got %+v, %v", out, err)
	}
	if n := b.count("origin"); n != 2 {
		t.Errorf("%d origins", n)
	}
	b.clock.Move(8 * 24 * time.Hour)
	if err := b.sweep(t.Context()); err != nil || b.count("idempotency") != 0 {
		t.Errorf("%d keys are left, %v", b.count("idempotency"), err)
	}
	if r := b.must(in); !r.Existing { // the number goes on guarding
		t.Errorf("got %+v", r)
	}
}
