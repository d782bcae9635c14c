package referral

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

var statuses = []string{referralevent.Pending, referralevent.Flagged, referralevent.Approved, referralevent.Voided, referralevent.Blocked}

func TestNewCode_has_a_letter_first_and_reads_back(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 20_000 {
		c := newCode()
		got, ok := codeOf(strings.ToUpper(c))
		if !ok || got != c || seen[c] {
			t.Fatalf("code %q reads as %q, %v; seen: %v", c, got, ok, seen[c])
		}
		seen[c] = true
	}
	for _, bad := range []string{"", "1234567890", "abcdefghi", "abcdefghjkm", "abcdefghi!", "abcdefghil", "äbcdefghj", "abcde\x00ghjk"} {
		if _, ok := codeOf(bad); ok {
			t.Errorf("%q is taken for a code", bad)
		}
	}
}

func TestVisitorOf(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0190A1B2-0000-7000-8000-00000000000F":          "0190a1b2-0000-7000-8000-00000000000f",
		"00000000-0000-0000-0000-000000000000":          "",
		"{0190a1b2-0000-7000-8000-00000000000f}":        "",
		"0190a1b2000070008000000000000000f":             "",
		"0190a1b2-0000-7000-8000-00000000000g":          "",
		"urn:uuid:0190a1b2-0000-7000-8000-00000000000f": "",
		"": "",
	} {
		if got, _ := visitorOf(in); got != want {
			t.Errorf("visitorOf(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCheckDestination(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"https://shop.example", "http://shop.example:8080/a%20b?x=1&x=2#top", "https://xn--bcher-kva.example/", "https://[2001:db8::1]/"} {
		if err := checkDestination(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "shop.example", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "gopher://x", "//evil.com",
		`/\evil.com`, "https:evil.com", "http:///evil", "https://good.com@evil.com", "https://good.com%2f@evil.com", "https://good.com%2fevil",
		"https://a\tb.com", "https://a.com/\nx", "https://a.com/ x", "https://аpple.com", `https://good.com\@evil.com`, "https://a.com:99999",
		"https://a.com:0", "https://" + strings.Repeat("a", 4096), "https://[::1%25lo]/", "HTTPS//x", "https://?x", "https://:80"} {
		if checkDestination(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestWithParameters_never_leaves_the_destination(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		query := rapid.StringMatching(`[a-z=&%/:@?#.+]{0,30}`).Draw(t, "query")
		destination := "https://shop.example" + rapid.SampledFrom([]string{"", "/", "/a/../b", "//evil.com", "/@evil.com"}).Draw(t, "path") + "?" + query
		if checkDestination(destination) != nil {
			return
		}
		value := rapid.String().Draw(t, "value")
		got, err := withParameters(destination, []parameter{{paramVisitor, uuidOf(1)}, {"utm_content", value}})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(got)
		if err != nil || u.Host != "shop.example" || u.Scheme != "https" || u.User != nil {
			t.Fatalf("%q leads to %q (%v)", destination, got, err)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' }) {
			t.Fatalf("%q holds control characters", got)
		}
		if u.Query()[paramVisitor][0] != uuidOf(1) || len(u.Query()[paramVisitor]) != 1 {
			t.Fatalf("%q: visitor %q", got, u.Query()[paramVisitor])
		}
	})
}

func TestWithParameters_keeps_the_query(t *testing.T) {
	t.Parallel()
	got, err := withParameters("https://shop.example/p?color=%20red&utm_source=mine&tkbl_cvuuid=copied#top",
		[]parameter{{paramVisitor, uuidOf(1)}, {"utm_source", "talkable"}, {"utm_content", "a&b=ü"}, {"utm_medium", ""}})
	want := "https://shop.example/p?color=%20red&utm_source=mine&tkbl_cvuuid=" + uuidOf(1) + "&utm_content=a%26b%3D%C3%BC#top"
	if err != nil || got != want {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
}

func TestMachine(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]bool{
		browser: false,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": false,
		"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36":                   false,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5) AppleWebKit/605.1.15 Mobile/15E148 [FBAN/FBIOS;FBAV/470.0]":                                     false,
		"": true, "   ": true, "curl/8.5.0": true, "Wget/1.21": true, "python-requests/2.32": true, "Go-http-client/2.0": true,
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": true,
		"facebookexternalhit/1.1":                    true,
		"WhatsApp/2.24.1 A":                          true,
		"Slackbot-LinkExpanding 1.0":                 true,
		"TelegramBot (like TwitterBot)":              true,
		"Mozilla/5.0 (X11) HeadlessChrome/131.0.0.0": true,
		"Java/17.0.1":                                true,
		"okhttp/4.12.0":                              true,
		"Mozilla/5.0 (compatible; YandexBot/3.0)":    true,
		"Discordbot/2.0":                             true,
		"Mozilla/5.0 (compatible; AhrefsBot/7.0)":    true,
		"LinkedInBot/1.0":                            true,
		"Mozilla/5.0 (compatible; bingbot/2.0)":      true,
		"Mozilla/5.0 SkypeUriPreview Preview/0.5":    true,
		"Mozilla/5.0 (compatible; Baiduspider/2.0)":  true,
		"Pingdom.com_bot_version_1.4":                true,
		"axios/1.7.2":                                true,
		"Mozilla/5.0 (compatible; SemrushBot/7~bl)":  true,
		"PostmanRuntime/7.39":                        true,
	} {
		r := httptest.NewRequest(http.MethodGet, "/x/a", nil)
		r.Header.Set("User-Agent", agent)
		if got := machine(r); got != want {
			t.Errorf("%q: got %v, want %v", agent, got, want)
		}
	}
	for name, value := range map[string]string{"Sec-Purpose": "prefetch;prerender", "Purpose": "Prefetch", "X-Moz": "prefetch", "X-Purpose": "preview"} {
		r := httptest.NewRequest(http.MethodGet, "/x/a", nil)
		r.Header.Set("User-Agent", browser)
		r.Header.Set(name, value)
		if !machine(r) {
			t.Errorf("%s: %s is taken for a person", name, value)
		}
	}
}

func TestCampaign_is_checked_place_by_place(t *testing.T) {
	t.Parallel()
	days, far := 400, epoch.AddDate(1, 0, 0)
	bad := func(s string) *string { return &s }
	in := campaignInput{Name: " ", Status: "live", Tags: []string{"a", "a"}, JoinableCategoryNames: []string{""}, DestinationURL: bad("javascript:x"),
		AttributionDays: &days, Approval: &approvalInput{Mode: "auto", DelaySeconds: -1}, LivePeriod: &periodInput{StartsAt: &far, EndsAt: &epoch},
		Incentives: []incentiveInput{
			{Identifier: "A", ActionType: "x", Kind: "y"},
			{Identifier: "ok", ActionType: "referrer", Kind: "points"},
			{Identifier: "ok", ActionType: "referrer", Kind: "commission", Percent: "100.01"},
			{Identifier: "both", ActionType: "referrer", Kind: "commission", Percent: "5", Amount: 5},
			{Identifier: "code", ActionType: "click", Kind: "coupon", CouponCode: "ß!"},
			{Identifier: "click", ActionType: "click", Kind: "points", Points: 5},
			{Identifier: "cur", ActionType: "referrer", Kind: "commission", Amount: 5, Currency: "XXQ"},
		}}
	_, err := in.campaign("USD")
	f, _ := fault.Of(err)
	if f == nil || f.Kind != fault.Invalid {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, field := range f.Fields {
		got = append(got, field.Pointer)
	}
	want := []string{"/name", "/status", "/tags/1", "/joinable_category_names/0", "/destination_url", "/attribution_days", "/approval/mode",
		"/live_period/ends_at", "/incentives/0/identifier", "/incentives/0/action_type", "/incentives/0/kind", "/incentives/1/points",
		"/incentives/2/identifier", "/incentives/2/percent", "/incentives/3/amount", "/incentives/4/coupon_code", "/incentives/5/kind",
		"/incentives/6/currency"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestBasisPoints(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{"10": 1000, "0.01": 1, "100": 10_000, "12.5": 1250, "1e1": 0, "-1": 0, "NaN": 0, "1.234": 0, ".5": 0, "1.": 0, " 1": 0} {
		if got := basisPoints(in); got != want {
			t.Errorf("%q: got %d, want %d", in, got, want)
		}
	}
}

func TestPick_takes_the_newest_that_is_live_and_accepts(t *testing.T) {
	t.Parallel()
	past, future := epoch.Add(-time.Hour), epoch.Add(time.Hour)
	sign := []string{"affiliate_member"}
	all := []*campaign{
		{ID: 1, Status: statusLive, Categories: sign, Tags: []string{"vip"}},
		{ID: 2, Status: statusScheduled, StartsAt: &past, Categories: sign},
		{ID: 3, Status: statusLive, Categories: []string{"purchase"}},
		{ID: 4, Status: statusDisabled, Categories: sign}, {ID: 5, Status: statusTest, Categories: sign},
		{ID: 6, Status: statusLive, StartsAt: &future, Categories: sign}, {ID: 7, Status: statusLive, EndsAt: &epoch, Categories: sign},
		{ID: 8, Status: statusScheduled, StartsAt: &future, Categories: sign},
	}
	for _, c := range []struct {
		category string
		tags     []string
		want     int64
	}{{"affiliate_member", nil, 2}, {"affiliate_member", []string{"vip", "x"}, 1}, {"affiliate_member", []string{"x"}, 0}, {"purchase", nil, 3}, {"newsletter", nil, 0}} {
		got := joinable(all, c.category, c.tags, epoch)
		if len(got) == 0 && c.want != 0 || len(got) > 0 && got[0].ID != c.want {
			t.Errorf("%s %q: got %+v, want %d", c.category, c.tags, got, c.want)
		}
	}
}

func TestStep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, word, to string
		changes, ok    bool
	}{
		{"pending", "approved", "approved", true, true}, {"pending", "voided", "voided", true, true}, {"pending", "blocked", "blocked", true, true},
		{"flagged", "approved", "approved", true, true}, {"blocked", "unblocked", "pending", true, true}, {"blocked", "pending", "pending", true, true},
		{"approved", "approved", "approved", false, true}, {"pending", "unblocked", "pending", false, true}, {"voided", "voided", "voided", false, true},
		{"approved", "voided", "", false, false}, {"voided", "approved", "", false, false}, {"approved", "pending", "", false, false},
		{"blocked", "approved", "", false, false}, {"approved", "unblocked", "", false, false}, {"pending", "in_progress", "", false, false},
		{"pending", "flagged", "flagged", true, true}, {"flagged", "pending", "pending", true, true}, {"flagged", "unblocked", "", false, false},
		{"blocked", "flagged", "", false, false}, {"voided", "flagged", "", false, false},
	} {
		r := referral{Status: c.from}
		to, changes, err := r.step(c.word)
		if to != c.to || changes != c.changes || (err == nil) != c.ok {
			t.Errorf("%s, %s: got %q %v %v", c.from, c.word, to, changes, err)
		}
	}
}

func TestAllowed_final_states_stay(t *testing.T) {
	t.Parallel()
	for _, to := range statuses {
		if allowed(referralevent.Approved, to) || allowed(referralevent.Voided, to) {
			t.Errorf("a final state may become %s", to)
		}
	}
}

func TestAttribute(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	at := func(d time.Duration) time.Time { return epoch.Add(d) }
	campaigns := map[int64]*campaign{1: {ID: 1, Status: statusLive, AttributionDays: 30}, 2: {ID: 2, Status: statusLive, AttributionDays: 7},
		3: {ID: 3, Status: statusDisabled, AttributionDays: 30}}
	touch := func(method string, offer, campaign, advocate int64, when time.Duration) candidate {
		return candidate{method: method, offerID: offer, campaignID: campaign, advocateID: advocate, visitor: uuidOf(1), firstAt: at(when), lastAt: at(when)}
	}
	for name, c := range map[string]struct {
		in       []candidate
		referred int64
		reason   string
		offer    int64
	}{
		"nothing":                         {nil, 0, reasonNoTouch, 0},
		"last touch wins":                 {[]candidate{touch(byCookie, 1, 1, 5, -3*day), touch(byCookie, 2, 1, 6, -day)}, 0, reasonLastTouch, 2},
		"cookie before a newer e-mail":    {[]candidate{touch(byEmail, 1, 1, 5, -day), touch(byCookie, 2, 1, 6, -2*day)}, 0, reasonLastTouch, 2},
		"e-mail alone":                    {[]candidate{touch(byEmail, 1, 1, 5, -day)}, 0, reasonLastTouch, 1},
		"expired in its own window":       {[]candidate{touch(byCookie, 1, 2, 5, -8*day)}, 0, reasonExpired, 0},
		"expired is passed over":          {[]candidate{touch(byCookie, 1, 2, 5, -8*day), touch(byCookie, 2, 1, 6, -9*day)}, 0, reasonLastTouch, 2},
		"the last second of the window":   {[]candidate{touch(byCookie, 1, 1, 5, -30*day)}, 0, reasonLastTouch, 1},
		"later than the purchase":         {[]candidate{touch(byCookie, 1, 1, 5, 6*time.Minute)}, 0, reasonFuture, 0},
		"clocks that differ a little":     {[]candidate{touch(byCookie, 1, 1, 5, 5*time.Minute)}, 0, reasonLastTouch, 1},
		"campaign not live":               {[]candidate{touch(byCookie, 1, 3, 5, -day)}, 0, reasonNotLive, 0},
		"campaign gone":                   {[]candidate{touch(byCookie, 1, 9, 5, -day)}, 0, reasonNotLive, 0},
		"advocate unknown":                {[]candidate{touch(byCookie, 1, 1, 0, -day)}, 0, reasonNoAdvocate, 0},
		"already referred ends it":        {[]candidate{touch(byCookie, 1, 1, 5, -day), touch(byCookie, 2, 2, 6, -2*day)}, 1, reasonAlreadyReferred, 0},
		"touched again after the order":   {[]candidate{{method: byCookie, offerID: 4, campaignID: 1, advocateID: 5, firstAt: at(-day), lastAt: at(day)}}, 0, reasonLastTouch, 4},
		"the same by cookie and e-mail":   {[]candidate{touch(byEmail, 1, 1, 5, -day), touch(byCookie, 1, 1, 5, -day)}, 0, reasonLastTouch, 1},
		"first reason of several is told": {[]candidate{touch(byCookie, 1, 1, 5, day), touch(byCookie, 2, 2, 6, -9*day)}, 0, reasonFuture, 0},
	} {
		got := attribute(epoch, c.in, campaigns, func(id int64) bool { return id == c.referred })
		var offer int64
		if got.kept != nil {
			offer = got.kept.offerID
		}
		if got.reason != c.reason || offer != c.offer {
			t.Errorf("%s: got %s, offer %d; want %s, offer %d", name, got.reason, offer, c.reason, c.offer)
		}
	}
}

func TestAttribute_does_not_depend_on_the_order_of_candidates(t *testing.T) {
	t.Parallel()
	campaigns := map[int64]*campaign{1: {ID: 1, Status: statusLive, AttributionDays: 30}, 2: {ID: 2, Status: statusDisabled, AttributionDays: 30}}
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) candidate {
			when := epoch.Add(time.Duration(rapid.IntRange(-40*24, 24).Draw(t, "hours")) * time.Hour)
			return candidate{method: rapid.SampledFrom([]string{byCookie, byEmail}).Draw(t, "method"), offerID: rapid.Int64Range(1, 3).Draw(t, "offer"),
				campaignID: rapid.Int64Range(1, 2).Draw(t, "campaign"), advocateID: 1, visitor: uuidOf(rapid.IntRange(1, 3).Draw(t, "visitor")), firstAt: when, lastAt: when}
		}), 0, 8).Draw(t, "candidates")
		// One offer and visitor have one friend offer: what comes twice is the same.
		same := map[string]candidate{}
		for i, c := range list {
			k := itoa(c.offerID) + c.visitor
			if first, ok := same[k]; ok {
				m := c.method
				list[i] = first
				list[i].method = m
			} else {
				same[k] = c
			}
		}
		a := attribute(epoch, list, campaigns, func(int64) bool { return false })
		b := attribute(epoch, rapid.Permutation(list).Draw(t, "other order"), campaigns, func(int64) bool { return false })
		if a.reason != b.reason || (a.kept == nil) != (b.kept == nil) || a.kept != nil && a.kept.offerID != b.kept.offerID {
			t.Fatalf("%+v\n%+v", a, b)
		}
	})
}

func TestSelfReferral(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		got  evidence
		want string
	}{
		"another person":         {selfReferral(1, 2, []string{uuidOf(1)}, nil, ""), ""},
		"nobody's visitor":       {selfReferral(1, 2, nil, nil, ""), ""},
		"the same person":        {selfReferral(1, 1, nil, nil, ""), "person"},
		"the advocate's browser": {selfReferral(1, 2, []string{uuidOf(1)}, []string{uuidOf(1)}, ""), "visitor_of_advocate"},
		"the offer's browser":    {selfReferral(1, 2, []string{uuidOf(3), uuidOf(1)}, nil, uuidOf(1)), "visitor_of_offer"},
	} {
		found := basicPolicy.judge(map[string]evidence{ruleSelf: c.got})
		if c.got.Match != c.want || len(found) != 1 || (worst(found) == verdictBlocked) != (c.want != "") {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

func TestClawBack_ends_the_same_however_refunds_are_split(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		subtotal := rapid.Int64Range(1, money.Max).Draw(t, "subtotal")
		points, amount := rapid.Int64Range(0, 1_000_000_000).Draw(t, "points"), int64(0)
		if kind := rapid.Bool().Draw(t, "commission"); kind {
			points, amount = 0, points
		}
		kind := referralevent.Points
		if points == 0 {
			kind = referralevent.Commission
		}
		end := rapid.Int64Range(0, subtotal).Draw(t, "end")
		steps := append(rapid.SliceOf(rapid.Int64Range(0, end)).Draw(t, "cuts"), end)
		slices.Sort(steps)
		w := reward{Kind: kind, Status: rewardPaid, Points: points, Amount: amount}
		var told int64
		for _, total := range steps {
			if e := w.clawBack(&referral{Subtotal: subtotal, RefundedTotal: total, RefundedFull: total == subtotal}, epoch); e != nil {
				told += e.Points + e.Amount
			}
		}
		once := reward{Kind: kind, Status: rewardPaid, Points: points, Amount: amount}
		once.clawBack(&referral{Subtotal: subtotal, RefundedTotal: end, RefundedFull: end == subtotal}, epoch)
		if w.Clawed != once.Clawed || w.Status != once.Status || told != w.Clawed || (end == subtotal) != (w.Clawed == points+amount && w.Status == rewardVoided) && points+amount > 0 {
			t.Fatalf("in steps %+v (told %d), at once %+v", w, told, once)
		}
	})
}
