package gateway

import (
	"bytes"
	"math/big"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
)

func hashNumber() *big.Int { return new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, 32)) }

// told reads what the gateway has told and nobody has moved yet.
func told(t *testing.T, url string) []string {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Pool{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all []string
	err = db.Select(&all, `select site || ' ' || key || ' ' || type || ' ' || coalesce((payload ->> 'slug') || ' ' || (payload ->> 'name'), payload ->> 'setting') from gateway.waiting order by id, i`)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSites(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	n := NewSite{Slug: "a-1", Name: "A", Currency: "EUR", TimeZone: "Europe/Berlin", URL: "https://a.example/shop?x=1", EmailFrom: "hello@a.example"}
	s, err := h.g.CreateSite(ctx, n)
	if err != nil || s.ID == 0 || s.Name != "A" || !s.CreatedAt.Equal(start) {
		t.Fatalf("%+v %v", s, err)
	}
	if _, err := h.g.CreateSite(ctx, n); !fault.Is(err, fault.Conflict) {
		t.Errorf("the same slug again: %v", err)
	}
	found, err := h.g.SiteBySlug(ctx, "a-1")
	if err != nil || found.ID != s.ID || found.EmailFrom != n.EmailFrom {
		t.Errorf("%+v %v", found, err)
	}
	if _, err := h.g.SiteBySlug(ctx, "none"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if all, err := h.g.Sites(ctx); err != nil || len(all) != 3 || all[0].Slug != "a-1" {
		t.Errorf("%+v %v", all, err)
	}
	h.clock.Move(time.Hour)
	name, same := "B", "EUR"
	changed, err := h.g.UpdateSite(ctx, s.ID, SiteChange{Name: &name, Currency: &same})
	if err != nil || changed.Name != "B" || !changed.ChangedAt.Equal(start.Add(time.Hour)) || !changed.CreatedAt.Equal(start) {
		t.Errorf("%+v %v", changed, err)
	}
	if again, err := h.g.UpdateSite(ctx, s.ID, SiteChange{Name: &name}); err != nil || again.Name != "B" {
		t.Errorf("%+v %v", again, err)
	}
	zone := "Nowhere/Land"
	if _, err := h.g.UpdateSite(ctx, s.ID, SiteChange{TimeZone: &zone}); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
	if _, err := h.g.UpdateSite(ctx, 999, SiteChange{Name: &name}); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if _, _, err := h.g.CreateKey(ctx, 999, Secret, ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("a key of no site: %v", err)
	}
	if _, _, err := h.g.CreateKey(ctx, s.ID, "admin", ""); !fault.Is(err, fault.Invalid) {
		t.Errorf("a key of no kind: %v", err)
	}
	if keys, err := h.g.Keys(ctx, h.shop.ID); err != nil || len(keys) != 2 || keys[0].Prefix != h.secret[:14] || keys[0].RevokedAt != nil {
		t.Errorf("%+v %v", keys, err)
	}
	got := told(t, h.url)
	id := strconv.FormatInt(s.ID, 10)
	want := []string{"1 site:1 gateway.site_changed.v1 my-store my-store", "2 site:2 gateway.site_changed.v1 other-store other-store",
		id + " site:" + id + " gateway.site_changed.v1 a-1 A", id + " site:" + id + " gateway.site_changed.v1 a-1 B"}
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestSites_that_make_no_sense(t *testing.T) {
	good := NewSite{Slug: "a", Currency: "USD", TimeZone: "UTC", URL: "https://a.example"}
	long := string(bytes.Repeat([]byte("a"), 61))
	for pointer, values := range map[string][]string{
		"/slug":       {"", "A", "a b", "a_b", "ä", long, "a/b", "a\n"},
		"/name":       {long + long + long + long, "a\x00b", "\xff", "a\nb"},
		"/currency":   {"", "usd", "US", "USDX", "ABC", "€"},
		"/time_zone":  {"", "Local", "EST5", "Mars/Base", "../etc/passwd", "Etc/GMT+99"},
		"/url":        {"", "a.example", "//a.example", "ftp://a.example", "javascript:alert(1)", "https://", "http:///a", "https:a.example", "https://u:p@a.example", "https://a.example/\x00", "https://a.example/ b", `https:/\a.example`},
		"/email_from": {"a", "Ann <a@b.example>", "a@b.example\n", "a@b.example, c@d.example"},
	} {
		for _, v := range values {
			n := good
			switch pointer {
			case "/slug":
				n.Slug, n.Name = v, "x"
			case "/name":
				n.Name = v
			case "/currency":
				n.Currency = v
			case "/time_zone":
				n.TimeZone = v
			case "/url":
				n.URL = v
			case "/email_from":
				n.EmailFrom = v
			}
			_, err := n.site(start)
			f, ok := fault.Of(err)
			if !ok || f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Pointer != pointer {
				t.Errorf("%s %q: %v", pointer, v, err)
			}
		}
	}
	if _, err := good.site(start); err != nil {
		t.Error(err)
	}
	_, err := (NewSite{}).site(start)
	if f, ok := fault.Of(err); !ok || len(f.Fields) != 5 {
		t.Errorf("all mistakes at once: %v", err)
	}
}

func TestCursorSecret_is_one_for_all(t *testing.T) {
	_, db := open(t)
	var all [20][]byte
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() {
			g := New(Deps{DB: db, Outbox: bus.NewOutbox("gateway", db, clock.System, nil)})
			secret, err := g.CursorSecret(t.Context())
			if err != nil {
				t.Error(err)
			}
			all[i] = secret
		})
	}
	group.Wait()
	for _, s := range all {
		if len(s) != 32 || !bytes.Equal(s, all[0]) {
			t.Errorf("%x and %x", s, all[0])
		}
	}
}

func TestSlugs_have_one_winner(t *testing.T) {
	h := newHouse(t)
	var group sync.WaitGroup
	wins := make(chan Site, 20)
	gate := make(chan struct{})
	for range 20 {
		group.Go(func() {
			<-gate
			s, err := h.g.CreateSite(t.Context(), NewSite{Slug: "one", Currency: "USD", TimeZone: "UTC", URL: "https://one.example"})
			switch {
			case err == nil:
				wins <- s
			case !fault.Is(err, fault.Conflict):
				t.Error(err)
			}
		})
	}
	close(gate)
	group.Wait()
	if len(wins) != 1 || len(told(t, h.url)) != 3 {
		t.Errorf("%d winners, told %q", len(wins), told(t, h.url))
	}
}
