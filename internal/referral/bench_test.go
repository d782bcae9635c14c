package referral

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
	"github.com/talkable/talkable/internal/postgres/pgtest"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

// durable is a place on a cluster with the settings of production.
func durable(b *testing.B) *place {
	s, _ := pgtest.Durable(b)
	if err := migrated(b.Context(), s.URL("postgres")); err != nil {
		b.Fatal(err)
	}
	p := open(b, s.URL("postgres"), 8)
	p.tell(gatewayevent.SiteChanged{SiteID: 1, Slug: "one", Currency: "USD", TimeZone: "UTC", URL: "https://one.example/"})
	p.campaign(p.one, nil)
	return p
}

func BenchmarkVisit(b *testing.B) {
	p := durable(b)
	var links []string
	for i := range 100 {
		links = append(links, p.join(p.one, int64(i+1)).ClaimURL)
	}
	h := p.Visit(NoPages{})
	var n atomic.Int64
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(n.Add(1))
			r := httptest.NewRequest(http.MethodGet, links[i%len(links)], nil)
			r.Header.Set("User-Agent", browser)
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != http.StatusFound {
				b.Errorf("%d %s", w.Code, w.Body)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "visits/s")
}

func BenchmarkRecorded(b *testing.B) {
	for _, matched := range []bool{false, true} {
		b.Run("matched="+strconv.FormatBool(matched), func(b *testing.B) {
			p := durable(b)
			h, link, origin := p.Visit(NoPages{}), p.join(p.one, 1).ClaimURL, int64(0)
			for b.Loop() {
				b.StopTimer()
				events := make([]bus.Payload, 500)
				for i := range events {
					origin++
					if matched {
						r := httptest.NewRequest(http.MethodGet, link, nil)
						r.Header.Set("User-Agent", browser)
						r.AddCookie(&http.Cookie{Name: visitorCookie, Value: uuidOf(int(origin))})
						h.ServeHTTP(httptest.NewRecorder(), r)
					}
					events[i] = p.purchase(p.one, origin, 1000+origin, 10_000, uuidOf(int(origin)))
				}
				p.clock.Move(time.Second)
				b.StartTimer()
				p.tell(events...)
			}
			b.ReportMetric(float64(origin)/b.Elapsed().Seconds(), "origins/s")
		})
	}
}

// Hot reads: the campaign for an origin whose advocate has an offer, and an offer by its code.
func BenchmarkHotReads(b *testing.B) {
	p := durable(b)
	code := p.join(p.one, 1).ShortURLCode
	for name, read := range map[string]func() error{
		"campaign": func() error {
			shelf, err := p.catalog.of(b.Context(), 1)
			if err == nil {
				_, err = p.chooseCampaign(b.Context(), shelf, want{s: p.one, person: 1}, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: 1})
			}
			return err
		},
		"offer": func() error {
			_, err := p.Offer(b.Context(), p.one, code, nil)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
