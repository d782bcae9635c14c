package referral

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

// landed is the claim page of a link for a visitor.
func (p *place) landed(link, visitor string) referralapi.Landing {
	p.t.Helper()
	l, share, err := p.Landing(p.t.Context(), link[len(link)-codeSize:], visitor)
	if err != nil || l == nil || share {
		p.t.Fatalf("%+v %v %v", l, share, err)
	}
	return *l
}

func (p *place) arrive(link, visitor string) referralapi.Arrival {
	p.t.Helper()
	l := p.landed(link, visitor)
	a, err := p.Arrive(p.t.Context(), &l)
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

func (p *place) claims(link, visitor string, friend int64) {
	p.t.Helper()
	in := referralapi.LinkClaim{Landing: p.landed(link, visitor), FriendID: friend, OptedIn: true, IP: "192.0.2.1", Device: "d"}
	if err := p.ClaimLink(p.t.Context(), in); err != nil {
		p.t.Fatal(err)
	}
}

func TestClaimPage_gate_122(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	link := p.join(p.one, 10).ClaimURL
	p.terms(1, c.ID, linkTerms{ClaimPage: true, Gate: referralapi.GateEmail, OptIn: true})
	p.visitLink(link, uuidOf(1))
	if n := p.count(`select count(*) from referral.reward`); n != 0 {
		t.Errorf("%d rewards for the visit alone", n)
	}
	if a := p.arrive(link, uuidOf(1)); a.Claimed || len(a.Coupons) != 0 {
		t.Errorf("before the gate: %+v", a)
	}
	p.told()
	for range 2 { // the second is nothing
		p.claims(link, uuidOf(1), 20)
	}
	if got := p.told(); !slices.Equal(got, []string{"reward_issued reward:1", "offer_claimed offer:1"}) {
		t.Errorf("told %q", got)
	}
	if a := p.arrive(link, uuidOf(1)); !a.Claimed || !slices.Equal(a.Coupons, []string{"WELCOME10"}) {
		t.Errorf("behind the gate: %+v", a)
	}
	p.tell(p.purchase(p.one, 1, 20, 5000)) // by e-mail alone: another browser
	if n := p.count(`select count(*) from referral.referral where friend_id = 20 and track_method = 'email' and advocate_id = 10`); n != 1 {
		t.Errorf("%d referrals", n)
	}
	if n := p.count(`select count(*) from referral.identity where visitor_id = $1`, uuidOf(1)); n != 0 {
		t.Error("what a browser said ties it to a person")
	}
	if a := p.arrive(link, uuidOf(1)); a.Used {
		t.Errorf("who typed an address sees that its owner bought: %+v", a)
	}
	p.tell(p.purchase(p.one, 2, 20, 5000, uuidOf(1))) // by the same browser, which the shop has confirmed
	if a := p.arrive(link, uuidOf(1)); !a.Used {
		t.Errorf("after the purchase: %+v", a)
	}
}

// Nobody learns by the gate whose address the advocate's is, or who has claimed.
func TestClaimPage_tells_nothing_of_others(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	link := p.join(p.one, 10).ClaimURL
	p.terms(1, c.ID, linkTerms{ClaimPage: true, Gate: referralapi.GateEmail})
	p.claims(link, uuidOf(1), 20) // new
	p.claims(link, uuidOf(2), 20) // the same friend, or who says so
	p.claims(link, uuidOf(3), 10) // the advocate
	want := fmt.Sprintf("%+v", p.arrive(link, uuidOf(1)))
	for _, visitor := range []string{uuidOf(2), uuidOf(3)} {
		if got := fmt.Sprintf("%+v", p.arrive(link, visitor)); got != want {
			t.Errorf("%s\nis told apart from %s", got, want)
		}
	}
	if n := p.count(`select count(*) from referral.reward`); n != 1 {
		t.Errorf("%d rewards", n)
	}
	if n := p.count(`select count(*) from referral.page_claim where ip = '192.0.2.1' and device = 'd'`); n != 3 {
		t.Errorf("%d pieces of evidence", n)
	}
	p.keep(t.Context())
	if n := p.count(`select count(*) from referral.page_claim where ip <> ''`); n != 3 {
		t.Errorf("%d pieces of evidence after housekeeping", n)
	}
	p.clock.Move(367 * 24 * time.Hour)
	p.keep(t.Context())
	if n := p.count(`select count(*) from referral.page_claim where ip <> ''`); n != 0 {
		t.Errorf("%d pieces of evidence after a year", n)
	}
}

func TestClaimPage_single_use_coupons_go_to_the_first_browser(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one, "ONE-1", "TWO-2", "TRE-3")
	c := p.campaign(p.one, func(in *campaignInput) {
		in.Incentives = []incentiveInput{{Identifier: "friend", ActionType: "click", Kind: "coupon", CouponListID: &list}}
	})
	link := p.join(p.one, 10).ClaimURL
	p.terms(1, c.ID, linkTerms{ClaimPage: true, Gate: referralapi.GateEmail})
	race(10, func(i int) { p.claims(link, uuidOf(i+1), 20) })
	shown, refused := 0, 0
	for i := range 10 {
		a := p.arrive(link, uuidOf(i+1))
		if len(a.Coupons) == 1 && a.Claimed {
			shown++
		}
		if a.Refused && len(a.Coupons) == 0 {
			refused++
		}
	}
	if issued := p.count(`select count(*) from referral.coupon where issued_at is not null`); shown != 1 || refused != 9 || issued != 1 {
		t.Errorf("%d shown, %d refused, %d issued", shown, refused, issued)
	}
	p.claims(link, uuidOf(2), 21) // with an address of its own
	if a := p.arrive(link, uuidOf(2)); !a.Claimed || len(a.Coupons) != 1 {
		t.Errorf("%+v", a)
	}
}

func TestClaimPage_states(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	hours := 1
	link := p.join(p.one, 10, uuidOf(9)).ClaimURL
	p.terms(1, c.ID, linkTerms{ClaimPage: true, Hours: &hours})
	p.visitLink(link, uuidOf(1))
	p.visitLink(link, uuidOf(9))
	if a := p.arrive(link, uuidOf(1)); !slices.Equal(a.Coupons, []string{"WELCOME10"}) || a.Own || a.Expired {
		t.Errorf("%+v", a)
	}
	p.tell(customerevent.OriginRecorded{SiteID: 1, OriginID: 7, Type: customerevent.AffiliateMember, PersonID: 10, VisitorIDs: []string{uuidOf(9)}, Verified: true,
		OccurredAt: p.clock.Now(), RecordedAt: p.clock.Now()})
	if a := p.arrive(link, uuidOf(9)); !a.Own {
		t.Errorf("the advocate: %+v", a)
	}
	p.clock.Move(time.Hour)
	if a := p.arrive(link, uuidOf(1)); !a.Expired {
		t.Errorf("an hour later: %+v", a)
	}
	for _, code := range []string{"abcdefghjk", "x", "", "ABCDEFGHJ/"} {
		if l, _, err := p.Landing(t.Context(), code, uuidOf(1)); l != nil || err != nil {
			t.Errorf("%s: %+v %v", code, l, err)
		}
	}
	p.tell(customerevent.PersonAnonymized{SiteID: 1, PersonID: 20, AnonymizedAt: p.clock.Now()})
	if n := p.count(`select count(*) from referral.page_claim where friend_id = 20`); n != 0 {
		t.Error("claims outlive who is forgotten")
	}
}

func TestOfferStats(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	o := p.join(p.one, 10)
	p.join(p.one, 11)
	p.visitLink(o.ClaimURL, uuidOf(1))
	p.tell(p.purchase(p.one, 1, 20, 5000, uuidOf(1)))
	got, err := p.OfferStats(t.Context(), referralapi.Landing{SiteID: 1, OfferID: o.ID, CampaignID: o.CampaignID, AdvocateID: 10})
	if err != nil || got.Referrals != 1 || got.Points != 500 || len(got.Earned) != 1 || got.Earned[0] != (referralapi.Sum{Amount: 500, Currency: "USD"}) {
		t.Errorf("%+v %v", got, err)
	}
	none, err := p.OfferStats(t.Context(), referralapi.Landing{SiteID: 2, OfferID: o.ID, CampaignID: o.CampaignID, AdvocateID: 10})
	if err != nil || none.Referrals != 0 || none.Points != 0 {
		t.Errorf("the twin's: %+v %v", none, err)
	}
}
