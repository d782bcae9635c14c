package referral

import (
	"net/http"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

func from(ip string) func(*http.Request) {
	return func(r *http.Request) { *r = *r.WithContext(web.With(r.Context(), &web.Request{ClientIP: ip})) }
}

func TestTouch_finds_the_advocate_by_IP_address_only_where_asked(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.two, nil)
	p.campaign(p.one, func(c *campaignInput) { c.Attribution = &attributionInput{Methods: trackMethods} })
	if _, err := p.root.Exec(`insert into referral.fraud_policy (site_id, campaign_id, version, policy, key_id, at)
		values (1, 0, 1, '{"profile":"basic","qa_ips":["198.51.100.9"]}', 1, now())`); err != nil {
		t.Fatal(err)
	}
	p.Module.books.changed(1)
	for _, ip := range []string{"198.51.100.1", "198.51.100.9", "10.0.0.1", ""} {
		location(t, p.visitLink(p.join(p.one, 10).ClaimURL, uuidOf(1), from(ip)))
		location(t, p.visitLink(p.join(p.two, 10).ClaimURL, uuidOf(1), from(ip)))
	}
	if n := p.count(`select count(*) from referral.touch`); n != 2 {
		t.Errorf("%d addresses are kept", n)
	}
	p.clock.Move(30 * time.Minute)
	at := func(origin, person int64, ip string) customerevent.OriginRecorded {
		e := p.purchase(p.one, origin, person, 1000)
		e.IP = ip
		return e
	}
	other := p.purchase(p.two, 1, 20, 1000)
	other.IP = "198.51.100.1"
	p.tell(other, at(1, 20, "198.51.100.1"), at(2, 21, "198.51.100.9"), at(3, 22, "198.51.100.2"), at(4, 23, "10.0.0.1"))
	p.clock.Move(time.Hour)
	p.tell(at(5, 24, "198.51.100.1"))
	if r := p.referral(1); r.AdvocateID != 10 || r.TrackMethod != byIP {
		t.Errorf("%+v", r)
	}
	for origin, want := range map[int64]string{2: reasonBarred, 3: reasonNoTouch, 4: reasonNoTouch, 5: reasonExpired} {
		if a := p.decision(1, origin); a.Reason != want {
			t.Errorf("origin %d: %s, want %s (%s)", origin, a.Reason, want, a.Trace)
		}
	}
	if a := p.decision(2, 1); a.Reason != reasonNoTouch {
		t.Errorf("the other site: %s", a.Reason)
	}
	p.clock.Move(ipTouchesKept + time.Hour)
	p.keep(t.Context())
	if n := p.count(`select count(*) from referral.touch`); n != 0 {
		t.Errorf("%d addresses are left", n)
	}
}

func TestTouch_finds_the_advocate_by_the_phone_number_of_a_claim(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.join(p.one, 10)
	mark := func(phone string) string { return customerapi.Fingerprint(customerapi.PhoneMark, phone) }
	for range 2 {
		if _, _, err := p.ClaimOffer(t.Context(), p.one, referralapi.Claim{AdvocateID: 10, FriendID: 20, FriendPhone: mark("+12025551111"), Idempotency: idempotency.Key{}}); err != nil {
			t.Fatal(err)
		}
	}
	p.clock.Move(time.Minute)
	same := p.purchase(p.one, 1, 21, 1000) // another address, the same phone
	same.Phone = mark("+12025551111")
	other := p.purchase(p.one, 2, 22, 1000)
	other.Phone = mark("+12025552222")
	p.tell(same, other)
	if r := p.referral(1); r.AdvocateID != 10 || r.TrackMethod != byPhone {
		t.Errorf("%+v", r)
	}
	if a := p.decision(1, 2); a.Reason != reasonNoTouch {
		t.Errorf("%s %s", a.Reason, a.Trace)
	}
	p.tell(p.purchase(p.one, 3, 20, 1000))
	if a := p.decision(1, 3); a.Method != byEmail {
		t.Errorf("the friend who claimed: %s %s", a.Method, a.Trace)
	}
	p.tell(customerevent.PersonAnonymized{SiteID: 1, PersonID: 20})
	if n := p.count(`select count(*) from referral.touch`); n != 0 {
		t.Errorf("%d numbers are left of the forgotten", n)
	}
}
