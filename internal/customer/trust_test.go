package customer

import (
	"errors"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
)

func TestUnverified(t *testing.T) {
	t.Parallel()
	browser := func(number, email string, subtotal int64) customerapi.Origin {
		in := purchase(number, email, subtotal)
		in.Verified, in.Visitors = false, []string{visitor1}
		return in
	}

	t.Run("the merchant's word replaces the browser's, once", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		r := b.must(browser("1", "attacker@example.com", 1e9))
		_, err := b.Record(t.Context(), b.a, browser("1", "other@example.com", 5))
		wantFault(t, err, fault.Invalid, "duplicate_entity")
		c := b.must(purchase("1", "real@example.com", 500))
		if c.ID != r.ID || c.Existing || !c.Verified || c.Subtotal != 500 || c.Email != "real@example.com" {
			t.Errorf("got %+v", c)
		}
		events := toldOf[customerevent.OriginRecorded](b)
		if len(events) != 2 || events[0].Verified || !events[1].Verified || events[1].Subtotal != 500 || len(events[1].VisitorIDs) != 0 || !events[1].FirstPurchase {
			t.Errorf("told %+v", events)
		}
		before := b.state()
		_, err = b.Record(t.Context(), b.a, browser("1", "attacker@example.com", 1e9))
		wantFault(t, err, fault.Invalid, "duplicate_entity")
		if same := b.must(browser("1", "real@example.com", 500)); !same.Existing {
			t.Errorf("got %+v", same)
		}
		if got := b.state(); got != before {
			t.Errorf("a browser changed\n%s\nto\n%s", before, got)
		}
		p, _ := b.Person(t.Context(), 1, "attacker@example.com")
		if p.EventsCount != 0 {
			t.Errorf("a browser's word counts: %+v", p)
		}
	})

	t.Run("when both say the same the browser's visitor stays", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		b.must(browser("1", "a@example.com", 100))
		b.must(purchase("1", "a@example.com", 100))
		events := toldOf[customerevent.OriginRecorded](b)
		if len(events) != 2 || len(events[1].VisitorIDs) != 1 {
			t.Errorf("told %+v", events)
		}
	})

	t.Run("a browser changes nobody and learns nothing", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		real := purchase("1", "a@example.com", 100)
		real.Person.CustomerID, real.Person.FirstName = "c1", "Ann"
		b.must(real)
		b.must(purchase("9", "b@example.com", 1))
		before := b.state()
		in := customerapi.Origin{Type: customerevent.AffiliateMember, Person: customerapi.Identity{CustomerID: "c1", FirstName: "Eve", Phone: "+12025551111"}}
		if r := b.must(in); r.Email != "" || r.PersonID == 0 {
			t.Errorf("a browser is told %+v", r)
		}
		in.Person = customerapi.Identity{Email: "b@example.com", CustomerID: "c2", Username: "eve", CustomProperties: map[string]string{"x": "y"}}
		b.must(in)
		in.Person = customerapi.Identity{Email: "eve@example.com", CustomerID: "c7"}
		eve := b.must(in)
		tied := purchase("2", "", 100)
		tied.Person.CustomerID = "c7"
		if r := b.must(tied); r.PersonID == eve.PersonID {
			t.Error("a browser tied a customer id to an e-mail")
		}
		if len(toldOf[customerevent.PersonChanged](b)) != 4 { // a, b, eve, c7
			t.Errorf("told %+v of\n%s", toldOf[customerevent.PersonChanged](b), before)
		}
	})
}

func TestPeopleAreFound(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	n := 0
	buy := func(who customerapi.Identity) int64 {
		n++
		in := purchase(numbered(n), "", 1)
		in.Type, in.Category, in.Person = customerevent.Event, "x", who
		return b.must(in).PersonID
	}
	ann := buy(customerapi.Identity{Email: "ann@example.com", CustomerID: "1", Phone: "+1 (202) 555-1111"})
	for name, who := range map[string]customerapi.Identity{
		"e-mail in other case": {Email: "ANN@Example.com"},
		"customer id":          {CustomerID: "1"},
		"phone alone":          {Phone: "0012025551111"},
	} {
		if got := buy(who); got != ann {
			t.Errorf("%s: got %d, want %d", name, got, ann)
		}
	}
	bob := buy(customerapi.Identity{Email: "bob@example.com", Phone: "+12025551111"})
	if bob == ann {
		t.Error("a shared phone makes two people one")
	}
	if got := buy(customerapi.Identity{Email: "bob@example.com", CustomerID: "1"}); got != bob {
		t.Errorf("the customer id beats the e-mail: %d, want %d", got, bob)
	}
	if got := buy(customerapi.Identity{Email: "ann@new.example", CustomerID: "1"}); got != ann {
		t.Errorf("an e-mail that changed: got %d, want %d", got, ann)
	}
	if _, err := b.Person(t.Context(), 1, "ann@example.com"); err == nil {
		t.Error("the old e-mail still finds her")
	}
	p, err := b.Person(t.Context(), 1, "+12025551111")
	if err != nil || p.ID != ann {
		t.Errorf("the phone is %+v's, %v", p, err)
	}
	if _, err := b.Person(t.Context(), 2, "+12025551111"); err == nil {
		t.Error("the other site has her too")
	}
	_, err = b.Person(t.Context(), 1, "nobody@example.com")
	if f := wantFault(t, err, fault.Invalid, "person_not_found"); f.Detail != "No person found by `person_slug`." {
		t.Errorf("got %q", f.Detail)
	}
	idn := buy(customerapi.Identity{Email: "a@Bücher.example"})
	if buy(customerapi.Identity{Email: "a@xn--bcher-kva.example"}) != idn {
		t.Error("an international domain is another than its ASCII form")
	}
}

func TestVisitorKeepsItsFirstPerson(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	for i, email := range []string{"a@example.com", "b@example.com"} {
		in := purchase(numbered(i), email, 1)
		in.Visitors = []string{visitor1}
		b.must(in)
	}
	a, _ := b.Person(t.Context(), 1, "a@example.com")
	var linked int64
	if err := b.admin().Get(&linked, `select person_id from customer.visitor`); err != nil || linked != a.ID {
		t.Errorf("linked to %d, %v", linked, err)
	}
	id, err := saveVisitor(t.Context(), b.db, 1, "", b.now())
	again, err2 := saveVisitor(t.Context(), b.db, 1, id, b.now())
	if err := errors.Join(err, err2); err != nil || again != id {
		t.Errorf("got %s then %s, %v", id, again, err)
	}
}
