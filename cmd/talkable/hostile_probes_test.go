package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
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

// doubtful are parameters of paths that an operation answers about whatever they say, and what it says of what it doesn't know.
var doubtful = map[string]map[string]string{
	"getCoupon":           {"code": `"talkable_coupon":false`},
	"getCouponPermission": {"code": `"talkable_coupon":false`, "person_slug": `"allowed":false`},
}

// signed are operations whose amounts and points may be below zero: they take away what was given.
var signed = []string{"adjustAccount", "adjustManyPoints"}

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
				add(probe{row: v.row, what: "/" + strings.Join(f.at, "/") + "=" + v.raw, body: put(good, f.at, v.raw), refuse: v.refuse && !fits, names: f.names()})
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
				add(probe{row: "4.3/57-59 in the path", what: p.name + "=" + v, target: other.target(op, w), body: good, refuse: !here && !asked || noPath(v), says: says})
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
