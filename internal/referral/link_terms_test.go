package referral

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

// terms changes how the links of a campaign work.
func (p *place) terms(siteID, campaignID int64, t linkTerms) {
	p.t.Helper()
	if t.SiteID, t.CampaignID = siteID, campaignID; t.Gate == "" {
		t.Gate = referralapi.GateNone
	}
	if _, _, err := p.replaceTerms(p.t.Context(), t, 0, idempotency.Key{}); err != nil {
		p.t.Fatal(err)
	}
}

func TestCampaignLinks_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c, twin := p.campaign(p.one, nil), p.campaign(p.two, nil)
	path := "/api/v2/campaigns/" + itoa(c.ID) + "/links"
	body := `{"claim_page":true,"gate":"email","opt_in":true,"expired_url":"https://one.example/over","advocate_url":"https://one.example/thanks","friend_offer_hours":48,"share_until":"2026-12-01T00:00:00Z","claim_until":"2026-12-24T00:00:00+01:00"}`
	for i, wantReplay := range []bool{false, true} {
		status, got, replayed := p.call(p.one, "PUT", path, body, "once")
		links := got["result"].(map[string]any)["links"].(map[string]any)
		if status != 200 || links["gate"] != "email" || links["claim_until"] != "2026-12-23T23:00:00Z" || replayed != wantReplay {
			t.Errorf("%d: %d %v %v", i, status, got, replayed)
		}
	}
	if _, got, _ := p.call(p.one, "GET", path, nil, ""); got["result"].(map[string]any)["links"].(map[string]any)["friend_offer_hours"] != 48.0 {
		t.Errorf("%v", got)
	}
	if u := location(t, p.visitLink(p.join(p.one, 10).ShowURL, "")); u.String() != "https://one.example/thanks" {
		t.Errorf("a share link leads on to %s", u)
	}
	if status, _, _ := p.call(p.two, "GET", path, nil, ""); c.ID != twin.ID && status != http.StatusNotFound {
		t.Errorf("another site reads them: %d", status)
	}
	for _, id := range []string{"987654321", "0", "-1"} {
		if status, got, _ := p.call(p.one, "PUT", "/api/v2/campaigns/"+id+"/links", `{}`, ""); status != http.StatusNotFound || got["code"] != "campaign_not_found" {
			t.Errorf("%s: %d %v", id, status, got)
		}
	}
	for bad, pointer := range map[string]string{
		`{"gate":"sms"}`:                                      "/gate",
		`{"gate":"email"}`:                                    "/gate",
		`{"claim_page":true,"opt_in":true}`:                   "/opt_in",
		`{"expired_url":"javascript:alert(1)"}`:               "/expired_url",
		`{"expired_url":"https://a.example/{{campaign.id}}"}`: "/expired_url",
		`{"advocate_url":"//evil.example"}`:                   "/advocate_url",
		`{"friend_offer_hours":0}`:                            "/friend_offer_hours",
		`{"friend_offer_hours":8761}`:                         "/friend_offer_hours",
		`{"share_until":"0001-01-01T00:00:00Z"}`:              "/share_until",
		`{"share_until":"2026-12-02T00:00:00Z","claim_until":"2026-12-01T00:00:00Z"}`: "/claim_until",
	} {
		status, got, _ := p.call(p.one, "PUT", path, bad, "")
		if status != 400 || got["code"] != "invalid_links" || !strings.Contains(got["detail"].(string), pointer) {
			t.Errorf("%s: %d %v", bad, status, got)
		}
	}
}

// The last day of sharing ends sharing only, that of claiming everything (rows 57 and 58).
func TestTerms_deadlines(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	o := p.join(p.one, 10)
	share, claim := epoch.Add(time.Hour), epoch.Add(2*time.Hour)
	p.terms(1, c.ID, linkTerms{ShareUntil: &share, ClaimUntil: &claim})
	active := func() bool {
		yes, err := p.ClaimURLActive(t.Context(), p.one, o.ShortURLCode, o.ClaimURL)
		if err != nil {
			t.Fatal(err)
		}
		return yes
	}
	shared := func() bool {
		_, _, err := p.ShareSocial(t.Context(), p.one, o.ShortURLCode, "sms", true, idempotency.Key{})
		return err == nil
	}
	if !shared() || !active() {
		t.Error("over before its time")
	}
	p.visitLink(o.ClaimURL, uuidOf(1))
	p.clock.Move(time.Hour)
	if shared() || !active() {
		t.Error("after the last day of sharing there is sharing, or no claim")
	}
	p.visitLink(o.ClaimURL, uuidOf(2))
	p.clock.Move(time.Hour)
	if active() || location(t, p.visitLink(o.ClaimURL, uuidOf(3))).Query().Get("talkable_visitor_offer_id") != "" {
		t.Error("claimed after the last day")
	}
	if n := p.count(`select count(*) from referral.friend_offer`); n != 2 {
		t.Errorf("%d friend offers", n)
	}
	p.tell(p.purchase(p.one, 1, 20, 5000, uuidOf(1)))
	if n := p.count(`select count(*) from referral.referral`); n != 0 {
		t.Error("a purchase after the last day makes a referral")
	}
}

// The hours of a friend offer count from its first touch (row 59).
func TestTerms_hours_of_a_friend_offer(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	o, hours := p.join(p.one, 10), 24
	p.terms(1, c.ID, linkTerms{Hours: &hours})
	p.visitLink(o.ClaimURL, uuidOf(1))
	p.visitLink(o.ClaimURL, uuidOf(2))
	p.clock.Move(23 * time.Hour)
	p.visitLink(o.ClaimURL, uuidOf(2)) // which doesn't begin anew
	p.tell(p.purchase(p.one, 1, 21, 5000, uuidOf(1)))
	p.clock.Move(time.Hour)
	p.tell(p.purchase(p.one, 2, 22, 5000, uuidOf(2)))
	if n := p.count(`select count(*) from referral.referral where origin_id = 1`); n != 1 {
		t.Errorf("%d referrals within the hours", n)
	}
	a, err := attributionOf(t.Context(), p.db, 1, 2)
	if err != nil || a == nil || a.json().Reason != reasonLapsed {
		t.Errorf("%+v %v", a, err)
	}
}

// Where links that are over lead (row 60).
func TestTerms_where_expired_links_lead(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	o, past := p.join(p.one, 10), epoch
	p.terms(1, c.ID, linkTerms{ClaimUntil: &past})
	if u := location(t, p.visitLink(o.ClaimURL, uuidOf(1))); u.Host != "one.example" || u.Path != "/" {
		t.Errorf("without a place of its own it leads to %s", u)
	}
	p.terms(1, c.ID, linkTerms{ClaimUntil: &past, ExpiredURL: "https://one.example/over?a=1"})
	if u := location(t, p.visitLink(o.ClaimURL, uuidOf(1))); u.String() != "https://one.example/over?a=1" {
		t.Errorf("leads to %s", u)
	}
	if n := p.count(`select count(*) from referral.visit where not live`); n != 2 {
		t.Errorf("%d visits", n)
	}
	p.terms(1, c.ID, linkTerms{ClaimUntil: &past, ClaimPage: true})
	if w := p.visitLink(o.ClaimURL, uuidOf(1)); w.Code != http.StatusNotFound {
		t.Errorf("with a claim page: %d", w.Code)
	}
}

func TestDestinations_are_filled(t *testing.T) {
	t.Parallel()
	p := setup(t)
	to := "https://one.example/discount/{{coupon_code}}?by={{advocate.first_name}}&c={{sharing_channel}}"
	p.campaign(p.one, func(in *campaignInput) { in.DestinationURL = &to })
	p.known[key{1, 10}] = person("Ann & Co")
	o := p.join(p.one, 10)
	u := location(t, p.visitLink(o.ClaimURL, uuidOf(1)))
	if u.Path != "/discount/WELCOME10" || u.Query().Get("by") != "Ann & Co" || u.Query().Get("tkbl_cvuuid") != uuidOf(1) {
		t.Errorf("leads to %s", u)
	}
	bot := location(t, p.visitLink(o.ClaimURL, "", func(r *http.Request) { r.Header.Set("User-Agent", "Googlebot/2.1") }))
	if bot.Path != "/discount/" || bot.Query().Get("tkbl_cvuuid") != "" {
		t.Errorf("a machine is led to %s", bot)
	}
}

// A coupon that was given for a friend offer says when that is over (row 109).
func TestTerms_coupon_of_a_friend_offer_that_is_over(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list, hours := p.list(p.one, "ONE-1"), 24
	c := p.giving(p.one, list, "click")
	p.terms(1, c.ID, linkTerms{Hours: &hours})
	p.visitLink(p.join(p.one, 10).ClaimURL, uuidOf(1))
	for _, over := range []bool{false, true} {
		found, err := p.Coupon(t.Context(), p.one, "ONE-1")
		if err != nil || found == nil || found.Reward == nil || found.Reward.OfferLapsed != over {
			t.Errorf("%+v %v", found, err)
		}
		p.clock.Move(24 * time.Hour)
	}
}
