package analytics

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// stocked has sales, visits and approved referrals of two sites.
func stocked(t *testing.T) *bench {
	b := newBench(t)
	b.site(1, "USD", "UTC")
	b.site(2, "JPY", "UTC")
	day := func(text string) time.Time {
		d, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return d.Add(13 * time.Hour)
	}
	sale := func(site int64, on string, subtotal int64, currency string, first bool) customerevent.OriginRecorded {
		return customerevent.OriginRecorded{SiteID: site, Type: customerevent.Purchase, Subtotal: subtotal, Currency: currency,
			Verified: true, FirstPurchase: first, OccurredAt: day(on)}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(apply(b, originFacts, sale(1, "2024-01-01", 10044, "", true), sale(1, "2024-01-01", 5000, "USD", false), sale(1, "2024-01-10", 100, "USD", false),
		sale(1, "2024-01-31", 7777, "EUR", true), sale(1, "2024-02-01", 1, "USD", false), sale(1, "2023-12-31", 2, "USD", false), sale(2, "2024-01-05", 900, "", true)))
	check(apply(b, refundFacts, customerevent.OriginRefunded{SiteID: 1, Refunded: 100, RefundedTotal: 100, Currency: "USD", OccurredAt: day("2024-01-01"), RefundedAt: day("2024-03-01")}))
	visit := func(campaign int64, visitor, on string) referralevent.Visit {
		return referralevent.Visit{CampaignID: campaign, VisitorID: visitor, VisitedAt: day(on)}
	}
	check(b.Outbox.InTx(t.Context(), func(u *bus.Unit) error {
		return b.onVisits(t.Context(), u, events(referralevent.LinksVisited{SiteID: 1, Visits: []referralevent.Visit{
			visit(1, "a", "2024-01-01"), visit(1, "a", "2024-01-01"), visit(1, "b", "2024-01-01"), visit(2, "a", "2024-01-02")}}))
	}))
	check(apply(b, approvedFacts, referralevent.ReferralApproved{SiteID: 1, CampaignID: 1, Subtotal: 999, Currency: "USD", OccurredAt: day("2024-01-01")}))
	return b
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	b := stocked(t)
	h := b.server(1, "USD")
	const january = "start_date=2024-01-01&end_date=2024-01-31"
	for query, want := range map[string]string{
		"total_sales_count?" + january:                                           `{"plain":4,"formatted":"4","result_type":"number"}`,
		"total_sales_count?start_date=1/1/2024&end_date=01/31/2024":              `{"plain":4,"formatted":"4","result_type":"number"}`,
		"total_sales_count?currency=EUR&" + january:                              `{"plain":1,"formatted":"1","result_type":"number"}`,
		"total_sales_sum?" + january:                                             `{"plain":151.44,"formatted":"$151.44","result_type":"money"}`,
		"total_sales_sum?precision=0&" + january:                                 `{"plain":151,"formatted":"$151","result_type":"money"}`,
		"total_sales_sum?precision=1&" + january:                                 `{"plain":151.4,"formatted":"$151.4","result_type":"money"}`,
		"total_sales_sum?currency=EUR&" + january:                                `{"plain":77.77,"formatted":"€77.77","result_type":"money"}`,
		"total_sales_sum?currency=CHF&" + january:                                `{"plain":0.00,"formatted":"CHF 0","result_type":"money"}`,
		"total_sales_aov?" + january:                                             `{"plain":50.48,"formatted":"$50.48","result_type":"money"}`,
		"total_sales_aov?start_date=2020-01-01&end_date=2020-01-01":              `{"plain":0.00,"formatted":"$0","result_type":"money"}`,
		"new_customers?" + january:                                               `{"plain":2,"formatted":"2","result_type":"number"}`,
		"refunded_sales_count?" + january:                                        `{"plain":1,"formatted":"1","result_type":"number"}`,
		"refunded_sales_sum?" + january:                                          `{"plain":1.00,"formatted":"$1","result_type":"money"}`,
		"refunded_sales_percentage?" + january:                                   `{"plain":25.00,"formatted":"25.00%","result_type":"percent"}`,
		"refunded_sales_percentage?currency=USD&" + january:                      `{"plain":33.33,"formatted":"33.33%","result_type":"percent"}`,
		"refunded_sales_percentage?precision=0&currency=USD&" + january:          `{"plain":33,"formatted":"33%","result_type":"percent"}`,
		"visits?" + january:                                                      `{"plain":4,"formatted":"4","result_type":"number"}`,
		"visits_unique?" + january:                                               `{"plain":3,"formatted":"3","result_type":"number"}`,
		"clicks?campaign_ids=1&" + january:                                       `{"plain":3,"formatted":"3","result_type":"number"}`,
		"visits?campaign_ids[]=1&campaign_ids[]=2&" + january:                    `{"plain":4,"formatted":"4","result_type":"number"}`,
		"visits?campaign_ids%5B%5D=2&" + january:                                 `{"plain":1,"formatted":"1","result_type":"number"}`,
		"visits?campaign_ids=2,9&" + january:                                     `{"plain":1,"formatted":"1","result_type":"number"}`,
		"conversion_percentage?" + january:                                       `{"plain":33.33,"formatted":"33.33%","result_type":"percent"}`,
		"talkable_sales_sum?campaign_ids=1&" + january:                           `{"plain":9.99,"formatted":"$9.99","result_type":"money"}`,
		"offers?start_date=2014-09-01&end_date=2014-10-01&api_key=K&site_slug=s": `{"plain":0,"formatted":"0","result_type":"number"}`,
		"visits?exclude_qa_generated=true&live_campaigns_only=false&" + january:  `{"plain":4,"formatted":"4","result_type":"number"}`,
		"total_sales_count?campaign_ids=1&" + january:                            `{"plain":4,"formatted":"4","result_type":"number","passed_over":["campaign_ids"]}`,
		"visits?currency=USD&traffic_sources=a&" + january:                       `{"plain":4,"formatted":"4","result_type":"number","passed_over":["traffic_sources","currency"]}`,
		"total_sales_count?start_date=2024-01-31&end_date=2024-01-31":            `{"plain":1,"formatted":"1","result_type":"number"}`,
		"total_sales_count?start_date=1950-01-01&end_date=2050-01-01":            `{"plain":6,"formatted":"6","result_type":"number"}`,
	} {
		code, body := get(t, h, "/api/v2/metrics/"+query)
		if want = `{"ok":true,"result":` + want + "}\n"; code != 200 || body != want {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
	if _, body := get(t, b.server(2, "JPY"), "/api/v2/metrics/total_sales_sum?"+january); !strings.Contains(body, `"plain":900,"formatted":"¥900"`) {
		t.Errorf("site 2: %s", body)
	}
	for query, want := range map[string]string{
		"no_such_rate?" + january:                                   "No metric found.",
		"visits/segmentize?segment_by[period]=hour&" + january:      "Unsupported option for period segmentation. Supported options: day, week, month, quarter, year",
		"visits/segmentize?" + january:                              "Unsupported option for period segmentation. Supported options: day, week, month, quarter, year",
		"visits?traffic_source=a&" + january:                        "This filter isn't available here: traffic_source.",
		"visits/segmentize?segment_by[campaign_types]=x&" + january: "segment_by[campaign_types] must be true or false.",
		"visits?segment_by[period]=day&" + january:                  "This filter isn't available here: segment_by[period].",
		"visits?exclude_qa_generated=maybe&" + january:              "exclude_qa_generated must be true or false.",
		"total_sales_sum?currency=XXQ&" + january:                   "ISO 4217",
		"visits?campaign_ids=x&" + january:                          "ids of campaigns",
		"visits?precision=7&" + january:                             "precision must be",
		"visits?start_date=2024-01-01":                              "end_date",
		"visits?start_date=2024-02-30&end_date=2024-03-01":          "start_date is required and must be a date",
		"visits?start_date=13/1/2024&end_date=2024-03-01":           "start_date is required and must be a date",
		"visits?start_date=2024-02-01&end_date=2024-01-01":          "start_date must not be after end_date.",
		"visits?start_date=1900-01-01&end_date=2024-01-01":          "100 years",
		"visits?" + january + "&start_date=%zz":                     "",
	} {
		code, body := get(t, h, "/api/v2/metrics/"+query)
		var p struct {
			OK           *bool
			ErrorMessage string `json:"error_message"`
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil || code != 400 || p.OK == nil || *p.OK || !strings.Contains(p.ErrorMessage, want) {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
	_, body := get(t, h, "/api/v2/metrics")
	golden(t, "metrics.json", strings.ReplaceAll(body, "},{", "},\n{"))
}

// tagged are campaigns 1 (live, invite) and 2 (disabled, invite and old) of every site.
type tagged struct{}

func (tagged) CampaignIDs(_ context.Context, _ int64, tags []string, status string) ([]int64, error) {
	var ids []int64
	for id, c := range map[int64]struct {
		tags   []string
		status string
	}{1: {[]string{"invite"}, "live"}, 2: {[]string{"invite", "old"}, "disabled"}} {
		if (status == "" || status == c.status) && (len(tags) == 0 || slices.ContainsFunc(tags, func(t string) bool { return slices.Contains(c.tags, t) })) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (tagged) CampaignLabels(context.Context, int64) (map[int64]referralapi.CampaignLabels, error) {
	return map[int64]referralapi.CampaignLabels{1: {Tags: []string{"invite"}, Types: []string{"affiliate_member"}},
		2: {Tags: []string{"invite", "old"}, Types: []string{"affiliate_member", "purchase"}}}, nil
}

func TestDetalize(t *testing.T) {
	t.Parallel()
	b := stocked(t)
	b.Module.Campaigns = tagged{}
	h := b.server(1, "USD")
	const january = "start_date=2024-01-01&end_date=2024-01-31"
	one := func(n int, more string) string {
		return fmt.Sprintf(`{"plain":%d,"formatted":"%d","result_type":"number"%s}`, n, n, more)
	}
	for query, want := range map[string]string{
		"visits/detalize?detalize_by[campaigns]=true&" + january:                                          one(3, `,"campaign":1`) + "," + one(1, `,"campaign":2`),
		"visits/detalize?detalize_by[campaigns]=1&campaign_ids=2&" + january:                              one(1, `,"campaign":2`),
		"visits/detalize?detalize_by[campaigns]=1&campaign_tags=old&" + january:                           one(1, `,"campaign":2`),
		"visits/detalize?detalize_by[campaigns]=1&campaign_tags[]=invite&campaign_status=live&" + january: one(3, `,"campaign":1`),
		"visits/detalize?detalize_by[campaigns]=1&live_campaigns_only=true&" + january:                    one(3, `,"campaign":1`),
		"visits/detalize?detalize_by[campaigns]=1&campaign_tags=none&" + january:                          ``,
		"visits/detalize?detalize_by[campaigns]=1&campaign_ids=1&campaign_tags=old&" + january:            ``,
		"visits/detalize?detalize_by[period]=month&" + january:                                            one(4, `,"period":"1/1/24 - 1/31/24"`),
		"visits/detalize?detalize_by[period]=month&start_date=2020-01-01&end_date=2020-01-31":             one(0, `,"period":"1/1/20 - 1/31/20"`),
		"visits/detalize?detalize_by[campaigns]=true&detalize_by[period]=day&start_date=2024-01-01&end_date=2024-01-02": one(3, `,"campaign":1,"period":"1/1/24 - 1/1/24"`) + "," +
			one(0, `,"campaign":1,"period":"1/2/24 - 1/2/24"`) + "," + one(0, `,"campaign":2,"period":"1/1/24 - 1/1/24"`) + "," + one(1, `,"campaign":2,"period":"1/2/24 - 1/2/24"`),
		"total_sales_sum/detalize?detalize_by[period]=year&" + january: `{"plain":151.44,"formatted":"$151.44","result_type":"money","period":"1/1/24 - 1/31/24"}`,
	} {
		code, body := get(t, h, "/api/v2/metrics/"+query)
		if want = `{"ok":true,"result":{"detalized":[` + want + `]}}`; code != 200 || strings.TrimSpace(body) != want {
			t.Errorf("%s\n\tis %d %s\n\twant %s", query, code, body, want)
		}
	}
	for query, want := range map[string]string{
		"visits?campaign_status=live&" + january:                                          `"plain":3`,
		"visits?campaign_tags=invite,old&" + january:                                      `"plain":4`,
		"visits?campaign_tags=invite&campaign_tags=x&campaign_status=disabled&" + january: `"plain":1`,
		"visits?campaign_tags=nothing&" + january:                                         `"plain":0`,
		"revenue_percentage?" + january:                                                   `"plain":6.60,"formatted":"6.60%"`,
		"lift_in_sales?" + january:                                                        `"plain":7.06,"formatted":"7.06%"`,
		"revenue_percentage?start_date=2020-01-01&end_date=2020-01-01":                    `"plain":0.00`,
	} {
		if code, body := get(t, h, "/api/v2/metrics/"+query); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
	for query, want := range map[string]string{
		"visits/detalize?" + january:                          "detalize_by must name a period, campaigns, sharing_channels or another way.",
		"visits/detalize?detalize_by[period]=hour&" + january: "Unsupported option for period segmentation. Supported options: day, week, month, quarter, year",
		"visits/detalize?detalize_by[period]=day&detalize_by[campaigns]=1&start_date=1930-01-01&end_date=2029-12-31": "That would be more than 50000 rows; please ask for longer periods, fewer days or fewer campaigns.",
		"visits/detalize?detalize_by[campaigns]=maybe&" + january:                                                    "detalize_by[campaigns] must be true or false.",
		"visits?campaign_status=dead&" + january:                                                                     "campaign_status must be live, test, scheduled or disabled.",
		"visits?live_campaigns_only=yes&" + january:                                                                  "live_campaigns_only must be true or false.",
		"visits?live_campaigns_only=true&campaign_status=test&" + january:                                            "live_campaigns_only contradicts campaign_status.",
	} {
		if code, body := get(t, h, "/api/v2/metrics/"+query); code != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
}

func TestSegments(t *testing.T) {
	t.Parallel()
	b := stocked(t)
	h := b.server(1, "USD")
	for name, query := range map[string]string{
		"day.json":     "clicks/segmentize/?campaign_ids=1&segment_by[period]=day&start_date=2024-01-01&end_date=2024-01-10",
		"week.json":    "total_sales_count/segmentize?segment_by[period]=week&start_date=2023-12-31&end_date=2024-02-01",
		"month.json":   "total_sales_sum/segmentize?segment_by%5Bperiod%5D=month&start_date=12/15/2023&end_date=2/10/2024",
		"quarter.json": "total_sales_sum/segmentize?segment_by[period]=quarter&start_date=2023-11-30&end_date=2024-07-01",
		"year.json":    "refunded_sales_percentage/segmentize?segment_by[period]=year&start_date=2023-01-01&end_date=2024-12-31",
		"one.json":     "total_sales_sum/segmentize/?segment_by[period]=day&start_date=2024-01-01&end_date=2024-01-01",
	} {
		code, body := get(t, h, "/api/v2/metrics/"+query)
		if code != 200 {
			t.Fatal(code, body)
		}
		golden(t, name, strings.ReplaceAll(body, "},{", "},\n{"))
	}
	started := time.Now()
	code, body := get(t, h, "/api/v2/metrics/total_sales_sum/segmentize?segment_by[period]=day&start_date=1930-01-01&end_date=2030-01-01")
	if n := strings.Count(body, `"period"`); code != 200 || n != 36526 {
		t.Errorf("a century: %d, %d days", code, n)
	}
	t.Logf("a century by days took %s", time.Since(started))
}

// Purchases of years ago count on their own dates: the months' totals are those of the file.
func TestImportedMonths(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.site(1, "USD", "America/New_York")
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	type month struct{ count, sum int64 }
	want := map[string]month{}
	var batch []customerevent.OriginRecorded
	at := time.Date(2019, 11, 15, 23, 59, 0, 0, zone)
	for i := range int64(2000) {
		o := customerevent.OriginRecorded{SiteID: 1, OriginID: i, Type: customerevent.Purchase, Subtotal: 1000 + i*7%5000, Currency: "USD",
			Verified: true, OccurredAt: at.UTC(), RecordedAt: start}
		batch = append(batch, o)
		m := want[at.Format("1/06")]
		want[at.Format("1/06")] = month{m.count + 1, m.sum + o.Subtotal}
		at = at.Add(19*time.Hour + 37*time.Minute)
	}
	for i := 0; i < len(batch); i += 500 {
		if err := apply(b, originFacts, batch[i:i+500]...); err != nil {
			t.Fatal(err)
		}
	}
	for metric, show := range map[string]func(month) string{
		"total_sales_count": func(m month) string { return fmt.Sprint(m.count) },
		"total_sales_sum":   func(m month) string { return money.Format(m.sum, "USD") },
	} {
		_, body := get(t, b.server(1, "USD"), "/api/v2/metrics/"+metric+"/segmentize?segment_by[period]=month&start_date=2019-01-01&end_date=2026-12-31")
		var answer struct {
			Result struct {
				Segmented []struct {
					Plain  json.Number
					Period string
				}
			}
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err, body)
		}
		if len(answer.Result.Segmented) != 96 {
			t.Errorf("%d months", len(answer.Result.Segmented))
		}
		for _, s := range answer.Result.Segmented {
			first, _, _ := strings.Cut(s.Period, " ")
			d, err := time.Parse("1/2/06", first)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := s.Plain.String(), show(want[d.Format("1/06")]); got != want {
				t.Errorf("%s %s: %s, want %s", metric, s.Period, got, want)
			}
		}
	}
}
