package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// reply is an answer as it came.
type reply struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// problem says whether the body is a problem of this status, in the media type of problems.
func (r reply) problem() bool {
	var p struct {
		OK     *bool  `json:"ok"`
		Type   string `json:"type"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}
	return strings.HasPrefix(r.header.Get("Content-Type"), "application/problem+json") && json.Unmarshal([]byte(r.body), &p) == nil &&
		p.OK != nil && !*p.OK && p.Type != "" && p.Status == r.status && p.Detail != ""
}

// ask sends a request as it stands, and again as long as it is told to come back. headers are pairs and go over those of a usual request; an
// empty value takes one away.
func ask(t testing.TB, s shop, method, path, body string, headers ...string) reply {
	t.Helper()
	return later(func() reply { return once(t, s, method, path, body, headers...) })
}

// once is ask without coming back: for tests of what a server answers that can't do its work.
func once(t testing.TB, s shop, method, path, body string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.server+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if req.Header.Del(headers[i]); headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	began := time.Now()
	res, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{status: res.StatusCode, header: res.Header, body: string(text), took: time.Since(began)}
}

// attempt is a hostile request, and what its problem must name.
type attempt struct{ name, method, path, body, names string }

// hostile are requests that must be refused: with a problem that names what is wrong, and with nothing written.
func hostile(told tale, campaign, programme int64) []attempt {
	origin := func(member string) string {
		return `{"type":"Purchase","data":{"email":"h@shop.example","order_number":"h-1","subtotal":"10.00",` + member + `}}`
	}
	with := func(member, value string) string { // instead of the good one
		good := map[string]string{"email": `"h@shop.example"`, "order_number": `"h-1"`, "subtotal": `"10.00"`}
		good[member] = value
		return `{"type":"Purchase","data":{"email":` + good["email"] + `,"order_number":` + good["order_number"] + `,"subtotal":` + good["subtotal"] + `}}`
	}
	sale := func(rest string) string {
		return `{"name":"h","status":"Live","destination_url":"https://shop.example/",` + rest + `}`
	}
	incentive := func(rest string) string { return sale(`"incentives":[{"identifier":"i",` + rest + `}]`) }
	destination := func(url string) string {
		text, _ := json.Marshal(url)
		return `{"name":"h","status":"Live","destination_url":` + string(text) + `,"incentives":[]}`
	}
	const origins, campaigns, programs = "/api/v2/origins", "/api/v2/campaigns", "/api/v2/loyalty/programs"
	refund, referral := origins+"/"+told.order+"/refund", origins+"/"+told.order+"/referral"
	own, ownProgramme := fmt.Sprintf("%s/%d", campaigns, campaign), fmt.Sprintf("%s/%d", programs, programme)
	timeline, sales := "/api/v2/people/"+told.advocate+"/timeline", "/api/v2/metrics/total_sales_sum"
	days := "start_date=2026-01-01&end_date=2026-01-31"
	all := []attempt{
		// 4.1: JSON
		{"null", "POST", origins, `null`, ""},
		{"an array", "POST", origins, `[]`, ""},
		{"a text", "POST", origins, `"x"`, ""},
		{"a number", "POST", origins, `5`, ""},
		{"only spaces", "POST", origins, `   `, ""},
		{"cut off", "POST", origins, `{"type":"Purchase","data":{`, ""},
		{"a key twice", "POST", origins, origin(`"subtotal":"99.00"`), "subtotal"},
		{"a key that folds to another", "POST", origins, `{"type":"Purchase","ſite_slug":"x","data":{"email":"h@shop.example","order_number":"h-1","ſubtotal":"10.00"}}`, "subtotal"},
		{"a key in another case", "POST", campaigns, sale(`"Tags":["x"],"incentives":[]`), "Tags"},
		{"two values", "POST", origins, with("email", `"h@shop.example"`) + with("email", `"h@shop.example"`), ""},
		{"garbage behind", "POST", origins, with("email", `"h@shop.example"`) + `garbage`, ""},
		{"an amount of null", "POST", origins, with("subtotal", `null`), "subtotal"},
		{"deep arrays", "POST", origins, origin(`"x":` + strings.Repeat("[", 10001) + strings.Repeat("]", 10001)), ""},
		{"deep objects", "POST", origins, origin(`"custom_properties":` + strings.Repeat(`{"a":`, 9999) + "1" + strings.Repeat("}", 9999)), ""},
		{"many keys", "POST", origins, `{"type":"Purchase","data":{` + manyKeys(200000) + `"email":"h@shop.example"}}`, ""},
		{"many items", "POST", origins, origin(`"items":[` + strings.Repeat(`{"price":1},`, 20000) + `{"price":1}]`), ""},
		{"UTF-16", "POST", origins, "\xff\xfe{\x00}\x00", ""},
		{"not UTF-8", "POST", origins, with("order_number", "\"\xff\xfe\""), ""},
		{"half a surrogate", "POST", origins, with("order_number", `"\ud800"`), ""},
		{"a NUL", "POST", origins, with("order_number", `"a\u0000b"`), ""},
		{"a NUL in a key", "POST", origins, origin(`"custom_properties":{"a\u0000b":"x"}`), ""},
		{"too large", "POST", origins, origin(`"x":"` + strings.Repeat("x", 1<<20) + `"`), ""},
		{"nested custom properties", "POST", origins, origin(`"custom_properties":{"a":{"b":1}}`), "custom_properties"},
		// 4.2: amounts
		{"a negative amount", "POST", origins, with("subtotal", `-1`), "subtotal"},
		{"beyond the cap", "POST", origins, with("subtotal", `9223372036854775807`), "subtotal"},
		{"beyond 64 bits", "POST", origins, with("subtotal", `9223372036854775808`), "subtotal"},
		{"beyond a float", "POST", origins, with("subtotal", `1e400`), "subtotal"},
		{"an unknown currency", "POST", origins, origin(`"currency_iso_code":"XQZ"`), "currency_iso_code"},
		{"a quantity below zero", "POST", origins, origin(`"items":[{"price":1,"quantity":-1}]`), "quantity"},
		{"a quantity beyond", "POST", origins, origin(`"items":[{"price":1,"quantity":1e30}]`), "quantity"},
		{"a refund of nothing", "POST", refund, `{"data":{"refund_subtotal":0}}`, "refund_subtotal"},
		{"a negative refund", "POST", refund, `{"data":{"refund_subtotal":-1}}`, "refund_subtotal"},
		{"a refund of too much", "POST", refund, `{"data":{"refund_subtotal":80.01}}`, ""},
		{"a refund in words", "POST", refund, `{"data":{"refund_subtotal":"all"}}`, "refund_subtotal"},
		{"a refund that isn't", "POST", refund, `{"data":{"refund_subtotal":"NaN"}}`, "refund_subtotal"},
		{"a refund of long ago", "POST", refund, `{"data":{"refunded_at":"yesterday"}}`, "refunded_at"},
		{"a refund in the future", "POST", refund, `{"data":{"refunded_at":"2999-01-01T00:00:00Z"}}`, "refunded_at"},
		{"a percentage beyond", "POST", campaigns, incentive(`"action_type":"referrer","kind":"commission","percent":100.01`), "percent"},
		{"a negative percentage", "POST", campaigns, incentive(`"action_type":"referrer","kind":"commission","percent":-5`), "percent"},
		{"a percentage too fine", "POST", campaigns, incentive(`"action_type":"referrer","kind":"commission","percent":33.333333333`), "percent"},
		{"negative points", "POST", campaigns, incentive(`"action_type":"referrer","kind":"points","points":-500`), "points"},
		{"points beyond", "POST", campaigns, incentive(`"action_type":"referrer","kind":"points","points":9223372036854775807`), "points"},
		{"points as an exponent", "POST", campaigns, incentive(`"action_type":"referrer","kind":"points","points":1e400`), ""},
		{"an unknown kind", "POST", campaigns, incentive(`"action_type":"referrer","kind":"gold"`), "kind"},
		{"an incentive of null", "PUT", own, sale(`"incentives":[null]`), "incentives"},
		{"a delay beyond", "POST", campaigns, sale(`"approval":{"mode":"automatic","delay_seconds":99999999999},"incentives":[]`), "delay_seconds"},
		{"a programme of negative rates", "PUT", ownProgramme, `{"name":"h","points_per_unit":-1,"tiers":[]}`, "points_per_unit"},
		{"a programme beyond", "PUT", ownProgramme, `{"name":"h","points_per_unit":9223372036854775807,"tiers":[]}`, "points_per_unit"},
		{"tiers that fall", "PUT", ownProgramme, `{"name":"h","points_per_unit":1,"tiers":[{"name":"a","threshold":5},{"name":"b","threshold":4}]}`, "tiers"},
		{"a tier twice", "PUT", ownProgramme, `{"name":"h","points_per_unit":1,"tiers":[{"name":"a","threshold":5},{"name":"a","threshold":6}]}`, "tiers"},
		{"a second programme", "POST", programs, `{"name":"h","points_per_unit":1,"tiers":[]}`, ""},
		// 4.3: texts and ids
		{"no order number", "POST", origins, with("order_number", `""`), "order_number"},
		{"a long order number", "POST", origins, with("order_number", `"`+strings.Repeat("x", 65536)+`"`), "order_number"},
		{"an order number of 256 letters", "POST", origins, with("order_number", `"`+strings.Repeat("é", 256)+`"`), "order_number"},
		{"an order number as an object", "POST", origins, with("order_number", `{"a":1}`), "order_number"},
		{"a phone of letters", "POST", origins, origin(`"phone_number":"CALL-ME"`), "phone_number"},
		{"a phone of 40 digits", "POST", origins, origin(`"phone_number":"+` + strings.Repeat("9", 40) + `"`), "phone_number"},
		{"a long name", "POST", origins, origin(`"first_name":"` + strings.Repeat("x", 100000) + `"`), "first_name"},
		{"300 custom properties", "POST", origins, origin(`"custom_properties":{` + strings.TrimSuffix(manyKeys(300), ",") + `}`), "custom_properties"},
		{"an unknown type", "POST", origins, `{"type":"Purchase; drop","data":{}}`, "type"},
		{"no type", "POST", origins, `{"data":{"email":"h@shop.example"}}`, "type"},
		{"no data", "POST", origins, `{"type":"Purchase"}`, "data"},
		{"a visitor that is none", "POST", origins, origin(`"uuid":"{00000000-0000-4000-8000-000000000001}"`), "uuid"},
		{"a visitor of 37 characters", "POST", "/api/v2/visitors", `{"data":{"uuid":"0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b0"}}`, "uuid"},
		{"the nil visitor", "POST", "/api/v2/visitors", `{"data":{"uuid":"00000000-0000-0000-0000-000000000000"}}`, "uuid"},
		{"a visitor as a number", "POST", "/api/v2/visitors", `{"data":{"uuid":5}}`, "uuid"},
		{"a channel that is none", "POST", origins, `{"type":"AffiliateMember","data":{"email":"h@shop.example","sharing_channels":["'; drop"]}}`, "sharing_channels"},
		{"an IP that is none", "POST", origins, origin(`"ip_address":"999.1.1.1"`), "ip_address"},
		{"another site", "POST", origins, `{"site_slug":"somebody-else","type":"Purchase","data":{"email":"h@shop.example","order_number":"h-1","subtotal":"1"}}`, ""},
		// 4.5: dates, addresses
		{"a date that is none", "POST", origins, origin(`"created_at":"2026-02-30T00:00:00Z"`), "created_at"},
		{"a date of the future", "POST", origins, origin(`"created_at":"2999-01-01T00:00:00Z"`), "created_at"},
		{"a date before money", "POST", origins, origin(`"created_at":"0001-01-01T00:00:00Z"`), "created_at"},
		{"a date in nobody's zone", "POST", origins, origin(`"created_at":"2026-01-02 10:00:00 XQT"`), "created_at"},
		{"a refund before money", "POST", refund, `{"data":{"refunded_at":"0001-01-01T00:00:00Z"}}`, "refunded_at"},
		{"a campaign that ends before it starts", "POST", campaigns, sale(`"live_period":{"starts_at":"2026-02-01T00:00:00Z","ends_at":"2026-01-01T00:00:00Z"},"incentives":[]`), "live_period"},
		{"a campaign without a name", "POST", campaigns, `{"name":"","status":"Live","incentives":[]}`, "name"},
		{"a status that is none", "POST", campaigns, `{"name":"h","status":"live","incentives":[]}`, "status"},
		{"an attribution of no days", "POST", campaigns, sale(`"attribution_days":0,"incentives":[]`), "attribution_days"},
		{"a referral's status that is none", "PUT", referral, `{"data":{"status":"paid"}}`, "status"},
		{"a referral's status as SQL", "PUT", referral, `{"data":{"status":"approved' or '1'='1"}}`, "status"},
		{"a referral back from its end", "PUT", referral, `{"data":{"status":"pending"}}`, ""},
		{"a referral of nobody's order", "PUT", origins + "/' OR 1=1 --/referral", `{"data":{"status":"voided"}}`, ""},
		{"a refund of nobody's order", "POST", origins + "/%27%20OR%201=1%20--/refund", `{"data":{}}`, ""},
		// reads
		{"an unknown metric", "GET", "/api/v2/metrics/amount;drop?" + days, "", "metric"},
		{"a metric without dates", "GET", sales, "", "date"},
		{"a metric backwards", "GET", sales + "?start_date=2026-02-01&end_date=2026-01-01", "", "date"},
		{"a metric on no day", "GET", sales + "?start_date=2026-02-30&end_date=2026-03-01", "", "date"},
		{"a metric by SQL", "GET", sales + "?start_date=2026-01-01%27--&end_date=2026-03-01", "", "date"},
		{"a metric of a campaign that is none", "GET", "/api/v2/metrics/offers?" + days + "&campaign_ids=1;drop", "", ""},
		{"a metric in no currency", "GET", sales + "?" + days + "&currency=%24%24%24", "", "currency"},
		{"a metric to a thousand digits", "GET", sales + "?" + days + "&precision=1000", "", "precision"},
		{"a metric by __proto__", "GET", sales + "?" + days + "&__proto__=1", "", "__proto__"},
		{"a metric by the nanosecond", "GET", sales + "/segmentize?" + days + "&segment_by[period]=hour", "", "period"},
		{"a metric by the day for 9,000 years", "GET", sales + "/segmentize?start_date=0999-01-01&end_date=9999-12-31&segment_by[period]=day", "", ""},
		{"a page of none", "GET", timeline + "?limit=0", "", "limit"},
		{"a page below none", "GET", timeline + "?limit=-1", "", "limit"},
		{"a page of a billion", "GET", timeline + "?limit=1000000000", "", "limit"},
		{"a page of many", "GET", timeline + "?limit=many", "", "limit"},
		{"a cursor of one's own", "GET", timeline + "?cursor=eyJhIjoxfQ", "", "cursor"},
		{"a cursor by SQL", "GET", timeline + "?cursor=%27%20or%201%3D1", "", "cursor"},
		{"a long cursor", "GET", timeline + "?cursor=" + strings.Repeat("A", 3000), "", "cursor"},
		{"nobody", "GET", "/api/v2/people/nobody@shop.example", "", ""},
		{"nobody by SQL", "GET", "/api/v2/people/%27%20OR%201=1%20--", "", ""},
		{"nobody by NUL", "GET", "/api/v2/people/a%00b", "", ""},
		{"nobody above", "GET", "/api/v2/people/..%2f..%2fsite", "", ""},
		{"nobody who is not UTF-8", "GET", "/api/v2/people/%ff%fe", "", ""},
		{"nobody of 3,000 letters", "GET", "/api/v2/people/" + strings.Repeat("x", 3000), "", ""},
		{"no member", "GET", "/api/v2/loyalty/members/%27%3B--", "", ""},
		{"no campaign", "GET", campaigns + "/99999999999999999999", "", ""},
		{"a campaign by words", "GET", campaigns + "/one", "", ""},
		{"a campaign below zero", "GET", campaigns + "/-1", "", ""},
		{"an offer by SQL", "GET", "/api/v2/offers/%27%20OR%201=1", "", ""},
		{"an attribution of words", "GET", "/api/v2/origins/abc/attribution", "", ""},
		{"rewards of a status that is none", "GET", "/api/v2/rewards?visitor_uuid=0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b&status=Stolen", "", "status"},
		{"another site's name", "GET", "/api/v2/site?site_slug=somebody-else", "", ""},
	}
	for _, amount := range []string{`"12,50"`, `"1 000"`, `"$5"`, `"١٢"`, `"５"`, `"+5"`, `" 5 "`, `"0x10"`, `"1_000"`, `"NaN"`, `"Infinity"`, `"-Infinity"`, `true`, `[1]`} {
		all = append(all, attempt{"an amount of " + amount, "POST", origins, with("subtotal", amount), "subtotal"})
	}
	for _, address := range []string{`"nobody"`, `"a..b@c.d"`, `"` + strings.Repeat("x", 320) + `@c.de"`, `"\"a b\"@c.de"`, `"a@[127.0.0.1]"`, `"Name <a@b.cd>"`, `"=?utf-8?q?x?= <a@b.cd>"`, `"a@b.cd\r\nBcc: x@y.zz"`, `"a@b.cd,e@f.gh"`, `true`} {
		all = append(all, attempt{"an address of " + address[:min(len(address), 40)], "POST", origins, with("email", address), "email"})
	}
	for _, url := range []string{"javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "gopher://x", "//evil.example", `/\evil.example`, "https:evil.example",
		"http:///evil", "https://good.example@evil.example/", "https://good.example%2f@evil.example", "https://evil.example/\nx", "https://evil.example/\tx", "https://x.example/" + strings.Repeat("x", 4096)} {
		all = append(all, attempt{"a destination of " + url[:min(len(url), 40)], "POST", campaigns, destination(url), "destination_url"})
	}
	return all
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d":1,`, i)
	}
	return b.String()
}

// TestHostileInput sends everything that must not be taken: each is refused as a problem that names the place, and writes nothing.
func TestHostileInput(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop, db := newShop(t, s.demo), open(t, l["TALKABLE_DATABASE_URL"])
	told := tales("hostile", 1)[0]
	told.tell(shop)
	told.ends(shop)
	var campaigns struct {
		Campaigns []struct {
			ID int64 `json:"id"`
		} `json:"campaigns"`
	}
	shop.must("GET", "/api/v2/campaigns", nil, &campaigns)
	var programs struct {
		Programs []struct {
			ID int64 `json:"id"`
		} `json:"programs"`
	}
	shop.must("GET", "/api/v2/loyalty/programs", nil, &programs)
	settled(t, s, db)
	before := census(t, db)
	cases := hostile(told, campaigns.Campaigns[0].ID, programs.Programs[0].ID)
	t.Logf("%d requests", len(cases))
	for _, c := range cases {
		a := quick(slow, func() reply { return ask(t, shop, c.method, strings.ReplaceAll(c.path, " ", "%20"), c.body) })
		switch {
		case a.status < 400 || a.status >= 500 || !a.problem():
			t.Errorf("%s: %d %.400s", c.name, a.status, a.body)
		case c.names != "" && !strings.Contains(fieldsOf(a), c.names):
			t.Errorf("%s: the problem doesn't name %s: %.400s", c.name, c.names, a.body)
		case tellsOfInsides(a.body):
			t.Errorf("%s: the problem tells of our insides: %.400s", c.name, a.body)
		case a.took > slow:
			t.Errorf("%s took %s", c.name, a.took)
		}
	}
	good := `{"type":"Purchase","data":{"email":"h@shop.example","order_number":"h-1","subtotal":"10.00"}}`
	for _, c := range []struct {
		name    string
		status  int
		headers []string
	}{
		{"no key", 401, []string{"Authorization", ""}},
		{"an empty key", 401, []string{"Authorization", "Bearer "}},
		{"a key with a letter less", 401, []string{"Authorization", "Bearer " + s.demo.APIKey[:len(s.demo.APIKey)-1]}},
		{"a key in another case", 401, []string{"Authorization", "Bearer " + strings.ToUpper(s.demo.APIKey)}},
		{"a key of 10 kB", 401, []string{"Authorization", "Bearer " + strings.Repeat("k", 10000)}},
		{"text", 415, []string{"Content-Type", "text/plain"}},
		{"a form", 400, []string{"Content-Type", "multipart/form-data; boundary=x"}},
		{"UTF-7", 415, []string{"Content-Type", "application/json; charset=utf-7"}},
		{"gzip", 415, []string{"Content-Encoding", "gzip"}},
		{"an idempotency key of 256 letters", 400, []string{"Idempotency-Key", strings.Repeat("k", 256)}},
		{"an idempotency key with accents", 400, []string{"Idempotency-Key", "clé"}},
	} {
		if a := ask(t, shop, "POST", "/api/v2/origins", good, c.headers...); a.status != c.status || !a.problem() {
			t.Errorf("%s: %d %.300s", c.name, a.status, a.body)
		}
	}
	for _, code := range []string{"zzzzzzzzzz", "0000000000", "x", "..%2fapi", "%00", "%ff", "'%20or%201=1", strings.Repeat("x", 2000), "javascript:alert(1)"} {
		a := ask(t, shop, "GET", "/x/"+code, "", "User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0")
		if a.status != http.StatusNotFound || strings.Contains(a.body, "alert(1)") {
			t.Errorf("/x/%.40s: %d %.300s", code, a.status, a.body)
		}
	}
	settled(t, s, db)
	before.same(t, census(t, db))
	told.ends(shop)
}

// fieldsOf is where a problem says that the fault is.
func fieldsOf(a reply) string {
	var p struct {
		Detail string `json:"detail"`
		Errors []struct {
			Pointer string `json:"pointer"`
			Detail  string `json:"detail"`
		} `json:"errors"`
	}
	_ = json.Unmarshal([]byte(a.body), &p) // it is a problem by now
	all := []string{p.Detail}
	for _, e := range p.Errors {
		all = append(all, e.Pointer+": "+e.Detail)
	}
	return strings.Join(all, " ")
}

// TestLiteralInput: what looks dangerous but is a text like any other is kept to the letter.
func TestLiteralInput(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop, db := newShop(t, s.demo), open(t, l["TALKABLE_DATABASE_URL"])
	for i, text := range []string{`' OR 1=1 --`, `"; DROP TABLE customer.person; --`, `\x27`, `%27`, `$1`, `?`, `:name`, `<script>alert(1)</script>`,
		`"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, `{{7*7}}`, `${7*7}`, `{% for i in (1..1e9) %}`, `=HYPERLINK("http://evil","x")`, `@SUM(1)`,
		`+1`, `-1`, `＝1`, `../../etc/passwd`, `SАVE10 of Cyrillic`, `É composed, É not`, `straße İı`, `01001`, `1001`, `null`, `__proto__`} {
		email := fmt.Sprintf("literal%d@shop.example", i)
		shop.must("POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": email, "order_number": text, "subtotal": "1.00",
			"first_name": text, "last_name": text, "custom_properties": object{"site_id": text, "constructor": text}, "traffic_source": text, "utm_source": text}}, nil)
		var kept struct {
			Person struct {
				First  string            `json:"first_name"`
				Last   string            `json:"last_name"`
				Custom map[string]string `json:"custom_properties"`
			} `json:"person"`
		}
		shop.must("GET", "/api/v2/people/"+email, nil, &kept)
		if p := kept.Person; p.First != text || p.Last != text || p.Custom["site_id"] != text || p.Custom["constructor"] != text {
			t.Errorf("%q was kept as %+v", text, p)
		}
		var number string
		if err := db.Get(&number, `select number from customer.origin o join customer.person p on p.site_id = o.site_id and p.id = o.person_id where p.email = $1`, email); err != nil || number != text {
			t.Errorf("order number %q was kept as %q (%v)", text, number, err)
		}
		err := shop.call(t.Context(), "POST", "/api/v2/origins/"+url.PathEscape(text)+"/refund", object{"data": object{}}, nil)
		if strings.Contains(text, "../") { // no path goes up, escaped or not
			if err == nil || !strings.Contains(err.Error(), " 404 ") {
				t.Errorf("refund of order %q: %v", text, err)
			}
		} else if err != nil {
			t.Errorf("refund of order %q: %v", text, err)
		}
	}
	// A number is its digits, and never becomes a float.
	shop.must("POST", "/api/v2/origins", object{"type": "Purchase", "data": json.RawMessage(`{"email":"n@shop.example","order_number":9007199254740993,"subtotal":0}`)}, nil)
	var number string
	if err := db.Get(&number, `select number from customer.origin where number like '9007%'`); err != nil || number != "9007199254740993" {
		t.Errorf("kept as %q (%v)", number, err)
	}
}
