package analytics

import (
	"fmt"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// BenchmarkCount is the consumer's work on a batch of 200 sales and 200 visits of ten sites, whose events hold no more than they have to.
func BenchmarkCount(b *testing.B) {
	m := newBench(b)
	var sold []customerevent.OriginRecorded
	var seen []bus.Event[referralevent.LinksVisited]
	for id := range int64(10) {
		m.site(id+1, "USD", "UTC")
	}
	for i := range int64(200) {
		sold = append(sold, customerevent.OriginRecorded{SiteID: i%10 + 1, Type: customerevent.Purchase, Subtotal: 100, Currency: "USD", Verified: true, OccurredAt: start})
	}
	for n := 0; b.Loop(); n++ {
		seen = seen[:0]
		for i := range int64(200) {
			seen = append(seen, events(referralevent.LinksVisited{SiteID: i%10 + 1, Visits: []referralevent.Visit{{CampaignID: 1, VisitorID: fmt.Sprint(n, i), FirstOfThem: true, VisitedAt: start}}})...)
		}
		if err := apply(m, originFacts, sold...); err != nil {
			b.Fatal(err)
		}
		err := m.Outbox.InTx(b.Context(), func(u *bus.Unit) error { return m.onVisits(b.Context(), u, seen) })
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkYear is a report over a year of a busy site: ten campaigns, six channels, three devices, two variants, so 360 rows of visits a day.
func BenchmarkYear(b *testing.B) {
	m := newBench(b)
	m.site(1, "USD", "UTC")
	_, err := m.DB.Exec(`
		insert into analytics.daily (site_id, metric, day, campaign_id, currency, channel, device_type, variant, count, sum)
		select 1, m, '2025-01-01'::date + d, c, '', 'channel_' || h, (array['desktop', 'mobile', 'tablet'])[v], x, 10, 0
		from unnest(array['visits', 'visits_unique', 'shares', 'first_time_visits']) m, generate_series(0, 364) d, generate_series(1, 10) c, generate_series(1, 6) h, generate_series(1, 3) v,
			unnest(array['a', 'b']) x`)
	if err != nil {
		b.Fatal(err)
	}
	var grown string
	err = m.DB.Get(&grown, `select count(*) || ' rows, ' || pg_size_pretty(pg_table_size('analytics.daily')) || ' and ' || pg_size_pretty(pg_indexes_size('analytics.daily')) from analytics.daily`)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("a year of four keys: %s", grown)
	h := m.server(1, "USD")
	for _, query := range []string{"visits?", "visits?sharing_channels=channel_1&mobile_visitor=true&", "visits/segmentize?segment_by[period]=month&", "visits/segmentize?segment_by[period]=day&",
		"visits/detalize?detalize_by[sharing_channels]=true&", "visit_percentage/segmentize?segment_by[period]=week&segment_by[device_types]=true&segment_by[sharing_channels]=true&"} {
		b.Run(strings.TrimSuffix(query, "&"), func(b *testing.B) {
			for b.Loop() {
				if code, body := get(b, h, "/api/v2/metrics/"+query+"start_date=2025-01-01&end_date=2025-12-31"); code != 200 {
					b.Fatal(code, body)
				}
			}
		})
	}
}

// TestYearOfABusySite reads the days by the table's key, and no more of them than are asked for.
func TestYearOfABusySite(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.site(1, "USD", "UTC")
	_, err := b.DB.Exec(`
		insert into analytics.daily (site_id, metric, day, campaign_id, currency, channel, device_type, count, sum)
		select s, m, '2025-01-01'::date + d, c, '', 'channel_' || h, (array['desktop', 'mobile', 'tablet'])[v], 10, 0
		from generate_series(1, 2) s, unnest(array['visits', 'visits_unique', 'shares']) m, generate_series(0, 364) d, generate_series(1, 4) c, generate_series(1, 4) h, generate_series(1, 3) v`)
	if err != nil {
		t.Fatal(err)
	}
	q, err := read("visits", map[string][]string{"start_date": {"2025-01-01"}, "end_date": {"2025-12-31"}, "sharing_channels": {"channel_1"}}, "USD")
	if err != nil {
		t.Fatal(err)
	}
	query, arguments := totalsOf(1, q, split{by: byDevice})
	var plan []string
	if err := b.DB.Select(&plan, `explain (analyze, buffers) `+query, arguments...); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(plan, "\n")
	t.Log("\n" + text)
	if !strings.Contains(text, "daily_pkey") || strings.Contains(text, "Seq Scan") {
		t.Errorf("the days aren't read by their key:\n%s", text)
	}
}
