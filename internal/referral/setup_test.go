package referral

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/leaktest"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
	"github.com/talkable/talkable/migrations"
)

func TestMain(m *testing.M) { leaktest.Main(m, pgtest.IgnoreServer()) }

const browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

var epoch = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// place is a module on a database of its own, with two sites that are alike.
type place struct {
	*Module
	t     testing.TB
	url   string
	root  *sqlx.DB // sees everything
	clock *clock.Movable
	one   site.Site
	two   site.Site
	known phoneBook
	keyID int64 // that requests come with
}

// phoneBook is who has which address and number.
type phoneBook map[key]customerapi.Person

func (b phoneBook) People(_ context.Context, siteID int64, ids []int64) (map[int64]customerapi.Person, error) {
	out := map[int64]customerapi.Person{}
	for _, id := range ids {
		if p, ok := b[key{siteID, id}]; ok {
			out[id] = p
		}
	}
	return out, nil
}

func migrated(ctx context.Context, url string) error {
	_, err := migrations.Schema("referral").Migrate(ctx, url)
	return err
}

func setup(t testing.TB) *place {
	t.Helper()
	p := open(t, pgtest.Database(t, "referral", migrated), 12)
	p.tell(gatewayevent.SiteChanged{SiteID: 1, Slug: "one", Name: "One", Currency: "USD", TimeZone: "UTC", URL: "https://one.example/", ChangedAt: epoch})
	p.tell(gatewayevent.SiteChanged{SiteID: 2, Slug: "two", Name: "Two", Currency: "USD", TimeZone: "UTC", URL: "https://two.example/", ChangedAt: epoch})
	return p
}

func open(t testing.TB, url string, size int) *place {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Pool{URL: url, Role: "talkable_referral", Size: size})
	if err != nil {
		t.Fatal(err)
	}
	root, err := postgres.Open(t.Context(), postgres.Pool{URL: url, Size: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(); _ = root.Close() })
	at, known := clock.NewMovable(epoch), phoneBook{}
	m := New(Deps{DB: db, Outbox: bus.NewOutbox("referral", db, at.Now, nil), Log: zerolog.Nop(), Reg: prometheus.NewRegistry(), Now: at.Now,
		Cursors: web.NewCursors([]byte("secret")), People: known, PublicURL: "https://go.example"})
	return &place{Module: m, t: t, known: known, url: url, root: root, clock: at,
		one: site.Site{ID: 1, Slug: "one", Name: "One", Currency: "USD", Zone: time.UTC, URL: "https://one.example/"},
		two: site.Site{ID: 2, Slug: "two", Name: "Two", Currency: "USD", Zone: time.UTC, URL: "https://two.example/"}}
}

// tell hands events to the module's handlers, those of one type as one batch.
func (p *place) tell(events ...bus.Payload) {
	p.t.Helper()
	if err := p.hear(events...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) hear(events ...bus.Payload) error {
	return p.outbox.InTx(p.t.Context(), func(u *bus.Unit) error {
		var sites []bus.Event[gatewayevent.SiteChanged]
		var origins []bus.Event[customerevent.OriginRecorded]
		var redeemed []bus.Event[loyaltyevent.PointsRedeemed]
		var refunds []bus.Event[customerevent.OriginRefunded]
		var cancelled []bus.Event[loyaltyevent.RedemptionCancelled]
		var anonymized []bus.Event[customerevent.PersonAnonymized]
		var merged []bus.Event[customerevent.PersonMerged]
		var unmerged []bus.Event[customerevent.PersonUnmerged]
		for _, e := range events {
			switch e := e.(type) {
			case customerevent.PersonAnonymized:
				anonymized = append(anonymized, bus.Event[customerevent.PersonAnonymized]{Body: e})
			case customerevent.PersonMerged:
				merged = append(merged, bus.Event[customerevent.PersonMerged]{Body: e})
			case customerevent.PersonUnmerged:
				unmerged = append(unmerged, bus.Event[customerevent.PersonUnmerged]{Body: e})
			case gatewayevent.SiteChanged:
				sites = append(sites, bus.Event[gatewayevent.SiteChanged]{Body: e})
			case customerevent.OriginRecorded:
				origins = append(origins, bus.Event[customerevent.OriginRecorded]{Body: e})
			case customerevent.OriginRefunded:
				refunds = append(refunds, bus.Event[customerevent.OriginRefunded]{Body: e})
			case loyaltyevent.PointsRedeemed:
				redeemed = append(redeemed, bus.Event[loyaltyevent.PointsRedeemed]{Body: e})
			case loyaltyevent.RedemptionCancelled:
				cancelled = append(cancelled, bus.Event[loyaltyevent.RedemptionCancelled]{Body: e})
			}
		}
		if len(sites) > 0 {
			if err := p.siteChanged(p.t.Context(), u, sites); err != nil {
				return err
			}
		}
		if len(origins) > 0 {
			if err := p.recorded(p.t.Context(), u, origins); err != nil {
				return err
			}
		}
		if len(refunds) > 0 {
			if err := p.refunded(p.t.Context(), u, refunds); err != nil {
				return err
			}
		}
		if err := p.personMerged(p.t.Context(), u, merged); err != nil {
			return err
		}
		if err := p.personUnmerged(p.t.Context(), u, unmerged); err != nil {
			return err
		}
		if len(anonymized) > 0 {
			if err := p.anonymized(p.t.Context(), u, anonymized); err != nil {
				return err
			}
		}
		if err := p.redeemed(p.t.Context(), u, redeemed); err != nil {
			return err
		}
		return p.redemptionCancelled(p.t.Context(), u, cancelled)
	})
}

// told are the events of the outbox, "type key", in order; the outbox is emptied.
func (p *place) told() []string {
	p.t.Helper()
	var rows []struct {
		Type string `db:"type"`
		Key  string `db:"key"`
	}
	err := p.root.Select(&rows, `select type, key from referral.waiting order by id, i`)
	if err == nil {
		_, err = p.root.Exec(`delete from referral.outbox`)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	out := []string{}
	for _, r := range rows {
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(r.Type, "referral."), ".v1")+" "+r.Key)
	}
	return out
}

func (p *place) count(query string, args ...any) int64 {
	p.t.Helper()
	var n int64
	if err := p.root.Get(&n, query, args...); err != nil {
		p.t.Fatal(err)
	}
	return n
}

// incentives of the usual campaign.
var usual = []incentiveInput{
	{Identifier: "advocate_points", ActionType: "referrer", Kind: "points", Points: 500},
	{Identifier: "advocate_commission", ActionType: "referrer", Kind: "commission", Percent: "10"},
	{Identifier: "friend_thanks", ActionType: "referred", Kind: "coupon", CouponCode: "thanks5", CouponAmount: 500},
	{Identifier: "friend_coupon", ActionType: "click", Kind: "coupon", CouponCode: "WELCOME10", CouponPercent: "10"},
}

// campaign makes a live campaign of a site; change may be nil.
func (p *place) campaign(s site.Site, change func(*campaignInput)) campaignJSON {
	p.t.Helper()
	in := campaignInput{Name: "Invite & win", Incentives: usual}
	if change != nil {
		change(&in)
	}
	c, _, err := p.createCampaign(p.t.Context(), s, in, publication{}, idempotency.Key{})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *place) join(s site.Site, person int64, visitors ...string) *referralapi.Offer {
	p.t.Helper()
	o, err := p.Join(p.t.Context(), s, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: person, Visitors: visitors})
	if err != nil {
		p.t.Fatal(err)
	}
	return o
}

// visitLink opens a link as a browser with this visitor's cookie.
func (p *place) visitLink(link, visitor string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	p.t.Helper()
	r := httptest.NewRequest(http.MethodGet, link, nil)
	r.Header.Set("User-Agent", browser)
	if visitor != "" {
		r.AddCookie(&http.Cookie{Name: visitorCookie, Value: visitor})
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	p.Visit(NoPages{}).ServeHTTP(w, r)
	return w
}

func uuidOf(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func (p *place) purchase(s site.Site, origin, person, subtotal int64, visitors ...string) customerevent.OriginRecorded {
	return customerevent.OriginRecorded{SiteID: s.ID, OriginID: origin, Type: customerevent.Purchase, PersonID: person, VisitorIDs: visitors,
		Subtotal: subtotal, Currency: "USD", Verified: true, OccurredAt: p.clock.Now(), RecordedAt: p.clock.Now()}
}

// call asks an operation over HTTP.
func (p *place) call(s site.Site, method, path string, body any, key string) (int, map[string]any, bool) {
	p.t.Helper()
	router, replayed := chi.NewRouter(), false
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			k := idempotency.Key{}
			if key != "" {
				k = idempotency.Key{Value: key, Fingerprint: fmt.Sprint(method, path, body)}
			}
			next.ServeHTTP(w, r.WithContext(web.With(r.Context(), &web.Request{ID: "request", Site: s, KeyID: p.keyID, Idempotency: k, Replayed: &replayed})))
		})
	})
	p.Routes(web.NewAPI(router, "test", "1", ""))
	text := []byte{}
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			p.t.Fatal(err)
		}
	}
	r := httptest.NewRequest(method, path, bytes.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		p.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Code, out, replayed
}
