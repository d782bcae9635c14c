package referral

import (
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

func person(first string) customerapi.Person { return customerapi.Person{FirstName: first} }

func TestNameOf(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ann": "ann", "ann_lee": "ann_lee", " Ann Lee ": "ann_lee", "Zoë": "zoe", "Łukasz Straße": "lukasz_strasse", "a12": "a12", "ＡＮＮ": "ann",
		"José María": "jose_maria", "IŞIL": "isil",
		"": "", "an": "", "1ann": "", "_ann": "", "ann@shop.example": "", "ann-lee": "", "Αννα": "", "аnn": "", "ann/lee": "", "admin": "", "Support": "",
		"\u202eann": "", "ann\x00": "", "ann\n": "ann", strings.Repeat("a", 50): strings.Repeat("a", 50), strings.Repeat("a", 51): "", strings.Repeat("é", 5000): "",
	} {
		got, ok := nameOf(in)
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// A folded name is one that the table takes, and folds to itself.
func TestNameOf_is_what_the_table_checks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z0-9_ äéßøŁ.-]{0,60}`)).Draw(t, "name")
		name, ok := nameOf(s)
		if !ok {
			return
		}
		if again, ok := nameOf(name); !ok || again != name || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || len(name) < 3 || len(name) > 50 {
			t.Fatalf("%q folds to %q, and that to %q", s, name, again)
		}
	})
}

// named tells that people are called so.
func (p *place) named(siteID, person int64, names ...string) {
	p.t.Helper()
	var batch []bus.Event[customerevent.PersonChanged]
	for i, n := range names {
		batch = append(batch, bus.Event[customerevent.PersonChanged]{Body: customerevent.PersonChanged{SiteID: siteID, PersonID: person, Username: n,
			ChangedAt: p.clock.Now().Add(time.Duration(i) * time.Second)}})
	}
	if err := p.outbox.InTx(p.t.Context(), func(u *bus.Unit) error { return p.personChanged(p.t.Context(), u, batch) }); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) byName(slug, name string) string {
	p.t.Helper()
	code, err := p.NamedLink(p.t.Context(), slug, name)
	if err != nil {
		p.t.Fatal(err)
	}
	return code
}

func TestNames_lead_to_people(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	p.join(p.one, 10)
	p.join(p.two, 10)
	p.named(1, 10, "Ann Lee", "Ann Lee")
	p.named(2, 10, "Ann Lee")
	p.named(1, 11, "ANN_LEE", "admin", "no")
	one, two := p.byName("", "ann lee"), p.byName("two", "Ann_Lee")
	if one == "" || two == "" || one == two || p.byName("one", "ann_lee") != one {
		t.Fatalf("%q %q", one, two)
	}
	for _, who := range [][2]string{{"", "bob"}, {"none", "ann lee"}, {"two", "admin"}, {"", "%00"}, {"", ""}} {
		if code := p.byName(who[0], who[1]); code != "" {
			t.Errorf("%q leads to %q", who, code)
		}
	}
	if u := location(t, p.visitLink("https://go.example/x/"+one, uuidOf(1))); u.Query().Get("utm_medium") != "personal_name" {
		t.Errorf("leads to %s", u)
	}
	for _, want := range []struct {
		site, person int64
		url          string
	}{{1, 10, "https://go.example/by/ann_lee"}, {2, 10, "https://go.example/by/two/ann_lee"}, {1, 11, ""}} {
		counts, err := p.Counts(t.Context(), want.site, want.person)
		if err != nil || deref(counts.PersonalClaimURL) != want.url {
			t.Errorf("%+v: %q %v", want, deref(counts.PersonalClaimURL), err)
		}
	}
	t.Run("an older name goes on leading to the person", func(t *testing.T) {
		p.clock.Move(time.Minute)
		p.named(1, 10, "Annie")
		p.named(1, 12, "ann lee")
		if p.byName("", "ann_lee") != one || p.byName("", "annie") != one {
			t.Error("the older name leads elsewhere")
		}
		if counts, err := p.Counts(t.Context(), 1, 10); err != nil || deref(counts.PersonalClaimURL) != "https://go.example/by/annie" {
			t.Errorf("%q %v", deref(counts.PersonalClaimURL), err)
		}
	})
	t.Run("a name is forgotten with its person", func(t *testing.T) {
		p.tell(customerevent.PersonAnonymized{SiteID: 1, PersonID: 10, AnonymizedAt: p.clock.Now()})
		if p.byName("", "annie") != "" || p.byName("", "ann_lee") != "" || p.byName("two", "ann_lee") != two {
			t.Error("it leads on, or the twin's was forgotten")
		}
	})
}

func TestNames_have_one_owner_under_concurrency(t *testing.T) {
	t.Parallel()
	p := setup(t)
	var wait sync.WaitGroup
	begin := make(chan struct{})
	for i := range 12 {
		wait.Go(func() {
			<-begin
			p.named(1, int64(100+i), "everybody", "name"+string(rune('a'+i)))
		})
	}
	close(begin)
	wait.Wait()
	if n := p.count(`select count(*) from referral.name where name = 'everybody'`); n != 1 {
		t.Errorf("%d owners", n)
	}
	if n := p.count(`select count(*) from referral.name`); n != 13 {
		t.Errorf("%d names", n)
	}
}
