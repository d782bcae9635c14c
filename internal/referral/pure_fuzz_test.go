package referral

import (
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/money"
)

// FuzzDestination: a friend is never led to another host than the campaign's, whatever stands in the query.
func FuzzDestination(f *testing.F) {
	for _, s := range []string{"https://shop.example/welcome?a=b#c", "//evil.example", `/\evil.example`, "https:evil.example", "javascript:alert(1)", "https://good.example@evil.example", "https://good.example%2f@evil.example/",
		"https://shop.example/?talkable_visitor_offer_id=1&tkbl_cvuuid=x", "https://[::1]:80/", "https://x.example/\r\nX: y", "HTTPS://SHOP.example", "https://shop.example:99999/", "https://shop.example?;=%zz&%"} {
		f.Add(s, "name & more=\r\n")
	}
	f.Fuzz(func(t *testing.T, destination, value string) {
		if checkDestination(destination) != nil {
			return
		}
		was, err := url.Parse(destination)
		if err != nil {
			t.Fatal(err)
		}
		led, err := withParameters(destination, []parameter{{paramVisitor, "v"}, {"utm_content", value}})
		if err != nil {
			t.Fatal(err)
		}
		is, err := url.Parse(led)
		if err != nil || is.Host != was.Host || !strings.EqualFold(is.Scheme, was.Scheme) || is.User != nil || is.Path != was.Path {
			t.Errorf("%q leads to %q", destination, led)
		}
		if strings.ContainsAny(led, "\r\n\\ \t\x00") {
			t.Errorf("%q leads to %q, which a header can't hold", destination, led)
		}
		visitors := 0
		for part := range strings.SplitSeq(is.RawQuery, "&") {
			if key, _, _ := strings.Cut(part, "="); key == paramVisitor {
				visitors++
			}
		}
		if visitors != 1 {
			t.Errorf("%q names %d visitors", led, visitors)
		}
	})
}

// FuzzMachine: no case of letters and nothing around it makes a bot a person, and who says nothing is none.
func FuzzMachine(f *testing.F) {
	f.Add("Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0", "")
	f.Add("Googlebot/2.1", "prefetch")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, agent, purpose string) {
		r := httptest.NewRequest("GET", "/x/abc", nil)
		r.Header["User-Agent"], r.Header["Sec-Purpose"] = []string{agent}, []string{purpose}
		is := machine(r)
		if strings.TrimSpace(agent) == "" && !is {
			t.Errorf("%q is a person", agent)
		}
		r.Header["User-Agent"] = []string{agent + " " + strings.ToUpper(bots[len(agent)%len(bots)])}
		if !machine(r) {
			t.Errorf("%q is a person", r.UserAgent())
		}
	})
}

// FuzzCodes: a code and a visitor have one written form each.
func FuzzCodes(f *testing.F) {
	for _, s := range []string{"yp7fjasawd", "YP7FJASAWD", "0000000000", "İİİİİ", "0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b", "{0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if code, ok := codeOf(s); ok {
			if again, ok := codeOf(code); !ok || again != code || len(code) != codeSize {
				t.Errorf("code %q gives %q gives %q", s, code, again)
			}
		}
		if v, ok := visitorOf(s); ok {
			if again, ok := visitorOf(v); !ok || again != v || len(v) != 36 {
				t.Errorf("visitor %q gives %q gives %q", s, v, again)
			}
		}
	})
}

// FuzzCampaign: settings that pass are ones that can be lived with: a known status, bounded numbers, a destination that is safe.
func FuzzCampaign(f *testing.F) {
	for _, s := range []string{`{"name":"x","incentives":[]}`, `{"name":"x","status":"live"}`, `{"name":"x","incentives":[{"identifier":"i","action_type":"referrer","kind":"points","points":500}]}`,
		`{"name":"x","incentives":[{"identifier":"i","action_type":"click","kind":"coupon","coupon_code":"ß","coupon_percent":"100.01"}]}`, `{"name":"x","attribution_days":0}`,
		`{"name":"x","approval":{"mode":"automatic","delay_seconds":99999999999}}`, `{"name":"x","destination_url":"//evil.example"}`,
		`{"name":"x","incentives":[{"identifier":"i","action_type":"referrer","kind":"commission","percent":"33.333333"}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var in campaignInput
		if json.Unmarshal(raw, &in) != nil {
			return
		}
		c, err := in.campaign("EUR")
		if err != nil {
			return
		}
		if c.Destination != "" && checkDestination(c.Destination) != nil || c.AttributionDays < 1 || c.AttributionDays > 365 || c.ApprovalDelay < 0 || c.Name == "" {
			t.Errorf("%s passed as %+v", raw, c)
		}
		seen := map[string]bool{}
		for _, i := range c.Incentives {
			if i.Points < 0 || i.Amount < 0 || i.Amount > money.Max || i.BasisPoints < 0 || i.BasisPoints > 10_000 || seen[i.Identifier] {
				t.Errorf("%s passed with the incentive %+v", raw, i)
			}
			seen[i.Identifier] = true
		}
	})
}

// FuzzLists: whatever stands in a list or an address, nothing breaks, an address that isn't one is in no range, and what is similar is so
// both ways.
func FuzzLists(f *testing.F) {
	f.Add("203.0.113.0/24", "203.0.113.9", "*@x.example", "A@x.example")
	f.Add("1.2.3.4-1.2.3.9", "::ffff:1.2.3.5", "a*b@", "aXb@")
	f.Add("::/0", "::1%eth0", "***", "")
	f.Fuzz(func(t *testing.T, entry, ip, like, email string) {
		if spansOf([]string{entry}).has(ip) {
			if _, err := netip.ParseAddr(ip); err != nil {
				t.Errorf("%q is in %q", ip, entry)
			}
		}
		if emailsOf([]string{strings.ReplaceAll(email, "*", "")}).has("") {
			t.Error("nobody is on the list")
		}
		emailsOf([]string{like}).has(email)
		if len(like)+len(email) < 400 {
			a, b := mailboxOf(like), mailboxOf(email)
			d, n := a.apart(b)
			if e, m := b.apart(a); d != e || n != m || d < 0 || (a == b) != (d == 0) {
				t.Errorf("%q, %q: %d %d", like, email, d, e)
			}
		}
		throwaway(email, noLists)
	})
}
