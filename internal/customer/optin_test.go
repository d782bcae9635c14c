package customer

import (
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
)

// TestOptIn: the first time stays, what holds now comes and goes, and each site's person is its own.
func TestOptIn(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 2)
	ann := b.update(b.a, "ann@example.com", customerapi.PersonUpdate{})
	twin := b.update(b.b, "ann@example.com", customerapi.PersonUpdate{})
	check := func(what string, site, id int64, subscribed, mail, phone time.Duration) {
		t.Helper()
		p, err := b.Person(t.Context(), site, "ann@example.com")
		if err != nil || p.ID != id {
			t.Fatal(err)
		}
		for name, m := range map[string]struct {
			got  *time.Time
			want time.Duration
		}{"subscribed_at": {p.SubscribedAt, subscribed}, "opted_in_at": {p.OptedInAt, mail}, "phone_opted_in_at": {p.PhoneOptedInAt, phone}} {
			if m.want == 0 && m.got != nil || m.want != 0 && (m.got == nil || !m.got.Equal(noon.Add(m.want))) {
				t.Errorf("%s: %s is %v, want %s after noon", what, name, m.got, m.want)
			}
		}
	}
	optIn := func(mail, phone bool) {
		t.Helper()
		b.clock.Move(time.Hour)
		if err := b.OptIn(t.Context(), 1, ann.ID, mail, phone); err != nil {
			t.Fatal(err)
		}
	}
	optIn(false, false)
	check("nothing", 1, ann.ID, 0, 0, 0)
	optIn(true, false)
	check("mail", 1, ann.ID, 2*time.Hour, 2*time.Hour, 0)
	optIn(true, true)
	check("again, and the phone", 1, ann.ID, 2*time.Hour, 2*time.Hour, 3*time.Hour)
	yes, no := true, false
	b.update(b.a, "ann@example.com", customerapi.PersonUpdate{Subscribed: &no})
	check("left", 1, ann.ID, 0, 2*time.Hour, 3*time.Hour)
	b.clock.Move(time.Hour)
	b.update(b.a, "ann@example.com", customerapi.PersonUpdate{Subscribed: &yes})
	check("came back", 1, ann.ID, 4*time.Hour, 2*time.Hour, 3*time.Hour)
	check("the twin", 2, twin.ID, 0, 0, 0)
	gone, _, err := b.Anonymize(t.Context(), 1, "ann@example.com", idempotency.Key{})
	if err != nil || gone.OptedInAt != nil || gone.PhoneOptedInAt != nil || gone.SubscribedAt != nil {
		t.Errorf("anonymized: %+v, %v", gone, err)
	}
	optIn(true, true)
	if p, err := b.Person(t.Context(), 1, gone.Email); err != nil || p.OptedInAt != nil {
		t.Errorf("anonymized for good: %+v, %v", p, err)
	}
}

// What a sign-up says of mail is told with it: by whom, and whether that is news.
func TestSignUps_tell_who_opted_in(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	b.update(b.a, "old@example.com", customerapi.PersonUpdate{Subscribed: new(true)})
	b.update(b.a, "left@example.com", customerapi.PersonUpdate{Subscribed: new(true)})
	b.update(b.a, "left@example.com", customerapi.PersonUpdate{Subscribed: new(false)})
	want := map[string][2]bool{ // opted in, for the first time
		"new@example.com": {true, true}, "silent@example.com": {false, false}, "old@example.com": {true, false}, "left@example.com": {false, false}, "browser@example.com": {false, false},
	}
	people := map[int64]string{}
	for email := range want {
		in := customerapi.Origin{Type: customerevent.AffiliateMember, Person: customerapi.Identity{Email: email}, Verified: email != "browser@example.com",
			OptsIn: email == "new@example.com" || email == "browser@example.com"}
		people[b.must(in).PersonID] = email
	}
	for _, e := range toldOf[customerevent.OriginRecorded](b) {
		if got := [2]bool{e.OptedIn, e.FirstOptIn}; got != want[people[e.PersonID]] {
			t.Errorf("%s: %v", people[e.PersonID], got)
		}
	}
}
