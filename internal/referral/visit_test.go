package referral

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/talkable/talkable/internal/idempotency"
)

func location(t *testing.T, w *httptest.ResponseRecorder) *url.URL {
	t.Helper()
	u, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusFound {
		t.Fatalf("%d %q %v", w.Code, w.Header().Get("Location"), err)
	}
	return u
}

func TestVisit_records_a_person(t *testing.T) {
	t.Parallel()
	p := setup(t)
	destination := "https://shop.example/landing?color=red"
	p.campaign(p.one, func(c *campaignInput) { c.DestinationURL = &destination })
	o, err := p.Offer(t.Context(), p.one, p.join(p.one, 10).ShortURLCode, []string{"sms"})
	if err != nil {
		t.Fatal(err)
	}
	p.told()
	w := p.visitLink(o.ClaimLinks["sms"], uuidOf(1))
	u := location(t, w)
	q := u.Query()
	if u.Host != "shop.example" || q.Get("color") != "red" || q.Get("tkbl_cvuuid") != uuidOf(1) || q.Get("utm_medium") != "sms" ||
		q.Get("utm_source") != "talkable" || q.Get("utm_campaign") != itoa(o.CampaignID) || q.Get("talkable_visitor_offer_id") == "" {
		t.Errorf("leads to %s", u)
	}
	if got, want := w.Header().Get("Set-Cookie"), "tkbl_session="+uuidOf(1)+"; Path=/; Max-Age=34560000; HttpOnly; Secure; SameSite=Lax"; got != want {
		t.Errorf("cookie %q\nwant   %q", got, want)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Error("the redirect may be cached")
	}
	if got, want := p.told(), []string{"reward_issued reward:1", "links_visited visits:" + itoa(o.ID)}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	p.clock.Move(time.Hour)
	again := p.visitLink(o.ClaimURL, uuidOf(1))
	if location(t, again).Query().Get("talkable_visitor_offer_id") != q.Get("talkable_visitor_offer_id") {
		t.Error("a second visit made a second friend offer")
	}
	if got := p.count(`select count(*) from referral.visit where live`); got != 2 {
		t.Errorf("%d visits", got)
	}
	if got := p.count(`select visits from referral.friend_offer where last_at - first_at = interval '1 hour'`); got != 2 {
		t.Errorf("%d visits of the friend offer", got)
	}
	code, out, _ := p.call(p.one, "GET", "/api/v2/rewards?visitor_uuid="+uuidOf(1), nil, "")
	rewards := out["result"].(map[string]any)["rewards"].([]any)
	if code != 200 || len(rewards) != 1 || rewards[0].(map[string]any)["coupon_code"] != "WELCOME10" {
		t.Errorf("%d %v", code, out)
	}
	if _, out, _ := p.call(p.two, "GET", "/api/v2/rewards?visitor_uuid="+uuidOf(1)+"&status=All", nil, ""); len(out["result"].(map[string]any)["rewards"].([]any)) != 0 {
		t.Errorf("the other site shows %v", out)
	}
}

func TestVisit_finds_the_visitor(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	link := p.join(p.one, 10).ClaimURL
	cookie := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: name, Value: value}) }
	}
	query := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.URL.RawQuery = "tkbl_cvuuid=" + value }
	}
	visitor := func(change ...func(*http.Request)) string {
		return location(t, p.visitLink(link, "", change...)).Query().Get("tkbl_cvuuid")
	}
	if got := visitor(query(uuidOf(3)), cookie("uuid", uuidOf(2)), cookie("tkbl_session", uuidOf(1))); got != uuidOf(1) {
		t.Errorf("tkbl_session first: %s", got)
	}
	if got := visitor(query(uuidOf(3)), cookie("uuid", uuidOf(2)), cookie("tkbl_session", "junk")); got != uuidOf(2) {
		t.Errorf("uuid second: %s", got)
	}
	if got := visitor(query(uuidOf(3))); got != uuidOf(3) {
		t.Errorf("the query third: %s", got)
	}
	fresh := visitor(query("'; drop table x"))
	if _, ok := visitorOf(fresh); !ok || fresh[14] != '7' || fresh == visitor() {
		t.Errorf("a new one: %s", fresh)
	}
}

func TestVisit_by_a_machine_leaves_nothing(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	link := p.join(p.one, 10).ClaimURL
	p.told()
	for name, change := range map[string]func(*http.Request){
		"bot":      func(r *http.Request) { r.Header.Set("User-Agent", "Googlebot/2.1") },
		"nobody":   func(r *http.Request) { r.Header.Del("User-Agent") },
		"prefetch": func(r *http.Request) { r.Header.Set("Sec-Purpose", "prefetch") },
		"HEAD":     func(r *http.Request) { r.Method = http.MethodHead },
	} {
		w := p.visitLink(link, uuidOf(1), change)
		q := location(t, w).Query()
		if q.Get("tkbl_cvuuid") != "" || q.Get("talkable_visitor_offer_id") != "" || q.Get("utm_source") != "talkable" || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: %s %s", name, w.Header().Get("Location"), w.Header().Get("Set-Cookie"))
		}
	}
	if n := p.count(`select (select count(*) from referral.visit) + (select count(*) from referral.friend_offer) + (select count(*) from referral.reward)`); n != 0 {
		t.Errorf("%d rows", n)
	}
	if told := p.told(); len(told) != 0 {
		t.Errorf("told %q", told)
	}
}

func TestVisit_other_links(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	o := p.join(p.one, 10)
	t.Run("unknown", func(t *testing.T) {
		for _, path := range []string{"/x/abcdefghjk", "/x/1", "/x/", "/x/a/b", "/x/%00", "/x/..%2f", "/x/" + o.ShortURLCode, "/x/" + strings.Repeat("a", 8000)} {
			if w := p.visitLink("https://go.example"+path, ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "<h1>") {
				t.Errorf("%.40s: %d", path, w.Code)
			}
		}
	})
	t.Run("share links lead to the shop", func(t *testing.T) {
		if u := location(t, p.visitLink(o.ShowURL, "")); u.String() != "https://one.example/" {
			t.Errorf("leads to %s", u)
		}
	})
	t.Run("other methods are refused", func(t *testing.T) {
		w := p.visitLink(o.ClaimURL, "", func(r *http.Request) { r.Method = http.MethodPost })
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	})
	t.Run("a link of a disabled campaign is counted and no more", func(t *testing.T) {
		if _, _, err := p.replaceCampaign(t.Context(), p.one, c.ID, campaignInput{Name: "Over", Status: statusDisabled, Incentives: usual}, publication{}, idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
		q := location(t, p.visitLink(o.ClaimURL, uuidOf(1))).Query()
		if q.Get("talkable_visitor_offer_id") != "" || q.Get("tkbl_cvuuid") != uuidOf(1) {
			t.Errorf("query %v", q)
		}
		if n, f := p.count(`select count(*) from referral.visit where not live`), p.count(`select count(*) from referral.friend_offer`); n != 1 || f != 0 {
			t.Errorf("%d visits, %d friend offers", n, f)
		}
	})
	if n := p.count(`select count(*) from referral.visit`); n != 1 {
		t.Errorf("%d visits", n)
	}
}

func TestVisit_leads_on_when_the_database_is_away(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	link := p.join(p.one, 10).ClaimURL
	p.visitLink(link, uuidOf(1))
	_ = p.db.Close()
	p.clock.Move(time.Hour) // all that is known is old by now
	for range 3 {
		if u := location(t, p.visitLink(link, uuidOf(1))); u.Host != "one.example" || u.Query().Get("tkbl_cvuuid") != uuidOf(1) {
			t.Errorf("leads to %s", u)
		}
	}
	if got := testutil.ToFloat64(p.metrics.Real.visits.WithLabelValues("lost")); got != 3 {
		t.Errorf("%v visits counted as lost", got)
	}
	if w := p.visitLink("https://go.example/x/abcdefghjk", ""); w.Code < 500 {
		t.Errorf("an unknown link: %d", w.Code)
	}
}

func TestVisit_many_at_once_make_one_friend_offer(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	link, other := p.join(p.one, 10).ClaimURL, open(t, p.url, 8)
	p.told()
	race(40, func(i int) {
		w := []*place{p, other}[i%2].visitLink(link, uuidOf(i%2+1))
		_, _ = io.Copy(io.Discard, w.Body)
		if w.Code != http.StatusFound {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
	if f, v := p.count(`select count(*) from referral.friend_offer where visits = 20`), p.count(`select count(*) from referral.visit`); f != 2 || v != 40 {
		t.Errorf("%d friend offers, %d visits", f, v)
	}
	if n := p.count(`select count(*) from referral.reward`); n != 2 {
		t.Errorf("%d coupons", n)
	}
	var first int64
	if err := p.root.Get(&first, `select count(*) from referral.waiting, jsonb_array_elements(payload->'visits') v where type = 'referral.links_visited.v1' and v->>'first' = 'true'`); err != nil || first != 2 {
		t.Errorf("%d first visits told, %v", first, err)
	}
}

// A session that looks at the table while another attaches a day goes on without that day: PostgreSQL doesn't tell it again.
func TestVisit_finds_a_day_that_another_attaches(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	link, other := p.join(p.one, 10).ClaimURL, open(t, p.url, 8)
	const days, each = 60, 4 // without the second look, about one day in a hundred was lost
	for day := range days {
		p.clock.Move(72 * time.Hour)
		other.clock.Move(72 * time.Hour)
		race(2*each, func(i int) { []*place{p, other}[i%2].visitLink(link, uuidOf(100*day+i)) })
	}
	if n := p.count(`select count(*) from referral.visit`); n != days*2*each {
		t.Errorf("%d visits of %d", n, days*2*each)
	}
}

func TestVisitDays_follow_the_clock(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	link := p.join(p.one, 10).ClaimURL
	p.visitLink(link, uuidOf(1))
	p.clock.Move(500 * 24 * time.Hour) // where no partition is
	location(t, p.visitLink(link, uuidOf(1)))
	if n := p.count(`select count(*) from referral.visit`); n != 2 {
		t.Errorf("%d visits", n)
	}
	dropped, err := keepDays(t.Context(), p.db, p.clock.Now())
	if n := p.count(`select count(*) from referral.visit`); err != nil || dropped == 0 || n != 1 {
		t.Errorf("dropped %d, %d visits left, %v", dropped, n, err)
	}
	if again, err := keepDays(t.Context(), p.db, p.clock.Now()); err != nil || again != 0 {
		t.Errorf("dropped %d, %v", again, err)
	}
}
