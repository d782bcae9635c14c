package analytics

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// faceted is one of each fact, with a value for each facet.
func faceted() []fact {
	const at, when = "facebook", "ios"
	made := referralevent.ReferralCreated{SiteID: 1, ReferralID: 9, CampaignID: 1, Status: referralevent.Pending, TrackMethod: trackedByVisit, Subtotal: 100, Currency: "USD", FirstOrder: true,
		OccurredAt: start, Channel: at, TrafficSource: when, DeviceType: "mobile", EventCategory: "purchase", Variant: "b",
		UTMSource: "letter", UTMMedium: "paper", UTMCampaign: "spring"}
	barred, approved := made, referralevent.ReferralApproved{SiteID: 1, ReferralID: 9, CampaignID: 1, TrackMethod: trackedByCoupon, Subtotal: 100, Currency: "USD", OccurredAt: start,
		Channel: at, TrafficSource: when, DeviceType: "mobile", EventCategory: "purchase", Variant: "b",
		UTMSource: "letter", UTMMedium: "paper", UTMCampaign: "spring"}
	barred.Status = referralevent.Blocked
	fresh := approved
	fresh.FirstOrder = true
	sale := customerevent.OriginRecorded{SiteID: 1, Type: customerevent.Purchase, Subtotal: 100, Currency: "USD", Verified: true, FirstPurchase: true, OccurredAt: start,
		TrafficSource: when, DeviceType: "mobile", UTMSource: "letter", UTMMedium: "paper", UTMCampaign: "spring"}
	member, event := sale, sale
	member.Type, member.PersonID, event.Type, event.Category = customerevent.AffiliateMember, 7, customerevent.Event, "quiz"
	member.OptedIn, member.FirstOptIn = true, true
	rewarded := func(w referralevent.RewardIssued) referralevent.RewardIssued {
		w.SiteID, w.CampaignID, w.OccurredAt = 1, 1, start
		w.Channel, w.TrafficSource, w.DeviceType, w.EventCategory, w.Variant = at, when, "mobile", "purchase", "b"
		w.UTMSource, w.UTMMedium, w.UTMCampaign = "letter", "paper", "spring"
		return w
	}
	return slices.Concat(originFacts(sale), originFacts(member), originFacts(event), createdFacts(made), createdFacts(barred), approvedFacts(approved), approvedFacts(fresh),
		refundFacts(customerevent.OriginRefunded{SiteID: 1, Refunded: 100, RefundedTotal: 100, Currency: "USD", OccurredAt: start, Type: customerevent.Purchase, TrafficSource: when, DeviceType: "mobile",
			UTMSource: "letter", UTMMedium: "paper", UTMCampaign: "spring"}),
		offerFacts(referralevent.OfferCreated{SiteID: 1, CampaignID: 1, CreatedAt: start, TrafficSource: when, DeviceType: "mobile", EventCategory: "purchase", Variant: "b"}),
		sharedFacts(referralevent.OfferShared{SiteID: 1, CampaignID: 1, Channel: at, First: true, SharedAt: start, TrafficSource: when, DeviceType: "mobile", EventCategory: "purchase", Variant: "b"}),
		visitFacts(1, referralevent.Visit{CampaignID: 1, VisitorID: "v", Channel: "email", FirstOfThem: true, VisitedAt: start, DeviceType: "mobile", Variant: "b"}),
		rewardFacts(rewarded(referralevent.RewardIssued{Side: "advocate", Reason: "referrer", Kind: referralevent.Commission, Amount: 50, Currency: "USD"})),
		rewardFacts(rewarded(referralevent.RewardIssued{Side: "advocate", Reason: "referrer", Kind: referralevent.Points})),
		rewardFacts(rewarded(referralevent.RewardIssued{Side: "friend", Kind: referralevent.Commission, Amount: 100, Currency: "USD"})),
		rewardBackFacts(referralevent.RewardClawedBack{SiteID: 1, CampaignID: 1, Kind: referralevent.Commission, Amount: 25, Currency: "USD", ClawedAt: start,
			Channel: at, TrafficSource: when, DeviceType: "mobile", EventCategory: "purchase", Variant: "b", UTMSource: "letter", UTMMedium: "paper", UTMCampaign: "spring"}),
		couponFacts(referralevent.CouponsUsed{SiteID: 1, ByAdvocate: true, ByFriend: true, RewardsUsed: 1, Subtotal: 100, Currency: "USD", OccurredAt: start,
			TrafficSource: when, DeviceType: "mobile", EventCategory: "purchase", UTMSource: "letter", UTMMedium: "paper", UTMCampaign: "spring"}),
		advocateFacts(referralevent.AdvocatePurchased{SiteID: 1, FirstPurchase: true, Subtotal: 100, Currency: "USD", OccurredAt: start, TrafficSource: when, DeviceType: "mobile", EventCategory: "purchase",
			UTMSource: "letter", UTMMedium: "paper", UTMCampaign: "spring"}),
		advocateFacts(referralevent.AdvocatePurchased{SiteID: 1, Subtotal: 100, Currency: "USD", OccurredAt: start, TrafficSource: when, DeviceType: "mobile", EventCategory: "purchase",
			UTMSource: "letter", UTMMedium: "paper", UTMCampaign: "spring"}),
		sharedFacts(referralevent.OfferShared{SiteID: 1, CampaignID: 1, Channel: at, Second: true, SharedAt: start, TrafficSource: when, DeviceType: "mobile", EventCategory: "purchase", Variant: "b"}),
		claimedFacts(referralevent.OfferClaimed{SiteID: 1, CampaignID: 1, ClaimedAt: start, Channel: at, OptedIn: true, Stranger: true}),
		voidedFacts(referralevent.ReferralVoided{SiteID: 1, CampaignID: 1, Status: referralevent.Voided, VoidedAt: start,
			Channel: at, TrafficSource: when, DeviceType: "mobile", EventCategory: "purchase", Variant: "b", UTMSource: "letter", UTMMedium: "paper", UTMCampaign: "spring"}))
}

// Each fact has a value for everything that its key is kept by, and every key says what it is kept by.
func TestFacts_have_what_they_are_kept_by(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range faceted() {
		seen[f.key] = true
		for i, kind := range facetKinds {
			if keptBy[f.key].has(bit(i)) && f.facets[i] == "" && (f.key != idealSales || f.campaign != 0) {
				t.Errorf("%s has no %s", f.key, kind.column)
			}
		}
	}
	for _, m := range metrics {
		for _, key := range m.keys() {
			by, ok := keptBy[key]
			if !ok {
				t.Errorf("nobody says by what %s is kept", key)
			}
			if by&^(byCampaign|byCurrency) != 0 && !seen[key] && key != uniqueVisits {
				t.Errorf("%s is never seen with its facets", key)
			}
		}
	}
}

// told hears the events of two sites that differ in every facet.
func told(t testing.TB) *bench {
	t.Helper()
	b := newBench(t)
	b.Module.Campaigns = tagged{}
	b.site(1, "USD", "UTC")
	b.site(2, "USD", "UTC")
	all := faceted()
	for _, f := range all {
		if f.key == visits {
			f.key = uniqueVisits
			all = append(all, f)
		}
	}
	for _, f := range all {
		for _, change := range []func(*fact){
			func(*fact) {},
			func(f *fact) { f.facets = facets{"email", "web", "desktop", "quiz", "a", "web", "cpc", "autumn"} },
			func(f *fact) { f.facets, f.campaign = facets{channel: "email"}, min(f.campaign, 1)*2 },
			func(f *fact) { f.facets = facets{"facebook", "web", "tablet", "quiz", "b"} },
			func(f *fact) { f.site, f.count = 2, 100 }, // the twin
		} {
			one := f
			change(&one)
			err := b.Outbox.InTx(t.Context(), func(u *bus.Unit) error { return b.countAll(t.Context(), u, []fact{one}) })
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return b
}

// answered is what a metric's operations answer.
type answered struct {
	Plain      float64
	PassedOver []string `json:"passed_over"`
	Segmented  []map[string]any
	Detalized  []map[string]any
}

func ask(t *testing.T, h http.Handler, path string) answered {
	t.Helper()
	var a struct{ Result answered }
	code, body := get(t, h, "/api/v2/metrics/"+path)
	if err := json.Unmarshal([]byte(body), &a); err != nil || code != 200 {
		t.Fatalf("%s: %d %s", path, code, body)
	}
	return a.Result
}

// counts says that the parts of a metric add up to it.
func (m metric) counts() bool { return (m.kind == countOf || m.kind == moneyOf) && m.over == "" }

// different are the metrics without those that are the same by another name.
func different() []metric {
	type made struct {
		kind     kind
		of, over string
	}
	seen := map[made]bool{}
	return slices.DeleteFunc(slices.Clone(metrics), func(m metric) bool {
		k := made{m.kind, m.of, m.over}
		again := seen[k]
		seen[k] = true
		return again
	})
}

const oneDay = "start_date=2026-03-01&end_date=2026-03-01"

// Every metric takes every filter in every spelling, alone and together with others, and says which it passed over: those that nothing of
// it is kept by.
func TestEveryMetricTakesEveryFilter(t *testing.T) {
	t.Parallel()
	h := told(t).server(1, "USD")
	filters := map[string]struct {
		by     keeping
		values []string
	}{"campaign_ids": {byCampaign, []string{"1", "2"}}, "campaign_tags": {byCampaign, []string{"invite", "old"}}, "sharing_channels": {byChannel, []string{"facebook", "email"}},
		"traffic_sources": {bySource, []string{"ios", "web"}}, "device_type": {byDevice, []string{"mobile", "Desktop"}}, "event_categories": {byCategory, []string{"purchase", "quiz"}},
		"split_test": {byVariant, []string{"a", "b"}}, "utm_source": {bit(utmSource), []string{"letter", "web"}}, "utm_medium": {bit(utmMedium), []string{"paper", "cpc"}},
		"utm_campaign": {bit(utmCampaign), []string{"spring", "autumn"}}}
	for _, m := range different() {
		whole := ask(t, h, m.name+"?"+oneDay)
		every := url.Values{}
		for name, f := range filters {
			every.Set(name, f.values[0])
			var same []float64
			for _, spelled := range []string{name + "[1]=" + f.values[0] + "&" + name + "[0]=" + f.values[1], name + "[]=" + f.values[0] + "&" + name + "[]=" + f.values[1], name + "=" + strings.Join(f.values, ","),
				url.QueryEscape(name+"[]") + "=" + strings.Join(f.values, "%2C"), name + "=" + f.values[1] + "&" + name + "=" + f.values[0]} {
				got := ask(t, h, m.name+"?"+oneDay+"&"+spelled)
				same = append(same, got.Plain)
				if past := m.kept() && !m.keeping().has(f.by); past != slices.Equal(got.PassedOver, []string{name}) || past && got.Plain != whole.Plain {
					t.Errorf("%s?%s is %+v, without it %v", m.name, spelled, got, whole.Plain)
				}
			}
			if slices.Max(same) != slices.Min(same) {
				t.Errorf("%s: the spellings of %s are %v", m.name, name, same)
			}
			one, two := ask(t, h, m.name+"?"+oneDay+"&"+name+"="+f.values[0]).Plain, ask(t, h, m.name+"?"+oneDay+"&"+name+"="+f.values[1]).Plain
			if name != "campaign_tags" && m.counts() && m.keeping().has(f.by) && one+two != same[0] {
				t.Errorf("%s by %s: %v and %v, together %v", m.name, name, one, two, same[0])
			}
		}
		got := ask(t, h, m.name+"?"+every.Encode()+"&mobile_visitor=True&live_campaigns_only=true&exclude_qa_generated=false&precision=1&currency=USD&"+oneDay)
		if m.kept() != (len(got.PassedOver) > 0) && m.keeping().size() < facetCount+2 {
			t.Errorf("%s by everything passes over %v", m.name, got.PassedOver)
		}
		mobile, others := ask(t, h, m.name+"?mobile_visitor=true&"+oneDay), ask(t, h, m.name+"?mobile_visitor=0&"+oneDay)
		if m.counts() && m.keeping().has(byDevice) && mobile.Plain+others.Plain != whole.Plain {
			t.Errorf("%s: mobile %v, others %v, all %v", m.name, mobile.Plain, others.Plain, whole.Plain)
		}
	}
}

// Every metric can be taken apart in every way, by both operations: where it is kept by it the rows add up to the whole, else it is one row
// whose value is empty.
func TestEveryMetricIsTakenApart(t *testing.T) {
	t.Parallel()
	h := told(t).server(1, "USD")
	ways := map[string]struct {
		by     keeping
		member string
	}{"campaigns": {byCampaign, "campaign"}, "campaign_tags": {byCampaign, "campaign_tag"}, "campaign_types": {byCampaign, "campaign_type"}}
	for i, f := range facetKinds {
		ways[f.way] = struct {
			by     keeping
			member string
		}{bit(i), f.member}
	}
	for _, m := range different() {
		whole := ask(t, h, m.name+"?"+oneDay)
		for way, w := range ways {
			s := ask(t, h, m.name+"/segmentize/?segment_by["+way+"]=true&"+oneDay)
			d := ask(t, h, m.name+"/detalize?detalize_by["+way+"]=1&"+oneDay)
			if len(s.Segmented) != len(d.Detalized) || len(s.Segmented) == 0 {
				t.Errorf("%s by %s: %d and %d rows", m.name, way, len(s.Segmented), len(d.Detalized))
				continue
			}
			sum := 0.0
			for i, row := range s.Segmented {
				sum += row["plain"].(float64)
				if _, ok := row[way]; !ok || row[way] != d.Detalized[i][w.member] || row["period"] != "3/1/26 - 3/1/26" {
					t.Errorf("%s by %s: %v, %v", m.name, way, row, d.Detalized[i])
				}
			}
			if past := m.kept() && !m.keeping().has(w.by); past != (len(s.PassedOver) == 1 && len(d.PassedOver) == 1) {
				t.Errorf("%s by %s passes over %v", m.name, way, s.PassedOver)
			}
			switch whole := whole.Plain; {
			case way == "campaign_tags" || way == "campaign_types" || !m.counts():
			case fmt.Sprintf("%.2f", sum) != fmt.Sprintf("%.2f", whole):
				t.Errorf("%s by %s: %v of %v", m.name, way, sum, whole)
			}
			if m.counts() && m.keeping().has(w.by) && whole.Plain > 0 && len(s.Segmented) < 2 {
				t.Errorf("%s by %s: %v", m.name, way, s.Segmented)
			}
		}
		all := ask(t, h, m.name+"/detalize?detalize_by[period]=day&detalize_by[campaigns]=true&detalize_by[sharing_channels]=true&detalize_by[traffic_sources]=true&detalize_by[event_categories]=true"+
			"&detalize_by[split_test]=true&detalize_by[device_types]=true&"+oneDay)
		sum := 0.0
		for _, row := range all.Detalized {
			sum += row["plain"].(float64)
		}
		if m.counts() && fmt.Sprintf("%.2f", sum) != fmt.Sprintf("%.2f", whole.Plain) {
			t.Errorf("%s by all: %v of %v", m.name, sum, whole.Plain)
		}
	}
}

// What a formula's second number isn't kept by leaves it as it is: it counts in every row.
func TestRatiosOfParts(t *testing.T) {
	t.Parallel()
	h := told(t).server(1, "USD")
	row := func(plain, more string) string {
		return `{"plain":` + plain + `,"formatted":"` + plain + `%","result_type":"percent",` + more + `}`
	}
	for query, want := range map[string]string{
		// Two shared by facebook, two by e-mail; four offers.
		"sharing_rate/detalize?detalize_by[sharing_channels]=1":                  `[` + row("50.00", `"sharing_channel":"email"`) + "," + row("50.00", `"sharing_channel":"facebook"`) + `]`,
		"sharing_rate/detalize?detalize_by[split_test]=1&sharing_channels=email": `[` + row("100.00", `"split_test":""`) + "," + row("100.00", `"split_test":"a"`) + "," + row("0.00", `"split_test":"b"`) + `]`,
		"revenue_percentage?campaign_ids=2":                                      `"plain":50.00,`,
		"revenue_percentage?traffic_sources=web&sharing_channels=email":          `"plain":100.00,`, // two approved for 100, of two sales of web
		"conversion_percentage?device_type=tablet":                               `"plain":200.00,`,
		"conversion_percentage?sharing_channels=email&device_type=tablet":        `"plain":0.00,`,
		"visits?device_type=tablet&mobile_visitor=false":                         `"plain":0,`,
		"visits?device_type=tablet,desktop&mobile_visitor=true":                  `"plain":1,`,
		"total_sales_count?traffic_sources=nowhere":                              `"plain":0,`,
	} {
		join := "?"
		if strings.Contains(query, "?") {
			join = "&"
		}
		if code, body := get(t, h, "/api/v2/metrics/"+query+join+oneDay); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s\n\tis %d %s\n\twant %s", query, code, body, want)
		}
	}
	for query, want := range map[string]string{"visits?device_type=phone": "device_type must be desktop, mobile or tablet.", "visits?mobile_visitor=perhaps": "mobile_visitor must be true or false.",
		"visits/detalize?detalize_by[split_test]=2": "must be true or false", "visits?traffic_sources=" + strings.Repeat("a,", 101): "at most 100"} {
		if code, body := get(t, h, "/api/v2/metrics/"+query+"&"+oneDay); code != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
}

// A formula of one number is taken apart without loss, whatever the totals are; of two numbers the finer one is.
func TestGroupsLoseNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(slices.DeleteFunc(slices.Clone(metrics), func(m metric) bool { return !m.kept() })).Draw(t, "metric")
		s := split{by: keeping(rapid.IntRange(0, int(byCampaign)*2-1).Draw(t, "by"))}
		s.campaigns = s.by.has(byCampaign)
		sums := map[string]int64{}
		var found []total
		for range rapid.IntRange(0, 20).Draw(t, "totals") {
			key := rapid.SampledFrom(m.keys()).Draw(t, "key")
			f := fact{facets: facets{}, campaign: 0}
			for i := range f.facets {
				f.facets[i] = rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "value")
			}
			f.facets = f.facets.only(keptBy[key] & s.by)
			one := total{Key: key, Channel: f.facets[channel], Source: f.facets[source], Device: f.facets[device], Category: f.facets[category], Variant: f.facets[variant],
				UTMSource: f.facets[utmSource], UTMMedium: f.facets[utmMedium], UTMCampaign: f.facets[utmCampaign],
				Count: rapid.Int64Range(0, 5).Draw(t, "count")}
			if (keptBy[key] & s.by).has(byCampaign) {
				one.Campaign = rapid.Int64Range(1, 2).Draw(t, "campaign")
			}
			found = append(found, one)
			sums[key] += one.Count
		}
		got, best := map[string]int64{}, keeping(0)
		for _, in := range s.groups(question{metric: m}, found, nil) {
			for _, one := range in {
				got[one.Key] += one.Count
			}
		}
		for _, key := range m.keys() {
			if its := keptBy[key] & s.by; its.size() > best.size() {
				best = its
			}
		}
		for _, key := range m.keys() {
			if keptBy[key]&s.by == best && got[key] != sums[key] {
				t.Fatalf("%s of %s by %b: %d of %d", key, m.name, s.by, got[key], sums[key])
			}
		}
	})
}
