package page

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/gateway/gatewayapi"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// shop is a site's look that the tests can change.
type shop struct {
	look gatewayapi.Look
	away bool
}

func (s *shop) Look(context.Context, int64) (gatewayapi.Look, error) {
	if s.away {
		return gatewayapi.Look{}, errors.New("away")
	}
	return s.look, nil
}

func newShop() *shop {
	return &shop{look: gatewayapi.Look{Site: site.Site{ID: 1, Slug: "one", Name: "One", Currency: "USD", Zone: time.UTC, URL: "https://one.example/"},
		Name: "One", Color: gatewayapi.DefaultColor, Language: "en"}}
}

func newPages(s *shop) *Pages {
	return New(Deps{Looks: s, Cursors: web.NewCursors([]byte("secret")), Reg: prometheus.NewRegistry(), PublicURL: "https://go.example"})
}

func request(method, path string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "https://go.example"+path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestWords_are_the_same_in_all_languages(t *testing.T) {
	t.Parallel()
	holes := regexp.MustCompile(`\{\{[a-z]+\}\}`)
	for _, l := range gatewayapi.Languages {
		for name, text := range words["en"] {
			said := words[l][name]
			want, got := holes.FindAllString(text, -1), holes.FindAllString(said, -1)
			slices.Sort(want)
			slices.Sort(got)
			if said == "" || !slices.Equal(slices.Compact(want), slices.Compact(got)) {
				t.Errorf("%s: %s is %q, in English %q", l, name, said, text)
			}
		}
		if len(words[l]) != len(words["en"]) {
			t.Errorf("%s has %d texts, English has %d", l, len(words[l]), len(words["en"]))
		}
	}
	for _, name := range gatewayapi.LookTexts {
		if words["en"][name] == "" && name != "share_intro" { // ours depends on who gets something
			t.Errorf("sites may say %s, and no page does", name)
		}
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	look := gatewayapi.Look{Language: "es"}
	for header, want := range map[string]string{
		"": "es", "de": "de", "de-AT,de;q=0.9,en;q=0.8": "de", "fr-CA": "fr", "en-GB": "en", "nl,en;q=0.5": "en", "zh-CN,zh": "es", "ja": "es",
		"*": "es", ";;;": "es", strings.Repeat("de,", 5000): "de", "\x00": "es",
	} {
		if got := languageOf(header, look); got != want {
			t.Errorf("%.40q: %s, want %s", header, got, want)
		}
	}
}

func TestColors_can_be_read(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		color := "#" + rapid.StringMatching(`[0-9a-f]{6}`).Draw(t, "color")
		for _, ground := range []string{paper, night} {
			p := paletteOn(ground, color)
			if c := contrast(p.link, ground); c < readable {
				t.Errorf("links of %s on %s: %s has a contrast of %.2f", color, ground, p.link, c)
			}
			if c := contrast(p.ink, p.brand); c < readable {
				t.Errorf("words on a button of %s: %s has a contrast of %.2f", color, p.ink, c)
			}
		}
	})
	for color, want := range map[string]string{"#0b7a4b": "#5cd6a2", "#000000": "#", "#1d4ed8": "#"} {
		if got := lit(color); !strings.HasPrefix(got, want) || contrast(got, night) < bold {
			t.Errorf("%s by night is %s", color, got)
		}
	}
	if c := contrast("#000000", "#ffffff"); c < 20.99 || c > 21.01 {
		t.Errorf("black on white is %.2f", c)
	}
}

func TestFriendly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"Ann": "Ann", " Ann  Lee ": "Ann Lee", "O'Neil": "O'Neil", "Zoë": "Zoë", "李雷": "李雷", "Call 555 now": "", "evil.example": "",
		"https://evil": "", "<b>": "", "a@b": "", strings.Repeat("a", 41): "", "\u202eannA": "", "": "", "{{site}}": "", "An\x00n": ""} {
		if got := friendly(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

var nasty = []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'-alert(1)-'`, `</title><script>x</script>`, `</style><script>x</script>`, `javascript:alert(1)`,
	`{{.}}`, `{{site}}`, "\u202e\u2066x", `<!--`, `]]>`, "&lt;b&gt;", `" style="x`, "a\x00b", strings.Repeat("<", 300)}

// tags are those that pages consist of; a hostile text makes no other, and no attribute that runs something.
var tags = []string{"html", "head", "meta", "title", "link", "style", "body", "div", "header", "img", "span", "main", "section", "aside", "h1", "h2", "p", "a",
	"form", "input", "label", "textarea", "button", "ul", "li", "dl", "dt", "dd", "br", "table", "thead", "tbody", "tr", "th", "td"}

func harmless(t *testing.T, what, page string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	labelled(t, what, doc)
	for n := range doc.Descendants() {
		if n.Type == html.CommentNode || n.Type == html.ElementNode && !slices.Contains(tags, n.Data) {
			t.Errorf("%s: <%s>", what, n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "srcdoc" || a.Key == "http-equiv" {
				t.Errorf("%s: <%s %s>", what, n.Data, a.Key)
			}
			if a.Key != "href" && a.Key != "src" && a.Key != "action" {
				continue
			}
			u, err := url.Parse(a.Val)
			if err != nil || !slices.Contains([]string{"", "https", "sms", "data"}, u.Scheme) || u.Scheme == "data" && a.Val != "data:," {
				t.Errorf("%s: <%s> leads to %q", what, n.Data, a.Val)
			}
		}
	}
}

// labelled: whoever hears the page is told what each field is, and each picture; a page has one heading.
func labelled(t *testing.T, what string, doc *html.Node) {
	t.Helper()
	named, headings := map[string]bool{}, 0
	value := func(n *html.Node, key string) string {
		i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
		if i < 0 {
			return ""
		}
		return n.Attr[i].Val
	}
	for n := range doc.Descendants() {
		switch n.Data {
		case "label":
			named[value(n, "for")] = true
		case "h1":
			headings++
		}
	}
	for n := range doc.Descendants() {
		field := n.Type == html.ElementNode && (n.Data == "textarea" || n.Data == "input" && value(n, "type") != "hidden")
		if field && !named[value(n, "id")] || n.Data == "img" && !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "alt" }) {
			t.Errorf("%s: <%s %s> has no words", what, n.Data, value(n, "name"))
		}
		if by := value(n, "aria-describedby"); by != "" {
			for id := range strings.FieldsSeq(by) {
				if !slices.ContainsFunc(slices.Collect(doc.Descendants()), func(m *html.Node) bool { return value(m, "id") == id }) {
					t.Errorf("%s: nothing is called %s", what, id)
				}
			}
		}
	}
	if headings != 1 {
		t.Errorf("%s: %d headings", what, headings)
	}
}

func TestHostileTexts_stay_texts(t *testing.T) {
	t.Parallel()
	for _, text := range nasty {
		s := newShop()
		s.look.Name, s.look.LogoURL, s.look.Site.URL = text, text, text
		s.look.Texts = map[string]map[string]string{"en": {}}
		for _, name := range gatewayapi.LookTexts {
			s.look.Texts["en"][name] = text
		}
		p := newPages(s)
		incentive := referralapi.Incentive{Identifier: text, ActionType: "click", IncentiveType: "other", Description: text, ForFriend: true}
		offer := &referralapi.Offer{Incentives: map[string]referralapi.Incentive{text: incentive}, ClaimLinks: map[string]string{channelCopy: text, channelQR: text, "sms": text}}
		r := request("GET", "/x/abcdefghjk")
		l := referralapi.Landing{SiteID: 1, Code: "abcdefghjk", CampaignName: text, Continue: text, Visitor: text, Gate: referralapi.GateEmailAndPhone, OptIn: true}
		has := referralapi.Arrival{Coupons: []string{text}}
		f := p.frame(r, 1).inShop()
		for name, one := range map[string]page{
			"gate":  claimPage(f, l, referralapi.Arrival{}, offer, text, asked{email: text, phone: text, badEmail: true, badPhone: true}),
			"claim": claimPage(f, referralapi.Landing{Continue: text, Code: text}, has, offer, text, asked{}),
			"share": sharePage(f, l, offer, []stat{{text, text}}),
			"note":  note{frame: notice(f, "gone").frame, Text: text, Next: text},
		} {
			w := httptest.NewRecorder()
			p.show(w, r, http.StatusOK, one)
			if w.Code != http.StatusOK {
				t.Errorf("%s of %q: %d %s", name, text, w.Code, w.Body)
			}
			harmless(t, name+" of "+text, w.Body.String())
			policy := w.Header().Get("Content-Security-Policy")
			if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "script") || strings.ContainsAny(policy, "<>\"\r\n") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s of %q: policy %q", name, text, policy)
			}
		}
	}
}

func TestPages_look_like_their_site(t *testing.T) {
	t.Parallel()
	s := newShop()
	s.look.Name, s.look.LogoURL, s.look.Color = "Blue & Co", "https://cdn.one.example/logo.png", "#1d4ed8"
	s.look.Texts = map[string]map[string]string{"de": {"gone_title": "{{site}} sagt: vorbei"}}
	p := newPages(s)
	w := httptest.NewRecorder()
	p.Gone(w, request("GET", "/x/abcdefghjk", "Accept-Language", "de"))
	body := w.Body.String()
	for _, want := range []string{`<html lang="de">`, "Blue &amp; Co sagt: vorbei", `src="https://cdn.one.example/logo.png"`, "--brand:#1d4ed8"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "img-src 'self' data: https://cdn.one.example;") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Error(policy)
	}
	if w.Code != http.StatusNotFound || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Language") != "de" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	s.away = true
	w = httptest.NewRecorder()
	p.Gone(w, request("GET", "/x/abcdefghjk"))
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), gatewayapi.DefaultColor) {
		t.Errorf("without a look: %d %s", w.Code, w.Body)
	}
	if framed := p.frame(request("GET", "/"), 1).inShop().framed; framed != "'self'" {
		t.Errorf("an unknown shop may frame it: %s", framed)
	}
}

// A form is taken from our own pages, and from what is no browser; other sites' pages post none.
func TestForms_of_other_sites_are_refused(t *testing.T) {
	t.Parallel()
	p := newPages(newShop())
	taken := 0
	h := p.form(func(http.ResponseWriter, *http.Request) { taken++ })
	for i, one := range []struct {
		headers []string
		fine    bool
	}{
		{nil, true},
		{[]string{"Sec-Fetch-Site", "same-origin"}, true},
		{[]string{"Origin", "https://go.example"}, true},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		{[]string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.go.example"}, false},
		{[]string{"Origin", "https://evil.example"}, false},
		{[]string{"Origin", "null"}, false},
	} {
		before := taken
		w := httptest.NewRecorder()
		h(w, request("POST", "/x/abcdefghjk/claim", one.headers...))
		if (taken > before) != one.fine || !one.fine && w.Code != http.StatusBadRequest {
			t.Errorf("%d: %d", i, w.Code)
		}
	}
	r := httptest.NewRequest("POST", "https://go.example/x/a/claim", strings.NewReader("email="+strings.Repeat("a", mostForm)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	before := taken
	if h(w, r); taken != before {
		t.Error("a form of any size is read")
	}
}

func TestUnsubscribe_links_are_signed(t *testing.T) {
	t.Parallel()
	p := newPages(newShop())
	router := chi.NewRouter()
	p.Routes(router)
	good := p.Cursors.UnsubscribePath(1, 7)
	for path, want := range map[string]int{
		good: 200, good + "x": 404, strings.Replace(good, "/1/", "/2/", 1): 404, "/unsubscribe/1/x": 404, "/unsubscribe/x/" + good[len("/unsubscribe/1/"):]: 404,
		"/unsubscribe/1/" + p.Cursors.Encode(1, "entries", web.Addressee{PersonID: 7}): 404,
	} {
		w := httptest.NewRecorder()
		router.ServeHTTP(w, request("GET", path))
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
		body, _ := io.ReadAll(w.Body)
		if want == 200 && !strings.Contains(string(body), `<form method="post">`) {
			t.Errorf("%s has no button: %s", path, body)
		}
	}
}

func TestPages_tell_people_and_programs_to_wait(t *testing.T) {
	t.Parallel()
	s := newShop()
	s.away = true // nobody's look is asked for
	p := newPages(s)
	wait := fault.New(fault.TooMany, "rate_limited", "Too many requests; please wait.")
	wait.Retry = 40 * time.Second
	for _, c := range []struct {
		accept, kind, says string
		err                error
		status             int
	}{
		{"text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8", "One moment, please", wait, 429},
		{"text/html", "text/html; charset=utf-8", "Not now, please", &fault.Error{Kind: fault.Unavailable, Code: "away", Retry: 40 * time.Second}, 503},
		{"*/*", "application/problem+json", `"code":"rate_limited"`, wait, 429},
		{"", "application/problem+json", `"code":"rate_limited"`, wait, 429},
	} {
		w := httptest.NewRecorder()
		p.Fail(w, request("GET", "/x/abcdefghjk", "Accept", c.accept), c.err)
		if w.Code != c.status || w.Header().Get("Content-Type") != c.kind || w.Header().Get("Retry-After") != "40" || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%q: %d %v %s", c.accept, w.Code, w.Header(), w.Body)
		}
	}
}

func TestShare_page_says_how_many_mails_were_sent(t *testing.T) {
	t.Parallel()
	f := frameOf("", newShop().look)
	for query, want := range map[string]struct {
		said  string
		fault bool
	}{
		"":              {"", false},
		"sent=2&of=2":   {"Sent to 2.", false},
		"sent=2":        {"Sent to 2.", false},
		"sent=1&of=3":   {"Sent to 1 of 3: the other addresses are wrong, or have had your recommendation already.", false},
		"sent=0&of=3":   {f.say("mail_none"), true},
		"sent=26":       {f.say("mail_none"), true},
		"sent=x&of=<b>": {f.say("mail_none"), true},
		"sent=1&of=999": {"Sent to 1.", false},
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if said, fault := f.mailed(q); said != want.said || fault != want.fault {
			t.Errorf("%s: %q %v", query, said, fault)
		}
	}
}
