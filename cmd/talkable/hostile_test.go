package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// probe is a hostile request: an operation's sample with one thing wrong.
type probe struct {
	op, row, what  string
	method, target string
	body           string
	headers        []string // pairs that go over the usual ones; an empty value takes one away
	host           string
	names          []string // if it is refused, the problem names one of these: the member, or what it stands in
	refuse         bool     // must be refused; else it may be taken
	once           bool     // what it names may be there by the time it is sent again
	says           string   // if it is taken, the answer says this
	status         int      // by this status, if not 0
}

func (p probe) String() string {
	return fmt.Sprintf("%s: %s %.80q: %s %.120s %.200s", p.op, p.row, p.what, p.method, p.target, p.body)
}

// ignored are members that an operation doesn't look at: those of other types of origins, and where older clients put a status.
var ignored = map[string][]string{
	"createOrigin": {"data/event_"}, "createPurchase": {"data/event_"}, "createEvent": {"data/order_number/"},
	"createAffiliateMembers": {"data/0/"}, "createPurchases": {"data/0/"}, "createEvents": {"data/0/"}, // a row's faults are its own: see TestBatch
	"createAffiliateMember": {"data/event_", "data/order_number/", "data/subtotal/", "data/items/"}, "updateReferral": {"status/"},
}

// references are members that name other things by a number, which may be there by the time a request is sent again, and those of
// which a site has one each, which may be free by then.
var references = map[string]bool{"redemption_batch_id": true, "coupon_list_id": true, "username": true, "customer_id": true, "phone_number": true}

// doubtful are parameters of paths that an operation answers about whatever they say, and what it says of what it doesn't know.
var doubtful = map[string]map[string]string{
	"getCoupon":           {"code": `"talkable_coupon":false`},
	"getCouponPermission": {"code": `"talkable_coupon":false`, "person_slug": `"allowed":false`},
}

// signed are operations whose amounts and points may be below zero: they take away what was given.
var signed = []string{"adjustAccount"}

// passing are operations that are refused for a moment only: while a delivery is under way.
var passing = []string{"resendWebhookDelivery"}

// noPath says that a segment makes no path at all.
func noPath(segment string) bool {
	text, err := url.PathUnescape(segment)
	return err != nil || text == "." || strings.Contains(text, "..") || strings.Contains(text, "\x00") || !utf8.ValidString(text)
}

// probes are all hostile requests for one operation.
func probes(op operation, s sample, w world) (out []probe) {
	good, target := w.fill(s.body), s.target(op, w)
	add := func(p probe) {
		p.op, p.method = op.id, cmpOr(p.method, op.method)
		if s.fresh != "" { // so that it is recorded, and not found again
			p.body = strings.Replace(p.body, `"`+s.fresh+`"`, fmt.Sprintf(`"%s-%d"`, s.fresh, len(out)), 1)
		}
		p.target, p.headers = cmpOr(p.target, target), append(s.headers(), p.headers...)
		p.once = p.once || slices.Contains(passing, op.id)
		out = append(out, p)
	}
	if s.kind != "" {
		for _, body := range []string{"", "\x00", "a\x00b", "\xff\xfe", "\"", "\r\r\n\r", ",,,\n;", strings.Repeat("x", 1<<20), strings.Repeat("x\n", 5000), "\ufeff", "=CMD()\n+1\n", "é\nſ\n"} {
			add(probe{row: "4.1 a body of lines", what: body, body: body})
		}
	}
	if op.body != nil {
		for _, v := range wrongBodies(good) {
			add(probe{row: v.row, what: v.raw, body: v.raw, refuse: v.refuse})
		}
		add(probe{row: "4.1/1 empty", refuse: op.needsBody})
		for n, f := range fields(op.body) {
			for i, v := range hostileTo(f) {
				if v.row == looksLike && (n+i)%4 != 0 { // each field gets a quarter of them, the next another: every one reaches every operation
					continue
				}
				out := slices.ContainsFunc(ignored[op.id], func(name string) bool { return strings.HasPrefix(strings.Join(f.at, "/")+"/", name) })
				fits := out || v.row == belowZero && slices.Contains(signed, op.id)
				add(probe{row: v.row, what: "/" + strings.Join(f.at, "/") + "=" + v.raw, body: put(good, f.at, v.raw), refuse: v.refuse && !fits, names: f.names(),
					once: !v.refuse && references[f.at[len(f.at)-1]]})
			}
		}
	}
	if op.forms {
		for _, v := range hostileForms {
			add(probe{row: "4.1 a form", what: v, body: v, refuse: true, headers: []string{"Content-Type", "application/x-www-form-urlencoded"}})
		}
		for _, v := range hostileParts {
			add(probe{row: "4.1 a form in parts", what: v, body: v, refuse: true, headers: []string{"Content-Type", "multipart/form-data; boundary=x"}})
		}
	}
	for _, p := range op.params {
		switch p.in {
		case "path":
			for _, v := range hostileSegments {
				other := s
				other.path = map[string]string{}
				for name, was := range s.path {
					other.path[name] = was
				}
				other.path[p.name] = v
				text, _ := url.PathUnescape(v)
				raw, _ := json.Marshal(text)
				here := p.kind == "string" && (slices.Contains(literals, string(raw)) || text == " " || text == "nobody@nowhere.example") // some order or person may have that name by now
				says, asked := doubtful[op.id][p.name]
				if here {
					says = ""
				}
				add(probe{row: "4.3/57-59 in the path", what: p.name + "=" + v, target: other.target(op, w), body: good, refuse: !here && !asked || noPath(v), once: here, says: says})
			}
		case "query":
			for i, v := range hostileQueries {
				add(probe{row: "4.5/83,98 in the query", what: p.name + "=" + v, target: withQuery(target, p.name, v), body: good,
					refuse: p.name == "limit" || p.name == "cursor" || p.kind == "integer" && i > 2})
			}
		}
	}
	for _, v := range []string{"__proto__=1", "sort=amount;drop", "order=asc%20nulls", "a=%00", "a=%ff", "%ff=a", "a=%zz", "site_slug=somebody-else", "site_slug=", "a[b][c]=1&a=2", strings.Repeat("a=1&", 2000)} {
		add(probe{row: "4.3/49 an odd query", what: v, target: target + separator(target) + v, body: good, refuse: v == "a=%00" || v == "a=%ff" || v == "%ff=a" || v == "a=%zz" ||
			strings.HasPrefix(v, "site_slug=s")})
	}
	for _, h := range hostileHeaders(op, s, good) {
		h.body = good
		add(h)
	}
	return out
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func separator(target string) string {
	if strings.Contains(target, "?") {
		return "&"
	}
	return "?"
}

// withQuery puts an escaped value in the place of a query parameter.
func withQuery(target, name, escaped string) string {
	path, query, _ := strings.Cut(target, "?")
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		if part != "" && !strings.HasPrefix(part, name+"=") {
			kept = append(kept, part)
		}
	}
	return path + "?" + strings.Join(append(kept, url.QueryEscape(name)+"="+escaped), "&")
}

var (
	hostileSegments = []string{"%27%20OR%201=1%20--", "%22%3B%20DROP%20TABLE%20x", "%00", "a%00b", "%ff%fe", "..%2f..%2fsite", "..%5c..%5csite", "%2e%2e%2f", "..", ".", "%2e", "99999999999999999999", "-1", "0", "1e3", "1.0",
		"0x10", "%20", "%D9%A1", "%EF%BC%95", "null", "undefined", "__proto__", "{id}", "0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b", "%7B00000000-0000-0000-0000-000000000000%7D", "nobody%40nowhere.example",
		"a%40b.cd%0d%0aX:1", strings.Repeat("x", 3000), strings.Repeat("%41", 4000), "%F0%9F%98%80", "E%CC%81", "%E2%80%AE", "%3Cscript%3E", "%25%32%37", "a%2fb", "a;b", "a%3Fb", "%"}
	hostileForms = []string{"a[b=1", "a]=1", "[a]=1", "a[b]c=1", "a[[b]]=1", "a[][]=1", "=1", "a=1&a[b]=1", "a[]=1&a[b]=1", "data=1&data[email]=a@b.cd", "data[]=1&data[email]=a@b.cd", "a=1&a=1", "a=%00", "a=%ff", "%ff=1",
		"a=%zz", "a;b=1", "a" + strings.Repeat("[b]", 40) + "=1", "a" + strings.Repeat("[]", 30_000) + "=1", strings.Repeat("a", 600) + "=1", strings.Repeat("a[]=&", 10_001), "site_slug[]=demo", "site_slug=somebody-else", "{}"}
	hostileParts = []string{"--x--x", "--x\r\n", "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1", "--x\r\nContent-Disposition: form-data; name=\"a[b\"\r\n\r\n1\r\n--x--", "--x\r\n\r\n1\r\n--x--",
		"--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\n1\r\n--x--", "--x\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64\r\n\r\nMQ==\r\n--x--",
		"--x\r\n" + strings.Repeat("A: b\r\n", 50_000) + "\r\n1\r\n--x--", "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\x00\r\n--x--"}
	hostileQueries = []string{"0", "-1", "1000000000", "99999999999999999999", "many", "1.5", "1e2", "%27%20or%201%3D1", "eyJhIjoxfQ", strings.Repeat("A", 3000), "%3Cscript%3E", "2026-02-30", "%D9%A1", "%F0%9F%98%80", "%0d%0aX:1", "a%22b", "__proto__"}
)

// hostileHeaders are 4.4's.
func hostileHeaders(op operation, s sample, good string) (out []probe) {
	head := func(row string, status int, refuse bool, headers ...string) {
		out = append(out, probe{row: "4.4/" + row, what: fmt.Sprintf("%.60q", headers), headers: headers, status: status, refuse: refuse})
	}
	for _, v := range []string{"", "Bearer", "Bearer ", "Bearer  x", "Basic", "Basic !!!!", "Basic Og==", "Basic OnNlY3JldA==", "Bearer " + strings.Repeat("k", 10000), "Bearer cl\u00e9", "Digest x", "bearer tk_secret_x", "Bearer tk_secret_" + strings.Repeat("0", 49)} {
		head("63-67 no key of ours", 401, true, "Authorization", v)
	}
	writes := op.method == "POST" || op.method == "PUT"
	if writes && good != "" {
		for _, v := range []string{"text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/json; charset=utf-7", "application/json; x=y", "application/xml", "", "*/*", "application/json, text/plain"} {
			switch {
			case op.forms && strings.Contains(v, "form"): // JSON is no form
				head("22 another kind of body", 400, true, "Content-Type", v)
			case strings.HasPrefix(v, "multipart/") && strings.HasPrefix(s.kind, "multipart/"): // another boundary than the body's
				head("22 another kind of body", 0, true, "Content-Type", v)
			case v != s.kind:
				head("22 another kind of body", 415, true, "Content-Type", v)
			}
		}
		for _, v := range []string{"gzip", "br", "gzip, identity", "x"} {
			head("24 a packed body", 415, true, "Content-Encoding", v)
		}
	}
	for _, v := range []string{strings.Repeat("k", 256), "cl\u00e9", "a b", `""`, `"`, " "} {
		head("69 an idempotency key that is none", 0, writes && v != " ", "Idempotency-Key", v)
	}
	head("74 another method in a header", 0, false, "X-HTTP-Method-Override", "DELETE")
	for _, v := range []string{"null", "https://shop.example.com.evil.example", "http://shop.example", "https://SHOP.EXAMPLE."} {
		head("77 a page elsewhere", 0, false, "Origin", v)
	}
	for _, v := range []string{"*/*;q=0", "application/xml", ";;;", strings.Repeat("a/b,", 1000)} {
		head("78 wants something else", 0, false, "Accept", v, "Accept-Language", strings.Repeat("de,", 1300))
	}
	head("79 odd headers", 0, false, "Range", "bytes=0-1", "If-None-Match", "garbage", "If-Modified-Since", "never", "X-Forwarded-For", "' or 1=1", "X-Request-Id", "\"><script>", "User-Agent", strings.Repeat("x", 8000))
	out = append(out, probe{row: "4.4/76 another host", what: "Host", host: "evil.example"})
	for _, m := range []string{"TRACE", "PROPFIND", "get", "CONNECT_", "DELETE", "PATCH"} {
		if m != http.MethodDelete || !op.deletes {
			out = append(out, probe{row: "4.4/74 another method", what: m, method: m, refuse: true, status: 405})
		}
	}
	return out
}

// insides must not be told to anybody.
var insides = regexp.MustCompile(`pq:|SQLSTATE|\.go:\d|goroutine \d|panic|runtime error|dial tcp|/internal/|go-json|jsontext|huma\.|violates |relation "`)

// settledCode is what is refused for what happened before, not for a member.
var settledCode = regexp.MustCompile(`"code":"(duplicate_entity|already_refunded|not_enough_points)"`)

// takenCode is what is refused because another has that name.
var takenCode = regexp.MustCompile(`"code":"[a-z_]+_taken"`)

// judge says what is wrong with the answer to a probe, or nothing.
func (p probe) judge(a reply) string {
	switch {
	case a.status >= 500:
		return "a failure of ours"
	case a.status == 400 && strings.Contains(p.target, "/%") && a.body == "400 Bad Request": // package http's own, before anything of ours
		return ""
	case a.status >= 400 && !a.problem():
		return "no problem document"
	case a.status == 400 && p.names != nil && !settledCode.MatchString(a.body) && !slices.ContainsFunc(p.names, func(name string) bool { return strings.Contains(fieldsOf(a), name) }):
		return fmt.Sprintf("the problem names none of %q", p.names)
	case a.status >= 400 && insides.MatchString(a.body):
		return "tells of our insides"
	case p.refuse && a.status < 400:
		return "was taken"
	case a.status < 400 && !strings.Contains(a.body, p.says):
		return fmt.Sprintf("doesn't say %s", p.says)
	case p.status != 0 && a.status != p.status:
		return fmt.Sprintf("is not %d", p.status)
	case a.took > slow:
		return "took " + a.took.String()
	case a.header.Get("Access-Control-Allow-Origin") != "":
		return "lets pages of other origins read it"
	case strings.Contains(a.body, "evil.example/"):
		return "names a host that the client chose"
	}
	return ""
}

// slow is longer than any answer may take.
const slow = 10 * time.Second

// volley sends probes, several at once, and returns the answers in their order.
func volley(t testing.TB, s shop, all []probe) []reply {
	t.Helper()
	client := &http.Client{Timeout: longest, Transport: checked{t, &http.Transport{MaxIdleConnsPerHost: 8}}, CheckRedirect: s.http.CheckRedirect}
	defer client.CloseIdleConnections()
	answers := make([]reply, len(all))
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < len(all); i += 8 {
				answers[i] = later(func() reply { return all[i].send(t, client, s) })
			}
		})
	}
	wg.Wait()
	for i, a := range answers { // what took long among others has to be quick by itself
		if a.took > slow {
			answers[i].took = quick(slow, func() reply { return all[i].send(t, client, s) }).took
		}
	}
	return answers
}

func (p probe) send(t testing.TB, client *http.Client, s shop) reply {
	t.Helper()
	a, err := p.sent(client, s)
	if err != nil {
		t.Errorf("%s: %v", p, err)
	}
	return a
}

func (p probe) sent(client *http.Client, s shop) (reply, error) {
	var sent io.Reader
	if p.body != "" {
		sent = strings.NewReader(p.body)
	}
	req, err := http.NewRequest(p.method, s.server+"/", sent)
	if err != nil {
		return reply{}, err
	}
	path, query, _ := strings.Cut(p.target, "?")
	req.URL.RawQuery, req.URL.RawPath = query, path
	if req.URL.Path, err = url.PathUnescape(path); err != nil { // not escaped: sent as it stands
		req.URL.Opaque = "//" + req.URL.Host + path
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	if p.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if p.host != "" {
		req.Host = p.host
	}
	for i := 0; i+1 < len(p.headers); i += 2 {
		if req.Header.Del(p.headers[i]); p.headers[i+1] != "" {
			req.Header.Set(p.headers[i], p.headers[i+1])
		}
	}
	began := time.Now()
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return reply{status: res.StatusCode, header: res.Header, body: string(text), took: time.Since(began)}, err
}

// TestHostileInputOfEveryKind sends every hostile input to every operation of its kind: the operations, their fields and parameters
// are those of the live description. None may fail, and what is refused, refused again when all else has come to rest, changes nothing.
func TestHostileInputOfEveryKind(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l, "TALKABLE_RATE_LIMIT=10000000", "TALKABLE_LOG_LEVEL=error")
	shop, db := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "hostile")}), open(t, l["TALKABLE_DATABASE_URL"])
	ops := operationsOf(t, s.demo.Server)
	w := play(t, shop, ops)
	var all []probe
	for _, op := range ops {
		if one, ok := sampleOf(op.id); ok {
			all = append(all, probes(op, one, w)...)
		}
	}
	began := time.Now()
	answers := volley(t, shop, all)
	rows := map[string]int{}
	var refused []probe
	for i, a := range answers {
		if wrong := all[i].judge(a); wrong != "" {
			t.Errorf("%s\n\t%s: %d %.400s", all[i], wrong, a.status, a.body)
		}
		rows[all[i].row]++
		if a.status >= 400 && !all[i].once && !momentary(a) {
			refused = append(refused, all[i])
		}
	}
	first := time.Since(began)
	settled(t, s, db)
	exhaust(t, shop, w)
	settled(t, s, db)
	before := census(t, db)
	for i, a := range volley(t, shop, refused) {
		if a.status < 400 || a.status >= 500 {
			t.Errorf("%s\n\tis no longer refused: %d %.400s", refused[i], a.status, a.body)
		}
	}
	settled(t, s, db)
	before.same(t, census(t, db))
	t.Logf("%d operations, %d kinds of input, %d requests in %s, %d of them refused and sent again in %s", len(ops), len(rows), len(all), first, len(refused), time.Since(began)-first)
	if testing.Verbose() {
		for _, row := range slices.Sorted(maps.Keys(rows)) {
			t.Logf("%6d %s", rows[row], row)
		}
	}
}

// momentary says whether a refusal was for what others were doing just then: too many batches, or a name that one of them had until
// the next request renamed it.
func momentary(a reply) bool {
	return a.status == http.StatusTooManyRequests || takenCode.MatchString(a.body)
}

// exhaust takes all points of the samples' member, and lets nobody give her more than one: what was refused because she had too few, or too
// many, in the midst of all the rest is refused again whatever the rest made of her points and of what they buy. She may be no member
// any more: under a name that one hostile request gave her, another may have had her anonymized.
func exhaust(t testing.TB, s shop, w world) {
	t.Helper()
	const ann = "/api/v2/loyalty/members/ann@shop.example"
	var m struct {
		Member struct {
			Balance int64 `json:"points_balance"`
		} `json:"loyalty_member"`
	}
	if a := ask(t, s, http.MethodGet, ann, ""); a.status != http.StatusBadRequest {
		s.must("GET", ann, nil, &m)
	}
	if m.Member.Balance > 0 {
		s.must("POST", ann+"/manual_adjustment_actions", object{"data": object{"points": -m.Member.Balance}}, nil)
	}
	s.must("PUT", "/api/v2/loyalty/programs/"+w["$program"], object{"name": "Club", "points_per_unit": 1, "adjustment_limit": 1}, nil)
}
