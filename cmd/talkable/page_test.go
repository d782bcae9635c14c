package main

import (
	"bytes"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// visitor is somebody with a browser that keeps cookies and follows redirects of the server only.
type visitor struct {
	t    testing.TB
	http *http.Client
	at   string // the server
}

func newVisitor(t testing.TB, server string) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, at: server, http: &http.Client{Jar: jar, Timeout: longest, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if !strings.HasPrefix(r.URL.String(), server+"/") {
				return http.ErrUseLastResponse
			}
			return nil
		}}}
}

// sight is what a browser shows.
type sight struct {
	status   int
	url      string
	location string // where it would be led away
	header   http.Header
	body     string
}

func (v *visitor) open(method, link string, form url.Values, headers ...string) (seen sight) {
	v.t.Helper()
	within(longest, func() bool { // who is told to come back does
		seen = v.look(method, link, form, headers...)
		return seen.status != http.StatusServiceUnavailable
	})
	return seen
}

func (v *visitor) look(method, link string, form url.Values, headers ...string) sight {
	v.t.Helper()
	if !strings.HasPrefix(link, "http") {
		link = v.at + link
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, link, body)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36")
	r.Header.Set("Accept-Language", "en")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return sight{status: res.StatusCode, url: res.Request.URL.String(), location: res.Header.Get("Location"), header: res.Header, body: string(text)}
}

// shows says whether a page has a status and all of these words.
func (s sight) shows(t testing.TB, status int, words ...string) {
	t.Helper()
	if s.status != status {
		t.Errorf("%s: %d %s", s.url, s.status, s.body[max(strings.Index(s.body, "</style>"), 0):])
	}
	for _, w := range words {
		if !strings.Contains(s.body, w) {
			t.Errorf("%s doesn't say %q:\n%s", s.url, w, s.body[max(strings.Index(s.body, "</style>"), 0):])
		}
	}
	if status < 400 && !strings.HasPrefix(s.header.Get("Content-Security-Policy"), "default-src 'none'; ") || strings.Contains(s.body, "<script") {
		t.Errorf("%s: %v", s.url, s.header)
	}
}

// links changes how the links of the demo campaign work.
func (s shop) links(body string) {
	s.t.Helper()
	campaign := s.say("GET", "/api/v2/campaigns", "", 200)["campaigns"].([]any)[0].(map[string]any)
	s.say("PUT", "/api/v2/campaigns/"+dig(campaign, "id")+"/links", body, 200)
}

// TestPages walks through the pages as advocates and friends do, without scripts.
func TestPages(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	shop := newShop(t, s.demo)
	offer := shop.offerOf("page-ann@shop.example")
	claim, share := offer["claim_url"].(string), offer["show_url"].(string)
	gone := newVisitor(t, s.demo.Server).open("GET", "/x/abcdefghjk", nil)
	gone.shows(t, 404, "This link leads nowhere")

	t.Run("136: a claim page with its code, which the shop may frame", func(t *testing.T) {
		shop.links(`{"claim_page":true}`)
		friend := newVisitor(t, s.demo.Server)
		var page sight
		eventually(t, "the visit is written, and the page shows the code", func() bool { // on a busy machine it may be shown without
			page = friend.open("GET", claim, nil)
			return strings.Contains(page.body, "WELCOME10")
		})
		page.shows(t, 200, "Ann invites you to Demo Shop", "10% off", "WELCOME10", "https://shop.example/welcome?tkbl_cvuuid=", "talkable_visitor_offer_id=", "utm_source=talkable")
		if policy := page.header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "frame-ancestors 'self' https://shop.example") || page.header.Get("X-Frame-Options") != "" {
			t.Error(policy)
		}
		bot := friend.open("GET", claim, nil, "User-Agent", "facebookexternalhit/1.1")
		bot.shows(t, 200, "og:title", "10% off")
		if strings.Contains(bot.body, "WELCOME10") {
			t.Error("a machine is shown the code")
		}
	})
	t.Run("122, 123: the gate", func(t *testing.T) {
		shop.links(`{"claim_page":true,"gate":"email_and_phone","opt_in":true}`)
		friend := newVisitor(t, s.demo.Server)
		page := friend.open("GET", claim, nil)
		page.shows(t, 200, `name="email"`, `name="phone"`, `name="opt_in"`)
		if strings.Contains(page.body, "WELCOME10") {
			t.Error("the code is before the gate")
		}
		form := url.Values{"email": {"no address"}, "phone": {"+49 151 23456789"}, "opt_in": {"1"}}
		friend.open("POST", claim+"/claim", form).shows(t, 422, "This is no e-mail address.", `value="no address"`, " checked")
		form.Set("email", "page-bob@shop.example")
		friend.open("POST", claim+"/claim", form, "Origin", "https://evil.example").shows(t, 400)
		after := friend.open("POST", claim+"/claim", form, "Origin", s.demo.Server, "Sec-Fetch-Site", "same-origin")
		after.shows(t, 200, "It is yours", "WELCOME10")
		began := time.Now() // nothing is left to be written for who is known by now
		friend.open("POST", claim+"/claim", form, "Origin", s.demo.Server)
		if took := time.Since(began); took < 250*time.Millisecond {
			t.Errorf("the gate tells by its %s that somebody is known", took)
		}
		if !strings.HasSuffix(after.url, "/claim") {
			t.Errorf("a reload would send the form again: %s", after.url)
		}
		bob := shop.say("GET", "/api/v2/people/page-bob@shop.example", "", 200)["person"].(map[string]any)
		if bob["phone_number"] != "+4915123456789" || bob["subscribed_at"] == nil {
			t.Errorf("%v", bob)
		}
		shop.say("POST", "/api/v2/origins", `{"type":"Purchase","data":{"customer_id":"c-bob","phone_number":"+4915123456789","order_number":"page-1","subtotal":"50"}}`, 201)
		referral := shop.say("PUT", "/api/v2/origins/page-1/referral", `{"data":{"status":"approved"}}`, 200)["referral"].(map[string]any)
		if who := referral["advocate_person"].(map[string]any)["email"]; who != "page-ann@shop.example" {
			t.Errorf("%v", referral)
		}
		friend.open("GET", claim+"/claim", nil).shows(t, 200, "WELCOME10") // nobody has confirmed whose browser it is
		who := regexp.MustCompile(`tkbl_cvuuid=([0-9a-f-]{36})`).FindStringSubmatch(after.body)
		shop.say("POST", "/api/v2/origins", `{"type":"Purchase","data":{"email":"page-bob@shop.example","order_number":"page-2","subtotal":"5","uuid":"`+who[1]+`"}}`, 201)
		eventually(t, "the friend's browser is told", func() bool {
			return strings.Contains(friend.open("GET", claim+"/claim", nil).body, "You have used this offer")
		})
	})
	t.Run("a browser without cookies comes through the gate", func(t *testing.T) {
		shop.links(`{"claim_page":true,"gate":"email"}`)
		friend := newVisitor(t, s.demo.Server)
		friend.http.Jar = nil
		page := friend.open("GET", claim, nil)
		who := regexp.MustCompile(`name="visitor" value="([0-9a-f-]{36})"`).FindStringSubmatch(page.body)
		if who == nil {
			t.Fatal(page.body)
		}
		friend.open("POST", claim+"/claim", url.Values{"visitor": {who[1]}, "email": {"page-carl@shop.example"}}).shows(t, 200, "WELCOME10")
	})
	t.Run("what a stranger types changes nobody, and tells nothing", func(t *testing.T) {
		before := shop.say("GET", "/api/v2/people/page-ann@shop.example", "", 200)
		shop.links(`{"claim_page":true,"gate":"email","opt_in":true}`)
		pages := map[string]string{}
		for _, email := range []string{"page-new@shop.example", "page-bob@shop.example", "page-ann@shop.example"} {
			friend := newVisitor(t, s.demo.Server)
			friend.open("GET", claim, nil)
			page := friend.open("POST", claim+"/claim", url.Values{"email": {email}, "opt_in": {"1"}})
			pages[regexp.MustCompile(`tkbl_cvuuid=[0-9a-f-]+|talkable_visitor_offer_id=\d+`).ReplaceAllString(page.body, "")] = email
		}
		if len(pages) != 1 { // whether it is somebody new, a friend who bought, or the advocate
			t.Errorf("%d different pages", len(pages))
		}
		after := shop.say("GET", "/api/v2/people/page-ann@shop.example", "", 200)
		if dig(before, "person.id") != dig(after, "person.id") || after["person"].(map[string]any)["subscribed_at"] != nil {
			t.Errorf("%v", after)
		}
	})
	t.Run("149: the share page", func(t *testing.T) {
		shop.links(`{"claim_page":true}`)
		ann := newVisitor(t, s.demo.Server)
		page := ann.open("GET", share, nil)
		page.shows(t, 200, "Recommend Demo Shop", "Your friends get 10% off", "500 points", "wa.me", "sms:?&amp;body=", "t.me/share", "/qr.svg", "friend who bought")
		code := regexp.MustCompile(`<p class="link"[^>]*>([^<]+)</p>`).FindStringSubmatch(page.body)
		if code == nil {
			t.Fatal(page.body)
		}
		to := newVisitor(t, s.demo.Server)
		to.open("GET", code[1], nil).shows(t, 200, "utm_medium=copy_link")
		wa := regexp.MustCompile(`https://wa\.me/\?text=([^"]+)"`).FindStringSubmatch(page.body)
		text, err := url.QueryUnescape(html.UnescapeString(wa[1]))
		if err != nil {
			t.Fatal(err)
		}
		to.open("GET", text[strings.LastIndexByte(text, ' ')+1:], nil).shows(t, 200, "utm_medium=whatsapp")
		qr := regexp.MustCompile(`src="(/x/[^"]+/qr\.svg)"`).FindStringSubmatch(page.body)
		if got := ann.open("GET", qr[1], nil); got.status != 200 || got.header.Get("Content-Type") != "image/svg+xml" {
			t.Errorf("%d %v", got.status, got.header)
		}
		ann.open("POST", share+"/mail", url.Values{"recipients": {"page-dora@x.example, page-eve@x.example"}, "message": {"Look\r\nat it"}}).shows(t, 200, "Sent to 2.")
		ann.open("POST", share+"/mail", url.Values{"recipients": {"page-eve@x.example, page-finn@x.example, nonsense"}}).shows(t, 200, "Sent to 1 of 3")
		ann.open("POST", share+"/mail", url.Values{"recipients": {"page-dora@x.example"}}).shows(t, 200, "Nothing was sent")
		ann.open("POST", share+"/mail", url.Values{"recipients": {strings.Repeat("a@b.cd,", 200)}}).shows(t, 200, "Nothing was sent")
		ann.open("POST", claim+"/mail", url.Values{"recipients": {"a@b.example"}}).shows(t, 404)
	})
	t.Run("24, 75, 154: a personal name", func(t *testing.T) {
		shop.say("PUT", "/api/v2/people/page-ann@shop.example", `{"data":{"username":"Ann Lee"}}`, 200)
		var personal any
		eventually(t, "the name leads to her", func() bool {
			personal = shop.say("GET", "/api/v2/people/page-ann@shop.example", "", 200)["person"].(map[string]any)["personal_claim_url"]
			return personal != nil
		})
		if personal != s.demo.Server+"/by/ann_lee" {
			t.Errorf("%v", personal)
		}
		friend := newVisitor(t, s.demo.Server)
		shop.links(`{"claim_page":true}`)
		friend.open("GET", personal.(string), nil).shows(t, 200, "Ann invites you", "utm_medium=personal_name")
		friend.open("GET", "/by/", nil).shows(t, 200, "Who sent you?", `name="name"`)
		friend.open("GET", "/by/?name=ann+LEE", nil).shows(t, 200, "Ann invites you")
		friend.open("GET", "/by/demo/Ann%20Lee", nil).shows(t, 200, "Ann invites you")
		if got := friend.open("GET", "/by/nobody", nil); got.status != 404 || got.body != gone.body {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	t.Run("60: what is over looks as if it had never been", func(t *testing.T) {
		shop.links(`{"claim_page":true,"claim_until":"2026-01-01T00:00:00Z"}`)
		friend := newVisitor(t, s.demo.Server)
		if over := friend.open("GET", claim, nil); over.status != 404 || over.body != gone.body {
			t.Errorf("%d %s", over.status, over.body)
		}
		shop.links(`{"claim_page":true,"claim_until":"2026-01-01T00:00:00Z","expired_url":"https://shop.example/over"}`)
		if over := friend.open("GET", claim, nil); over.status != 302 || over.location != "https://shop.example/over" {
			t.Errorf("%d %s", over.status, over.location)
		}
		shop.links(`{"share_until":"2026-01-01T00:00:00Z"}`)
		friend.open("GET", share, nil).shows(t, 200, "Sharing is over")
	})
	t.Run("the site's look", func(t *testing.T) {
		shop.say("PUT", "/api/v2/look", `{"name":"Blue <b>","primary_color":"#1d4ed8","default_language":"de","texts":{"en":{"share_title":"Tell them of {{site}}"}}}`, 200)
		shop.links(`{}`)
		ann := newVisitor(t, s.demo.Server)
		ann.open("GET", share, nil).shows(t, 200, "Tell them of Blue &lt;b&gt;", "--brand:#1d4ed8")
		ann.open("GET", share, nil, "Accept-Language", "fr-CA").shows(t, 200, `<html lang="fr">`, "Recommandez")
		ann.open("GET", share, nil, "Accept-Language", "ja").shows(t, 200, `<html lang="de">`)
	})
	t.Run("211: mails hold a way out", func(t *testing.T) {
		var link string
		eventually(t, "a mail with the link", func() bool {
			var mail struct{ Messages []map[string]any }
			shop.must("GET", "/api/v2/messages?email=page-dora@x.example", nil, &mail)
			if len(mail.Messages) != 1 || mail.Messages[0]["status"] != "sent" {
				return false
			}
			text := shop.say("GET", "/api/v2/messages/"+dig(mail.Messages[0], "id"), "", 200)["text"].(string)
			_, link, _ = strings.Cut(text, "Unsubscribe: ")
			link = strings.TrimSpace(link)
			return true
		})
		if !strings.HasPrefix(link, s.demo.Server+"/unsubscribe/") {
			t.Fatal(link)
		}
		caught := caughtMail(t, filepath.Join(environOf(t, s, "TALKABLE_DATA_DIR"), "mail"), "page-dora@x.example")
		if !strings.Contains(caught, "List-Unsubscribe-Post: List-Unsubscribe=One-Click") || !strings.Contains(strings.Join(strings.Fields(caught), ""), "List-Unsubscribe:<"+link+">") {
			t.Errorf("%.2000s", caught)
		}
		dora := func() any {
			return shop.say("GET", "/api/v2/people/page-dora@x.example", "", 200)["person"].(map[string]any)["unsubscribed_at"]
		}
		program := newVisitor(t, s.demo.Server)
		program.open("GET", link, nil).shows(t, 200, "No more e-mail?")
		if dora() != nil {
			t.Error("looking at it unsubscribes")
		}
		for range 2 {
			program.open("POST", link, url.Values{"List-Unsubscribe": {"One-Click"}}).shows(t, 200, "You are unsubscribed")
		}
		first := dora()
		if first == nil {
			t.Error("she isn't unsubscribed")
		}
		program.open("POST", link[:len(link)-2]+"xx", url.Values{}).shows(t, 404, "This link leads nowhere")
	})
	t.Run("an invitation to the club", func(t *testing.T) {
		shop.say("PUT", "/api/v2/mails/member_invited", `{"enabled":true}`, 200)
		asked := shop.say("POST", "/api/v2/loyalty/invitations", `{"emails":["page-iris@x.example","page-ivo@x.example"]}`, 201)["invitations"].([]any)
		var link string
		eventually(t, "the mail is there", func() bool {
			found := shop.say("GET", "/api/v2/messages?email=page-iris@x.example", "", 200)["messages"].([]any)
			if len(found) == 0 {
				return false
			}
			text, _ := shop.say("GET", "/api/v2/messages/"+dig(found[0], "id"), "", 200)["text"].(string)
			_, link, _ = strings.Cut(text, "Become a member: ")
			link, _, _ = strings.Cut(link, "\n")
			return link != ""
		})
		iris := func() string {
			return dig(shop.say("GET", "/api/v2/loyalty/members/page-iris@x.example/membership", "", 200), "member.status")
		}
		browser := newVisitor(t, s.demo.Server)
		browser.open("GET", link, nil).shows(t, 200, "Become a member", "invites you to its loyalty programme", `<form method="post">`)
		if got := iris(); got != "candidate" {
			t.Errorf("who looks is %s", got)
		}
		for range 2 {
			browser.open("POST", link, url.Values{}).shows(t, 200, "You are a member now")
		}
		browser.open("GET", link, nil).shows(t, 200, "You are a member now")
		if got := iris(); got != "active" {
			t.Errorf("who accepts is %s", got)
		}
		shop.say("POST", "/api/v2/loyalty/invitations/"+dig(asked[1], "invitation.id")+"/revoke", `{}`, 200)
		of, _, _ := strings.Cut(link, "/inv_")
		browser.open("GET", of+"/"+dig(asked[1], "invitation.code"), nil).shows(t, 410, "This invitation is over")
		browser.open("POST", of+"/"+dig(asked[1], "invitation.code"), url.Values{}).shows(t, 410, "This invitation is over")
		for _, wrong := range []string{of + "/inv_zzz", of + "/%C3%A9", s.demo.Server + "/join/0/inv_zzz", s.demo.Server + "/join/x/inv_zzz", s.demo.Server + "/join/99999999999999999999/inv_zzz"} {
			browser.open("GET", wrong, nil).shows(t, 404, "This link leads nowhere")
		}
	})
	t.Run("guessing is put off", func(t *testing.T) {
		guesser := newVisitor(t, s.demo.Server)
		off := func(link string) bool { return guesser.open("GET", link, nil).status == http.StatusTooManyRequests }
		for range 1000 { // what was guessed a minute ago is forgiven, and that may be just now
			if off("/x/zzzzzzzzzz") && off(share) {
				return
			}
		}
		t.Error("it isn't")
	})
}

// caughtMail is the mail that the sink caught for an address.
func caughtMail(t testing.TB, dir, to string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte(to)) {
			return string(text)
		}
	}
	t.Fatalf("no mail to %s in %s", to, dir)
	return ""
}
