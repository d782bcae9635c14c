package analytics

import (
	"os"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

func TestPageIsCurrent(t *testing.T) {
	t.Parallel()
	written, err := os.ReadFile("../../docs/metrics.md")
	if err != nil || string(written) != Page() {
		t.Errorf("docs/metrics.md isn't what the code says (%v): make generate writes it", err)
	}
}

// published are the names that Talkable's clients ask for.
var published = strings.Fields(`sign_up_percentage advocate_pages_shown advocate_impressions widget_click_percentage advocacy_percentage sharing_rate click_rate
	total_sales_aov visit_percentage refunded_sales_percentage refunded_sales_aov average_order_value revenue_percentage total_first_time_sales_aov conversion_percentage
	offers clicks clicks_unique first_time_clicks visits visits_unique first_time_visits email_gated emails_collected_on_claim email_gated_and_opted_in
	email_gated_and_opted_in_new customers new_customers visited_referrals lift_in_sales advocate_loyalty_referral_rewards_points
	advocate_referral_rewards_used_count advocate_referral_rewards_paid_count advocate_referral_rewards_paid_and_pending_count
	friend_reward_paid_email_delivered friend_reward_paid_email_opened friend_reward_paid_email_clicked
	advocate_reward_paid_email_delivered advocate_reward_paid_email_opened advocate_reward_paid_email_clicked
	offer_shown sharers shares multisharers share_emails_sent share_emails_delivered share_emails_opened share_emails_clicked
	signup_shown sign_up sign_up_and_opted_in sign_up_and_opted_in_new emails_collected_on_signup people
	advocate_offer_email_delivered advocate_offer_email_opened advocate_offer_email_clicked`)

// publishedPairs have a _count and a _sum.
var publishedPairs = strings.Fields(`total_referred_sales talkable_sales talkable_sales_with_talkable_coupon talkable_sales_with_talkable_coupon_and_new
	talkable_sales_with_talkable_coupon_and_not_new referred_sales_new talkable_qualified_sales ideal_friend_sales ideal_advocate_sales_new_customers
	ideal_advocate_sales_existing_customers ideal_advocate_sales total_first_time_sales total_sales total_sales_with_curebit_coupon
	total_sales_with_talkable_ad_coupon total_sales_with_talkable_fr_coupon refunded_sales ideal_sales total_rewards ad_rewards fr_rewards
	advocate_loyalty_referral_rewards`)

// TestEveryPublishedMetric_106: each is answered, in the unit that its name says, and says how it comes about.
func TestEveryPublishedMetric_106(t *testing.T) {
	t.Parallel()
	units := map[string]string{}
	for _, name := range published {
		units[name] = "number"
		switch {
		case strings.HasSuffix(name, "_percentage"), strings.HasSuffix(name, "_rate"), name == "lift_in_sales":
			units[name] = "percent"
		case strings.HasSuffix(name, "_aov"), name == "average_order_value":
			units[name] = "money"
		}
	}
	for _, name := range publishedPairs {
		units[name+"_count"], units[name+"_sum"] = "number", "money"
	}
	h := stocked(t).server(1, "USD")
	for name, unit := range units {
		code, body := get(t, h, "/api/v2/metrics/"+name+"?start_date=2014-09-01&end_date=2030-10-01")
		if code != 200 || !strings.Contains(body, `"result_type":"`+unit+`"`) || !strings.Contains(body, `"plain":`) || byName[name].formula == "" {
			t.Errorf("%s: %d %s", name, code, body)
		}
		if code, body := get(t, h, "/api/v2/metrics/"+name+"/segmentize/?segment_by[period]=month&start_date=2024-01-01&end_date=2024-02-29"); code != 200 || strings.Count(body, `"period"`) != 2 {
			t.Errorf("%s by months: %d %s", name, code, body)
		}
	}
	t.Logf("%d names", len(units))
}

// TestQAIsCountedApart: what follows from a QA referral counts only where it is asked for, in whatever batches it is heard.
func TestQAIsCountedApart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.site(1, "USD", "UTC")
	b.site(2, "USD", "UTC")
	made := func(site, id int64, qa bool) referralevent.ReferralCreated {
		return referralevent.ReferralCreated{SiteID: site, ReferralID: id, CampaignID: 1, Status: referralevent.Pending, Subtotal: 100, Currency: "USD", QA: qa, OccurredAt: start}
	}
	if err := apply(b, createdFacts, made(1, 1, true), made(1, 2, false), made(2, 1, false)); err != nil {
		t.Fatal(err)
	}
	for _, approved := range []referralevent.ReferralApproved{{SiteID: 1, ReferralID: 1, QA: true}, {SiteID: 1, ReferralID: 2}, {SiteID: 2, ReferralID: 1}} {
		approved.CampaignID, approved.Subtotal, approved.Currency, approved.OccurredAt = 1, 100, "USD", start
		if err := apply(b, approvedFacts, approved); err != nil {
			t.Fatal(err)
		}
	}
	reward := referralevent.RewardIssued{SiteID: 1, ReferralID: 1, CampaignID: 1, Side: "advocate", Kind: referralevent.Commission, Amount: 50, Currency: "USD", OccurredAt: start, QA: true}
	another := reward
	another.ReferralID, another.QA = 2, false
	if err := apply(b, rewardFacts, reward, another); err != nil {
		t.Fatal(err)
	}
	back := referralevent.RewardClawedBack{SiteID: 1, ReferralID: 1, CampaignID: 1, Side: "advocate", Kind: referralevent.Commission, Amount: 20, Currency: "USD", ClawedAt: start, QA: true}
	if err := apply(b, rewardBackFacts, back); err != nil {
		t.Fatal(err)
	}
	if err := apply(b, voidedFacts, referralevent.ReferralVoided{SiteID: 1, ReferralID: 1, CampaignID: 1, Status: referralevent.Voided, QA: true, VoidedAt: start}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{"total_referred_sales_count": {"1", "2"}, "talkable_sales_count": {"1", "2"}, "talkable_sales_sum": {"1.00", "2.00"},
		"ad_rewards_count": {"1", "2"}, "commissions_sum": {"0.50", "1.00"}, "commissions_clawed_back_sum": {"0.00", "0.20"}, "referrals_voided": {"0", "1"}} {
		for i, query := range []string{"", "&exclude_qa_generated=false"} {
			for _, more := range []string{"", "&exclude_qa_generated=true"}[:2-i] {
				_, body := get(t, b.server(1, "USD"), "/api/v2/metrics/"+name+"?start_date=2026-03-01&end_date=2026-03-01"+query+more)
				if !strings.Contains(body, `"plain":`+want[i]+`,`) {
					t.Errorf("%s%s%s: %s, want %s", name, query, more, body, want[i])
				}
			}
		}
	}
	if _, body := get(t, b.server(2, "USD"), "/api/v2/metrics/talkable_sales_count?start_date=2026-03-01&end_date=2026-03-01"); !strings.Contains(body, `"plain":1,`) {
		t.Errorf("the other site's: %s", body)
	}
}

// What is done with a campaign in Test is no number of anybody's, but for who asks for it.
func TestTrialsAreCountedApart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.site(1, "USD", "UTC")
	for _, qa := range []bool{true, false} {
		visit := referralevent.Visit{OfferID: 1, CampaignID: 1, VisitorID: "a", VisitedAt: start, FirstOfThem: true, QA: qa}
		if qa {
			visit.CampaignID = 2
		}
		err := b.Outbox.InTx(t.Context(), func(u *bus.Unit) error {
			return b.onVisits(t.Context(), u, events(referralevent.LinksVisited{SiteID: 1, Visits: []referralevent.Visit{visit}}))
		})
		if err == nil {
			err = apply(b, offerFacts, referralevent.OfferCreated{SiteID: 1, CampaignID: visit.CampaignID, CreatedAt: start, QA: qa})
		}
		if err == nil {
			err = apply(b, sharedFacts, referralevent.OfferShared{SiteID: 1, CampaignID: visit.CampaignID, SharedAt: start, First: true, QA: qa})
		}
		if err == nil {
			err = apply(b, claimedFacts, referralevent.OfferClaimed{SiteID: 1, CampaignID: visit.CampaignID, ClaimedAt: start, QA: qa})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var counted []string
	err := b.DB.Select(&counted, `select metric from analytics.daily group by metric having count(*) filter (where qa) <> 1 or count(*) filter (where not qa) <> 1`)
	if err != nil || len(counted) != 0 {
		t.Errorf("counted otherwise than once each: %q %v", counted, err)
	}
	for query, want := range map[string]string{"": "1", "&exclude_qa_generated=false": "2"} {
		if _, body := get(t, b.server(1, "USD"), "/api/v2/metrics/offers?start_date=2026-03-01&end_date=2026-03-01"+query); !strings.Contains(body, `"plain":`+want+`,`) {
			t.Errorf("%s: %s, want %s", query, body, want)
		}
	}
}

func TestByChannelTagAndType(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Module.Campaigns = tagged{}
	b.site(1, "USD", "UTC")
	visit := func(campaign int64, visitor, channel string) referralevent.Visit {
		return referralevent.Visit{CampaignID: campaign, VisitorID: visitor, Channel: channel, VisitedAt: start}
	}
	for _, v := range []referralevent.Visit{visit(1, "a", "facebook"), visit(1, "a", "email"), visit(1, "b", "email"), visit(2, "a", ""), visit(2, "c", "email")} {
		if err := b.Outbox.InTx(t.Context(), func(u *bus.Unit) error {
			return b.onVisits(t.Context(), u, events(referralevent.LinksVisited{SiteID: 1, Visits: []referralevent.Visit{v}}))
		}); err != nil {
			t.Fatal(err)
		}
	}
	h := b.server(1, "USD")
	const day = "start_date=2026-03-01&end_date=2026-03-01"
	for query, want := range map[string]string{
		"visits?sharing_channels[]=email&" + day:                             `"plain":3,`,
		"visits?sharing_channels[]=email&sharing_channels[]=facebook&" + day: `"plain":4,`,
		"visits?sharing_channels=email,facebook&" + day:                      `"plain":4,`,
		"visits?sharing_channels=email&campaign_ids=2&" + day:                `"plain":1,`,
		"visits_unique?sharing_channels=email&" + day:                        `"plain":2,`, // a came by facebook first
		"visits_unique?" + day:                                               `"plain":4,`,
		"share_emails_clicked?" + day:                                        `"plain":3,`,
		"visits/segmentize?segment_by[sharing_channels]=true&" + day: `{"segmented":[{"plain":1,"formatted":"1","result_type":"number","period":"3/1/26 - 3/1/26","sharing_channels":""},{"plain":3,"formatted":"3","result_type":"number",` +
			`"period":"3/1/26 - 3/1/26","sharing_channels":"email"},{"plain":1,"formatted":"1","result_type":"number","period":"3/1/26 - 3/1/26","sharing_channels":"facebook"}]}`,
		"visits/segmentize?segment_by[campaign_tags]=true&" + day:                `"plain":5,"formatted":"5","result_type":"number","period":"3/1/26 - 3/1/26","campaign_tags":"invite"},{"plain":2,`,
		"visits/segmentize?segment_by[campaign_tags]=1&campaign_tags=old&" + day: `{"segmented":[{"plain":2,"formatted":"2","result_type":"number","period":"3/1/26 - 3/1/26","campaign_tags":"old"}]}`,
		"visits/segmentize?segment_by[campaign_types]=true&" + day:               `"campaign_types":"purchase"}]}`,
		"visits/segmentize?segment_by[period]=day&segment_by[sharing_channels]=true&campaign_ids=1&start_date=2026-03-01&end_date=2026-03-02": `{"segmented":[{"plain":2,"formatted":"2","result_type":"number",` +
			`"period":"3/1/26 - 3/1/26","sharing_channels":"email"},{"plain":0,"formatted":"0","result_type":"number","period":"3/2/26 - 3/2/26","sharing_channels":"email"},{"plain":1,`,
		"visits/detalize?detalize_by[sharing_channels]=true&campaign_ids=2&" + day: `{"detalized":[{"plain":1,"formatted":"1","result_type":"number","sharing_channel":""},{"plain":1,"formatted":"1","result_type":"number","sharing_channel":"email"}]}`,
	} {
		if code, body := get(t, h, "/api/v2/metrics/"+query); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s\n\tis %d %s\n\twant %s", query, code, body, want)
		}
	}
}
