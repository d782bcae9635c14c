package notify

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/smssink"
)

// provider is a bench's SMS provider that remembers.
type provider struct {
	mu     sync.Mutex
	taken  []smssink.SMS
	answer func(n int) smssink.Reply
	asked  int
}

// texting is a bench with a provider, and a person (7) who has a phone only.
func texting(t *testing.T, agrees bool) (*bench, *provider) {
	t.Helper()
	b, p := newBench(t), &provider{}
	sink, err := smssink.Start(t.TempDir(), smssink.Options{
		OnSMS: func(m smssink.SMS) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.taken = append(p.taken, m)
		},
		Answer: func(smssink.SMS) smssink.Reply {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.asked++; p.answer == nil {
				return smssink.Reply{}
			}
			return p.answer(p.asked)
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	})
	b.SMS = sink.URL()
	b.site(1, "Demo Shop")
	b.phone(7, "+15551234567")
	if agrees {
		b.consents(7, true)
	}
	return b, p
}

func (b *bench) phone(id int64, number string) {
	b.t.Helper()
	b.do(func(ctx context.Context, u *bus.Unit) error {
		return b.onPerson(ctx, u, events(customerevent.PersonChanged{SiteID: 1, PersonID: id, Phone: number, ChangedAt: b.clock.Now()}))
	})
}

func (b *bench) consents(id int64, in bool) {
	b.t.Helper()
	if _, _, err := b.consent(b.t.Context(), 1, id, in, noKey); err != nil {
		b.t.Fatal(err)
	}
}

func TestSMS(t *testing.T) {
	t.Parallel()

	t.Run("who has a phone only, and agreed, is texted", func(t *testing.T) {
		t.Parallel()
		b, p := texting(t, true)
		b.earn(earned(1, 41, 7), earned(1, 41, 7))
		b.round()
		b.round()
		b.want(1, "sent - 1")
		if len(p.taken) != 1 || p.taken[0].To != "+15551234567" ||
			p.taken[0].Body != "Demo Shop: you earned 500 points for recommending us. Your balance is 1,500. Answer STOP to get no more of these." {
			t.Fatalf("%+v", p.taken)
		}
		m, err := messageByID(t.Context(), b.DB, 1, 1)
		if err != nil || m.Channel != bySMS || m.Subject == nil || *m.Subject != "" || m.HTML != nil || *m.Recipient != "+15551234567" {
			t.Errorf("%+v %v", m, err)
		}
		if len(b.arrived()) != 0 {
			t.Error("a mail left")
		}
	})

	t.Run("who didn't agree isn't", func(t *testing.T) {
		t.Parallel()
		b, p := texting(t, false)
		b.earn(earned(1, 1, 7))
		b.round()
		b.want(1, "failed no_address 0")
		b.phone(8, "12")
		b.consents(8, true)
		b.consents(7, true)
		b.earn(earned(1, 2, 7), earned(1, 3, 8))
		b.consents(7, false)
		b.round()
		b.want(1, "failed no_address 0", "failed no_address 0", "failed no_address 0")
		if p.asked != 0 {
			t.Errorf("%d SMS", p.asked)
		}
	})

	t.Run("who has an address gets mail", func(t *testing.T) {
		t.Parallel()
		b, p := texting(t, true)
		b.earn(earned(1, 1, 7))
		b.clock.Move(time.Second)
		b.person(1, 7, "anna@example.com", "Anna")
		b.round()
		b.want(1, "sent - 1")
		if p.asked != 0 || len(b.arrived()) != 1 {
			t.Errorf("%d SMS, %d mails", p.asked, len(b.arrived()))
		}
	})

	t.Run("no answer: uncertain, and never again by itself", func(t *testing.T) {
		t.Parallel()
		b, p := texting(t, true)
		p.answer = func(int) smssink.Reply { return smssink.Reply{Drop: true} }
		b.earn(earned(1, 1, 7))
		for range 3 {
			b.round()
			b.clock.Move(24 * time.Hour)
		}
		b.want(1, "uncertain lost 1")
		if p.asked != 1 {
			t.Errorf("asked %d times", p.asked)
		}
	})

	t.Run("a provider away or busy is asked again", func(t *testing.T) {
		t.Parallel()
		b, p := texting(t, true)
		p.answer = func(n int) smssink.Reply {
			if n == 1 {
				return smssink.Reply{Status: 429}
			}
			return smssink.Reply{}
		}
		b.earn(earned(1, 1, 7))
		b.round()
		b.want(1, "queued - 1")
		url := b.SMS
		b.SMS = "twilio://a:b@127.0.0.1:9?from=%2B15550000000&tls=none"
		b.clock.Move(2 * time.Second)
		b.round()
		b.want(1, "queued - 2")
		b.SMS = url
		b.clock.Move(10 * time.Second)
		b.round()
		b.want(1, "sent - 3")
	})

	t.Run("STOP is heeded", func(t *testing.T) {
		t.Parallel()
		b, p := texting(t, true)
		p.answer = func(int) smssink.Reply { return smssink.Reply{Status: 400, Code: stopped} }
		b.earn(earned(1, 1, 7))
		b.round()
		b.earn(earned(1, 2, 7))
		b.round()
		b.want(1, "failed refused 1", "failed no_address 0")
		if c, err := consentOf(t.Context(), b.DB, 1, 7); err != nil || c.OptedInAt != nil || c.OptedOutAt == nil || p.asked != 1 {
			t.Errorf("%+v %v, asked %d times", c, err, p.asked)
		}
	})

	t.Run("a site has so many in a day", func(t *testing.T) {
		t.Parallel()
		b, p := texting(t, true)
		for i := range int64(5) {
			b.earn(earned(1, i+1, 7))
		}
		b.round()
		b.want(1, "sent - 1", "sent - 1", "sent - 1", "failed capped 1", "failed capped 1")
		b.clock.Move(24 * time.Hour)
		b.earn(earned(1, 6, 7))
		b.round()
		if len(p.taken) != 4 {
			t.Errorf("%d SMS", len(p.taken))
		}
	})

	t.Run("a worker that dies in transmission leaves it uncertain", func(t *testing.T) {
		t.Parallel()
		b, p := texting(t, true)
		b.earn(earned(1, 1, 7))
		w := b.worker(b.Module)
		jobs, _, err := w.claim(t.Context())
		if err != nil || len(jobs) != 1 || jobs[0].Channel != bySMS {
			t.Fatal(jobs, err)
		}
		l, err := jobs[0].smsWords()
		if err != nil {
			t.Fatal(err)
		}
		if mine, room, err := w.beginText(t.Context(), jobs[0], l); !mine || !room || err != nil {
			t.Fatal(mine, room, err)
		}
		b.clock.Move(handLease + time.Second)
		if err := b.tidy(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		b.round()
		b.want(1, "uncertain lost 1")
		if p.asked != 0 {
			t.Errorf("asked %d times", p.asked)
		}
	})
}

func TestParseSMS(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "twilio://AC1:token@api.twilio.com?from=%2B15551234567": "", "twilio://AC1:token@api.twilio.com?from=MG12ab": "",
		"twilio://AC1:token@127.0.0.1:9?from=%2B15551234567&tls=none":    "",
		"http://AC1:token@api.twilio.com?from=%2B15551234567":            "twilio://",
		"twilio://AC1@api.twilio.com?from=%2B15551234567":                "be like",
		"twilio://AC1:token@?from=%2B15551234567":                        "be like",
		"twilio://AC1:token@api.twilio.com/x?from=%2B15551234567":        "be like",
		"twilio://AC1:token@api.twilio.com":                              "from",
		"twilio://AC1:token@api.twilio.com?from=0155":                    "from",
		"twilio://AC1:token@api.twilio.com?from=%2B15551234567&tls=none": "open line",
		"twilio://AC1:token@api.twilio.com?from=%2B15551234567&tls=x":    "tls",
		"twilio://AC1:tok%zz@api.twilio.com":                             "can't be read",
	} {
		_, err := ParseSMS(text)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "tok%") || strings.Contains(err.Error(), ":token")) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestConsentAPI(t *testing.T) {
	t.Parallel()
	b, _ := texting(t, false)
	b.site(2, "Other")
	h, other := b.server(1), b.server(2)
	for _, c := range []struct {
		site   int
		method string
		path   string
		body   string
		code   int
		want   string
	}{
		{1, "GET", "/api/v2/sms_consents/7", "", 200, `{"person_id":7,"opted_in_at":null,"opted_out_at":null}`},
		{1, "PUT", "/api/v2/sms_consents/7", `{"opted_in":true}`, 200, `"opted_in_at":"2026-03-01T12:00:00Z","opted_out_at":null`},
		{1, "PUT", "/api/v2/sms_consents/7", `{"opted_in":false}`, 200, `"opted_in_at":null,"opted_out_at":"2026-03-01T12:00:00Z"`},
		{1, "PUT", "/api/v2/sms_consents/7", `{}`, 400, "opted_in"},
		{1, "PUT", "/api/v2/sms_consents/99", `{"opted_in":true}`, 404, "person_not_found"},
		{2, "PUT", "/api/v2/sms_consents/7", `{"opted_in":true}`, 404, "person_not_found"},
		{2, "GET", "/api/v2/sms_consents/7", "", 404, "person_not_found"},
	} {
		use := h
		if c.site == 2 {
			use = other
		}
		if code, text := send(t, use, c.method, c.path, c.body); code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%+v: %d %s", c, code, text)
		}
	}
}
