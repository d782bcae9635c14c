package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// book is who people are, or that nobody can say.
type book struct {
	known map[int64]customerapi.Person
	away  bool
}

func (b *book) People(context.Context, int64, []int64) (map[int64]customerapi.Person, error) {
	if b.away {
		return nil, errors.New("away")
	}
	return b.known, nil
}

// A mail leaves if its condition is met by what it is about and by who gets it, else it is suppressed and says so. While nobody can say who people are it
// waits. The twin has no condition.
func TestMails_208_have_conditions(t *testing.T) {
	t.Parallel()
	b := mailBench(t)
	who := &book{known: map[int64]customerapi.Person{7: {ID: 7, Email: "ann@shop.example", CustomProperties: map[string]string{"vip": "yes"}}}, away: true}
	b.Module.People = who
	for template, when := range map[string]string{
		advocateReward: `mail.reward == "commission" && mail.amount > 1000 && mail.currency == "USD" && mail.campaign_id == 3 && person.custom_properties["vip"] == "yes"`,
		friendReward:   `mail.amount > 9999 ? "" : "Too little to write about"`,
		pointsExpiring: `mail.points >= 50`, tierReached: `mail.tier == "Gold"`, shareReminder: `advocate.id == 7 && mail.template == "share_reminder"`,
		advocateOffer: `mail.points / (mail.points - mail.points) > 1`, // can't be evaluated
	} {
		b.sends(1, template, MailInput{Enabled: true, When: when})
		b.sends(2, template, MailInput{Enabled: true})
	}
	for _, site := range []int64{1, 2} {
		for _, template := range []string{advocateReward, friendReward, pointsExpiring, tierReached, shareReminder, advocateOffer} {
			occasions[template](b, site)
		}
	}
	for range 3 {
		b.round()
	}
	stands := func(site int64, template string) string {
		t.Helper()
		var out string
		if err := b.DB.Get(&out, `select concat_ws(' ', status, reason, last_error) from notify.message where site_id = $1 and template = $2`, site, template); err != nil {
			t.Fatal(template, err)
		}
		return out
	}
	if got := stands(1, advocateReward); !strings.HasPrefix(got, queued) {
		t.Errorf("while nobody can say who they are: %s", got)
	}
	who.away = false
	b.clock.Move(time.Minute)
	for range 3 {
		b.round()
	}
	for template, want := range map[string]string{advocateReward: "sent", friendReward: "suppressed condition Too little to write about", pointsExpiring: "sent",
		tierReached: "suppressed condition", shareReminder: "sent", advocateOffer: "suppressed condition the criteria cannot be evaluated"} {
		if got := stands(1, template); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, not %s", template, got, want)
		}
		if got := stands(2, template); got != "sent" {
			t.Errorf("the twin's %s: %s", template, got)
		}
	}
	n := 0
	for _, told := range b.told() {
		if strings.HasPrefix(told, "notify.message_suppressed") {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d suppressed ones were told", n)
	}
	k, _ := kindOf(tierReached)
	for _, wrong := range []string{`mail.nothing`, `1 + 1`, `person.`, strings.Repeat("x", 2001)} {
		if _, err := (MailInput{When: wrong}).setting(k); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}

// clerk is a shop's program that is asked before mails.
type clerk struct {
	*httptest.Server
	mu     sync.Mutex
	says   func(w http.ResponseWriter)
	asked  []mailQuestion
	wrong  int
	secret string
	now    func() time.Time
}

func (c *clerk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var q mailQuestion
	err := json.Unmarshal(body, &q)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked = append(c.asked, q); err != nil || !outcall.Verify(c.secret, r.Header, body, c.now(), time.Minute) || r.Header.Get(outcall.HeaderID) != q.ID {
		c.wrong++
	}
	c.says(w)
}

func (c *clerk) will(status int, body string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.says = func(w http.ResponseWriter) { w.WriteHeader(status); _, _ = io.WriteString(w, body) }
}

// asks has a site's shop asked before its mails.
func (b *bench) asks(siteID int64, onFailure string) *clerk {
	b.t.Helper()
	c := &clerk{now: b.clock.Now}
	c.Server = httptest.NewServer(c)
	b.t.Cleanup(func() { b.Calls.Close(); c.Close() })
	out, err := b.putMailHook(b.asked(siteID, ""), &struct{ Body MailHookInput }{MailHookInput{URL: c.URL, TimeoutMS: 10_000, OnFailure: onFailure}})
	if err != nil {
		b.t.Fatal(err)
	}
	c.secret = *out.Body.Result.Hook.Secret
	c.will(200, `{"send":true}`)
	return c
}

// asked is a request's context.
func (b *bench) asked(siteID int64, key string) context.Context {
	replayed := false
	return web.With(b.t.Context(), &web.Request{Site: site.Site{ID: siteID}, KeyID: 5, Idempotency: idempotency.Key{Value: key, Fingerprint: key}, Replayed: &replayed})
}

func (b *bench) askMailHooks() int {
	b.t.Helper()
	n, err := b.AskMailHooks(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// offers has advocate 7 of a site get offer id, which a mail tells of.
func (b *bench) offers(siteID, id int64) {
	b.t.Helper()
	b.do(func(ctx context.Context, u *bus.Unit) error {
		return b.onOffer(ctx, u, events(referralevent.OfferCreated{SiteID: siteID, OfferID: id, CampaignID: 3, AdvocateID: 7, CreatedAt: start, ShareCode: "abcdefghjk"}))
	})
}

// The shop is asked before a mail leaves, once a mail; its no is the end of it. Meanwhile the queue goes on, and the twin asks nobody.
func TestMails_212_ask_the_shop_first(t *testing.T) {
	t.Parallel()
	b := mailBench(t)
	for _, s := range []int64{1, 2} {
		b.sends(s, advocateOffer, MailInput{Enabled: true})
	}
	c := b.asks(1, failureDrops)
	for i, one := range []struct {
		status     int
		body, want string
	}{{200, `{"send":true}`, "sent"}, {200, `{"send":false,"reason":"Not this one"}`, "suppressed merchant"}, {200, `{"result":{"unsubscribed":true}}`, "suppressed merchant"},
		{200, `{"result":{"unsubscribed":false}}`, "sent"}} {
		id := int64(i + 1)
		c.will(one.status, one.body)
		b.offers(1, id)
		b.offers(2, id)
		b.round()
		state := func(site int64) (out string) {
			if err := b.DB.Get(&out, `select concat_ws(' ', status, reason) from notify.message where site_id = $1 and dedupe_key = $2`, site, "advocate_offer:"+itoa(id)); err != nil {
				t.Fatal(err)
			}
			return out
		}
		if state(1) != "queued asking" || state(2) != "sent" {
			t.Errorf("before it was asked: %s, the twin %s", state(1), state(2))
		}
		b.round() // nobody looks at it again before there is an answer
		if n := b.askMailHooks(); n != 1 {
			t.Errorf("%d questions", n)
		}
		b.round()
		if got := state(1); got != one.want {
			t.Errorf("after %s: %s, not %s", one.body, got, one.want)
		}
	}
	q := c.asked[0]
	if c.wrong > 0 || len(c.asked) != 4 || q.Type != "mail.decision" || q.Mail.Template != advocateOffer || q.Mail.PersonID != 7 || q.Mail.Email != "ann@shop.example" || q.Mail.Channel != "email" {
		t.Errorf("%d wrong; asked %+v", c.wrong, q)
	}
	var attempts []int
	if err := b.DB.Select(&attempts, `select distinct attempts from notify.message where status = 'sent'`); err != nil || !slices.Equal(attempts, []int{1}) {
		t.Errorf("attempts %v %v", attempts, err)
	}
	if n, err := dropMailAsks(t.Context(), b.DB, b.clock.Now().Add(time.Second), 10); n != 4 || err != nil {
		t.Errorf("dropped %d %v", n, err)
	}
}

// A shop that says nothing has its default count after three tries; who has unsubscribed meanwhile gets nothing, whatever it says; and without a hook what
// waits is sent.
func TestMails_212_whose_shop_is_silent(t *testing.T) {
	t.Parallel()
	b := mailBench(t)
	want := map[int64]string{1: "sent - 1", 2: "suppressed merchant 0"}
	hooks := map[int64]*clerk{1: b.asks(1, failureSends), 2: b.asks(2, failureDrops)}
	for s, c := range hooks {
		b.sends(s, advocateOffer, MailInput{Enabled: true})
		c.will(500, `{"send":true}`)
		b.offers(s, 1)
	}
	for range 6 {
		b.round()
		b.askMailHooks()
		b.clock.Move(10 * time.Second)
	}
	b.round()
	for s, c := range hooks {
		if got := b.states(s); !slices.Equal(got, []string{want[s]}) || len(c.asked) != mailAskTries {
			t.Errorf("site %d: %q after %d tries", s, got, len(c.asked))
		}
	}
	b.offers(1, 2)
	b.round()
	if _, err := b.dropMailHook(b.asked(1, "k"), nil); err != nil {
		t.Fatal(err)
	}
	b.askMailHooks()
	b.round()
	if got := b.states(1); !slices.Equal(got, []string{"sent - 1", "sent - 1"}) {
		t.Errorf("without a hook %q", got)
	}
	got, err := b.getMailHook(b.asked(2, ""), nil)
	if err != nil || got.Body.Result.Hook == nil || got.Body.Result.Hook.Secret != nil {
		t.Errorf("%+v %v", got, err)
	}
	for _, in := range []MailHookInput{{URL: "ftp://x", OnFailure: "send"}, {URL: "https://shop.example/", OnFailure: "maybe"}, {URL: "https://shop.example/", OnFailure: "send", TimeoutMS: 20_000}} {
		if _, err := b.putMailHook(b.asked(1, ""), &struct{ Body MailHookInput }{in}); err == nil {
			t.Errorf("%+v was taken", in)
		}
	}
}
