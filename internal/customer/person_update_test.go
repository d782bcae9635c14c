package customer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

func (b *bundle) update(s site.Site, slug string, in customerapi.PersonUpdate) customerapi.Person {
	b.t.Helper()
	p, _, err := b.UpdatePerson(b.t.Context(), s.ID, slug, in)
	if err != nil {
		b.t.Fatalf("%s: %v", slug, err)
	}
	return p
}

func TestUpdatePerson(t *testing.T) {
	t.Parallel()

	t.Run("an address or a phone number makes a person, twin sites stay apart", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		ann := b.update(b.a, "Ann@Example.com", customerapi.PersonUpdate{FirstName: ptr("Ann"), Username: ptr("batman"), CustomProperties: map[string]string{"a": "1"}})
		twin := b.update(b.b, "ann@example.com", customerapi.PersonUpdate{Username: ptr("Batman")})
		phone := b.update(b.a, "+1 202 555 1111", customerapi.PersonUpdate{})
		if ann.Email != "Ann@Example.com" || ann.FirstName != "Ann" || ann.Username != "batman" || twin.FirstName != "" || twin.Username != "Batman" || phone.Phone != "+12025551111" {
			t.Errorf("got %+v, %+v, %+v", ann, twin, phone)
		}
		again := b.update(b.a, "BATMAN", customerapi.PersonUpdate{LastName: ptr("Lee"), CustomProperties: map[string]string{"b": "2"}}) // case 86
		if again.ID != ann.ID || again.FirstName != "Ann" || again.LastName != "Lee" || fmt.Sprint(again.CustomProperties) != "map[a:1 b:2]" {
			t.Errorf("got %+v", again)
		}
		if p, err := b.Person(t.Context(), 2, "batman"); err != nil || p.LastName != "" {
			t.Errorf("the twin: %+v, %v", p, err)
		}
		told := toldOf[customerevent.PersonChanged](b)
		if len(told) != 4 || told[3].LastName != "Lee" || told[3].Email != "Ann@Example.com" || told[1].SiteID != 2 {
			t.Errorf("told %+v", told)
		}
		for _, slug := range []string{"robin", "", "+1", "a@b", "nobody at all", strings.Repeat("x", 5000), "a\x00b"} {
			_, _, err := b.UpdatePerson(t.Context(), 1, slug, customerapi.PersonUpdate{Username: ptr("robin")})
			if f := wantFault(t, err, fault.Invalid, "person_not_found"); f.Detail != "No person found by `person_slug`." {
				t.Errorf("%q: %v", slug, err)
			}
		}
		if n := b.count("person"); n != 3 {
			t.Errorf("%d persons", n)
		}
	})

	t.Run("89: a mark that another person has is refused, and nothing changes", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		b.update(b.a, "ann@example.com", customerapi.PersonUpdate{Username: ptr("batman"), CustomerID: ptr("c1"), Phone: ptr("+12025551111")})
		b.update(b.a, "bob@example.com", customerapi.PersonUpdate{FirstName: ptr("Bob")})
		before := b.state()
		for code, in := range map[string]customerapi.PersonUpdate{
			"username_taken":     {FirstName: ptr("X"), Username: ptr("BatMan")},
			"email_taken":        {FirstName: ptr("X"), Email: ptr("ANN@example.com")},
			"customer_id_taken":  {FirstName: ptr("X"), CustomerID: ptr("c1")},
			"phone_number_taken": {FirstName: ptr("X"), Phone: ptr("001 202 555 1111")},
		} {
			for _, slug := range []string{"bob@example.com", "new@example.com"} {
				_, _, err := b.UpdatePerson(t.Context(), 1, slug, in)
				f := wantFault(t, err, fault.Unprocessable, code)
				if code == "username_taken" && f.Detail != "Validation failed: Username has already been taken. Please try another one." {
					t.Errorf("says %q", f.Detail)
				}
			}
		}
		if got := b.state(); got != before {
			t.Errorf("refusals changed\n%s\nto\n%s", before, got)
		}
		b.update(b.b, "bob@example.com", customerapi.PersonUpdate{Username: ptr("batman"), CustomerID: ptr("c1")}) // another site's are free
		if p := b.update(b.a, "batman", customerapi.PersonUpdate{Username: ptr("Batman"), Email: ptr("ann@EXAMPLE.com")}); p.Username != "Batman" || p.Email != "ann@EXAMPLE.com" {
			t.Errorf("one's own mark in another case: %+v", p)
		}
	})

	t.Run("422 in Talkable's manner", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		b.update(b.a, "ann@example.com", customerapi.PersonUpdate{})
		for want, in := range map[string]customerapi.PersonUpdate{
			"Email isn't valid":                                     {Email: ptr("nobody")},
			"Phone number is no phone number in the form":           {Phone: ptr("5551111")},
			"Username holds a control character":                    {Username: ptr("a\nb")},
			"First name is too long":                                {FirstName: ptr(strings.Repeat("é", 256))},
			"Last name holds bytes that are no text":                {LastName: ptr("a\x00b")},
			"Identifier hash is too long":                           {IdentifierHash: ptr(strings.Repeat("x", 256))},
			identifierMessage:                                       {CustomProperties: map[string]string{"1st": "x"}},
			"Custom properties is too long":                         {CustomProperties: map[string]string{"a": strings.Repeat("x", 1001)}},
			"Unsubscribed at is in the future":                      {UnsubscribedAt: ptr(noon.AddDate(0, 0, 2))},
			"Unsubscribed at is before 1970":                        {UnsubscribedAt: &time.Time{}},
			"Email, phone number, customer id or username must be ": {Phone: ptr(""), CustomerID: ptr(""), Username: ptr(""), Email: nil},
		} {
			slug := "ann@example.com"
			if strings.HasPrefix(want, "Email, phone") {
				b.must(customerapi.Origin{Type: customerevent.AffiliateMember, Verified: true, Person: customerapi.Identity{CustomerID: "alone"}})
				slug = "alone"
			}
			_, _, err := b.UpdatePerson(t.Context(), 1, slug, in)
			f, ok := fault.Of(err)
			if !ok || f.Kind != fault.Unprocessable || !strings.HasPrefix(f.Detail, "Validation failed: "+want) || len(f.Fields) == 0 {
				t.Errorf("%+v: %v, want %s", in, err, want)
			}
		}
		if _, _, err := b.UpdatePerson(t.Context(), 1, "ann@example.com", customerapi.PersonUpdate{Email: ptr("")}); err == nil || !strings.Contains(err.Error(), "Email isn't valid") {
			t.Errorf("an address is taken away: %v", err)
		}
	})

	t.Run("what is empty is taken away, what is left out stays", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		b.update(b.a, "ann@example.com", customerapi.PersonUpdate{FirstName: ptr("Ann"), LastName: ptr("Lee"), Username: ptr("u"), CustomerID: ptr("c"), Phone: ptr("+12025551111")})
		p := b.update(b.a, "c", customerapi.PersonUpdate{LastName: ptr(""), Username: ptr(""), CustomerID: ptr(""), Phone: ptr("")})
		if p.FirstName != "Ann" || p.LastName != "" || p.Username != "" || p.CustomerID != "" || p.Phone != "" || p.Email != "ann@example.com" {
			t.Errorf("got %+v", p)
		}
		bob := b.update(b.a, "bob@example.com", customerapi.PersonUpdate{Username: ptr("u"), CustomerID: ptr("c"), Phone: ptr("+12025551111")}) // they are free again
		if bob.Username != "u" {
			t.Errorf("got %+v", bob)
		}
	})

	t.Run("wishes about mail", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		p := b.update(b.a, "ann@example.com", customerapi.PersonUpdate{Subscribed: ptr(true)})
		if p.SubscribedAt == nil || !p.SubscribedAt.Equal(noon) || p.UnsubscribedAt != nil {
			t.Errorf("got %+v", p)
		}
		b.clock.Move(time.Hour)
		if p = b.update(b.a, "ann@example.com", customerapi.PersonUpdate{Subscribed: ptr(true), Unsubscribed: ptr(true)}); !p.SubscribedAt.Equal(noon) || !p.UnsubscribedAt.Equal(noon.Add(time.Hour)) {
			t.Errorf("got %+v", p)
		}
		at := noon.Add(-time.Hour)
		if p = b.update(b.a, "ann@example.com", customerapi.PersonUpdate{UnsubscribedAt: &at}); !p.UnsubscribedAt.Equal(at) {
			t.Errorf("got %+v", p)
		}
		if p = b.update(b.a, "ann@example.com", customerapi.PersonUpdate{Unsubscribed: ptr(false), Subscribed: ptr(false)}); p.UnsubscribedAt != nil || p.SubscribedAt != nil {
			t.Errorf("got %+v", p)
		}
		told := toldOf[customerevent.PersonChanged](b)
		if len(told) != 4 || !told[0].UnsubscribedAt.IsZero() || !told[1].UnsubscribedAt.Equal(noon.Add(time.Hour)) || !told[2].UnsubscribedAt.Equal(at) || !told[3].UnsubscribedAt.IsZero() {
			t.Errorf("told %+v", told)
		}
		b.update(b.a, "ann@example.com", customerapi.PersonUpdate{FirstName: ptr("")})
		if n := len(toldOf[customerevent.PersonChanged](b)); n != 4 {
			t.Errorf("%d told of nothing", n)
		}
	})

	t.Run("a key is answered as before, late, too", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		key := idempotency.Key{Value: "k", Fingerprint: "f"}
		b.update(b.a, "ann@example.com", customerapi.PersonUpdate{FirstName: ptr("Ann"), Idempotency: key})
		b.update(b.a, "ann@example.com", customerapi.PersonUpdate{FirstName: ptr("Anna")})
		p, replayed, err := b.UpdatePerson(t.Context(), 1, "ann@example.com", customerapi.PersonUpdate{FirstName: ptr("Ann"), Idempotency: key})
		if err != nil || !replayed || p.FirstName != "Ann" {
			t.Errorf("got %+v, %v, %v", p, replayed, err)
		}
		if now, _ := b.Person(t.Context(), 1, "ann@example.com"); now.FirstName != "Anna" {
			t.Errorf("the repetition undid a newer change: %+v", now)
		}
		if _, replayed, err := b.UpdatePerson(t.Context(), 2, "ann@example.com", customerapi.PersonUpdate{Idempotency: key}); err != nil || replayed {
			t.Errorf("another site's key: %v, %v", replayed, err)
		}
	})
}

// TestUpdatePerson_races lets twenty take one username, or one address, at once, on two replicas: one has it.
func TestUpdatePerson_races(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 4)
	replicas := [2]*Module{b.Module, b.replica(4)}
	for round := range 5 {
		var all sync.WaitGroup
		gate, got := make(chan struct{}), make(chan error, 40)
		for i := range 20 {
			m := replicas[i%2]
			all.Go(func() {
				<-gate
				_, _, err := m.UpdatePerson(context.WithoutCancel(t.Context()), 1, fmt.Sprintf("p%d-%d@example.com", round, i), customerapi.PersonUpdate{Username: ptr(fmt.Sprint("name", round))})
				got <- err
			})
			all.Go(func() {
				<-gate
				_, _, err := m.Unsubscribe(context.WithoutCancel(t.Context()), 1, fmt.Sprintf("one%d@example.com", round), idempotency.Key{})
				if err != nil {
					t.Error(err)
				}
			})
		}
		close(gate)
		all.Wait()
		close(got)
		won := 0
		for err := range got {
			f, ok := fault.Of(err)
			switch {
			case err == nil:
				won++
			case !ok || f.Code != "username_taken":
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d have the name", won)
		}
	}
	if n := b.count(`person where email_norm like 'one%'`); n != 5 {
		t.Errorf("%d persons of five addresses", n)
	}
}

// TestUpdatePerson_of_one_by_many lets twenty give one person another customer id at once: they wait for each other, and none is told to
// come back.
func TestUpdatePerson_of_one_by_many(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 4)
	b.must(purchase("1", "ann@example.com", 100))
	var all sync.WaitGroup
	gate := make(chan struct{})
	for i := range 20 {
		all.Go(func() {
			<-gate
			if _, _, err := b.UpdatePerson(t.Context(), 1, "ann@example.com", customerapi.PersonUpdate{CustomerID: ptr(fmt.Sprint("c-", i))}); err != nil {
				t.Error(err)
			}
		})
	}
	close(gate)
	all.Wait()
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	b.must(purchase("1", "ann@example.com", 100))
	p, _, err := b.Unsubscribe(t.Context(), 1, "ANN@example.com", idempotency.Key{})
	if err != nil || p.UnsubscribedAt == nil || !p.UnsubscribedAt.Equal(noon) {
		t.Errorf("got %+v, %v", p, err)
	}
	b.clock.Move(time.Hour)
	if again, _, err := b.Unsubscribe(t.Context(), 1, "ann@example.com", idempotency.Key{}); err != nil || !again.UnsubscribedAt.Equal(noon) {
		t.Errorf("got %+v, %v", again, err)
	}
	fresh, _, err := b.Unsubscribe(t.Context(), 2, "ann@example.com", idempotency.Key{}) // a twin who isn't known yet
	if err != nil || fresh.Email != "ann@example.com" || !fresh.UnsubscribedAt.Equal(noon.Add(time.Hour)) {
		t.Errorf("got %+v, %v", fresh, err)
	}
	for _, slug := range []string{"nobody", "+12025551111", "a@b", ""} { // case 91
		_, _, err := b.Unsubscribe(t.Context(), 1, slug, idempotency.Key{})
		if f := wantFault(t, err, fault.Unprocessable, "validation_failed"); f.Detail != "Validation failed: Email isn't valid" {
			t.Errorf("%q: %v", slug, err)
		}
	}
	b.must(customerapi.Origin{Type: customerevent.Purchase, Number: "2", Verified: true, Person: customerapi.Identity{Email: "ann@example.com", FirstName: "Ann"}})
	told := toldOf[customerevent.PersonChanged](b)
	if len(told) != 4 || !told[0].UnsubscribedAt.IsZero() || !told[1].UnsubscribedAt.Equal(noon) || told[2].SiteID != 2 || told[3].UnsubscribedAt.IsZero() {
		t.Errorf("told %+v", told)
	}
}

func TestAnonymize(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	for _, s := range []site.Site{b.a, b.b} {
		in := purchase("1", "canary@example.com", 100)
		in.Person = customerapi.Identity{Email: "canary@example.com", Phone: "+12025551111", CustomerID: "canary-id", Username: "canary-name", FirstName: "Canary",
			LastName: "Canary", CustomProperties: map[string]string{"nick": "canary"}}
		in.IP, in.UserAgent, in.ShippingAddress, in.ShippingZip, in.Visitors = "192.0.2.77", "canary-browser", "1 Canary St", "canary-zip", []string{visitor1}
		if _, err := b.Record(t.Context(), s, in); err != nil {
			t.Fatal(err)
		}
	}
	b.update(b.a, "canary-id", customerapi.PersonUpdate{IdentifierHash: ptr("canary-hash"), Subscribed: ptr(true)})
	was, _ := b.Person(t.Context(), 1, "canary-id")
	key := idempotency.Key{Value: "k", Fingerprint: "f"}
	p, _, err := b.Anonymize(t.Context(), 1, "canary-name", key)
	if err != nil || p.ID != was.ID || !strings.HasSuffix(p.Email, "@anonymized.email") || len(p.Email) != 36+len("@anonymized.email") || p.UnsubscribedAt == nil || p.AnonymizedAt == nil ||
		p.Phone+p.CustomerID+p.Username+p.FirstName+p.LastName != "" || len(p.CustomProperties) != 0 || p.SubscribedAt != nil || p.EventsCount != 1 {
		t.Errorf("got %+v, %v", p, err)
	}
	db := b.admin()
	nothing := func() {
		t.Helper()
		for _, table := range []string{"person", "origin"} {
			var left int
			if err := db.Get(&left, `select count(*) from customer.`+table+` x where site_id = 1 and `+map[string]string{"person": "id", "origin": "person_id"}[table]+` = $1 and
				(x::text ilike '%canary%' or x::text like '%192.0.2.77%' or x::text like '%2025551111%' or x::text like '%`+visitor1+`%')`, p.ID); err != nil || left != 0 {
				t.Errorf("%d of %s tell who it was: %v", left, table, err)
			}
		}
		var linked []int64
		if err := db.Select(&linked, `select site_id from customer.visitor where person_id is not null`); err != nil || fmt.Sprint(linked) != "[2]" {
			t.Errorf("browsers are linked on sites %v: %v", linked, err)
		}
	}
	nothing()
	for _, slug := range []string{"canary@example.com", "canary-id", "canary-name", "+12025551111"} { // case 92
		_, err := b.Person(t.Context(), 1, slug)
		wantFault(t, err, fault.Invalid, "person_not_found")
		if twin, err := b.Person(t.Context(), 2, slug); err != nil || twin.FirstName != "Canary" {
			t.Errorf("the twin: %+v, %v", twin, err)
		}
	}
	if again, replayed, err := b.Anonymize(t.Context(), 1, "canary-name", key); err != nil || !replayed || again.Email != p.Email {
		t.Errorf("repeated: %+v, %v", again, err)
	}
	if again, _, err := b.Anonymize(t.Context(), 1, p.Email, idempotency.Key{}); err != nil || again.Email != p.Email {
		t.Errorf("again: %+v, %v", again, err)
	}
	_, _, err = b.Anonymize(t.Context(), 1, "canary-name", idempotency.Key{})
	wantFault(t, err, fault.Invalid, "person_not_found")
	_, _, err = b.UpdatePerson(t.Context(), 1, p.Email, customerapi.PersonUpdate{FirstName: ptr("Back")})
	wantFault(t, err, fault.Unprocessable, "person_anonymized")
	b.must(customerapi.Origin{Type: customerevent.Purchase, Number: "2", Verified: true, Person: customerapi.Identity{Email: p.Email, FirstName: "Back", CustomerID: "back"},
		IP: "192.0.2.77", UserAgent: "canary-browser", ShippingAddress: "1 Canary St", Visitors: []string{visitor1}})
	nothing()
	if now, err := b.Person(t.Context(), 1, p.Email); err != nil || now.FirstName != "" || now.CustomerID != "" {
		t.Errorf("it came back: %+v, %v", now, err)
	}
	fresh := b.must(purchase("3", "canary@example.com", 100)) // somebody new, whoever it is
	if fresh.PersonID == p.ID {
		t.Error("the old address leads to the person")
	}
	if told := toldOf[customerevent.PersonAnonymized](b); len(told) != 1 || told[0].PersonID != p.ID || told[0].SiteID != 1 {
		t.Errorf("told %+v", told)
	}
	told := toldOf[customerevent.PersonChanged](b)
	if last := told[len(told)-2]; last.Email != p.Email || last.FirstName != "" || last.UnsubscribedAt.IsZero() { // the last is of somebody new
		t.Errorf("told %+v", last)
	}
}

// TestAnonymize_under_load: orders of the same person go on meanwhile; none fails, and none brings the name back.
func TestAnonymize_under_load(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 4)
	first := b.must(purchase("0", "canary@example.com", 100))
	var all sync.WaitGroup
	gate := make(chan struct{})
	for i := range 30 {
		all.Go(func() {
			<-gate
			in := purchase(fmt.Sprint("n", i), "canary@example.com", 100)
			in.IP, in.Person.FirstName = "192.0.2.77", "Canary"
			if _, err := b.Record(context.WithoutCancel(t.Context()), b.a, in); err != nil {
				t.Error(err)
			}
		})
	}
	all.Go(func() {
		<-gate
		if _, _, err := b.Anonymize(context.WithoutCancel(t.Context()), 1, "canary@example.com", idempotency.Key{}); err != nil {
			if f, ok := fault.Of(err); !ok || f.Code != "person_not_found" {
				t.Error(err)
			}
		}
	})
	close(gate)
	all.Wait()
	var left int
	err := b.admin().Get(&left, `select count(*) from customer.person p left join customer.origin o on o.site_id = p.site_id and o.person_id = p.id
		where p.id = $1 and (p.first_name <> '' or p.email not like '%@anonymized.email' or o.ip <> '')`, first.PersonID)
	if err != nil || left != 0 {
		t.Errorf("%d rows tell who it was: %v", left, err)
	}
}

func TestTrafficSources(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	for i, source := range []string{"ios", "", "api", "ios", "talkable-gem", "api"} {
		in := purchase(fmt.Sprint(i), "ann@example.com", 100)
		in.TrafficSource = source
		b.must(in)
	}
	for id, want := range map[int64]string{1: "[api ios talkable-gem]", 2: "[]"} {
		got, err := b.TrafficSources(t.Context(), id)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("site %d: %v, %v; want %s", id, got, errors.Unwrap(err), want)
		}
	}
}
