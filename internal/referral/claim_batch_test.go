package referral

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// crowd are claims that come at the same time: of all kinds, several of one friend, number, browser or key.
func (p *place) crowd(s site.Site) []claiming {
	p.t.Helper()
	shelf, err := p.catalog.of(p.t.Context(), s.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	byAPI := func(advocate, friend int64, change ...func(*referralapi.Claim)) claiming {
		in := referralapi.Claim{AdvocateID: advocate, FriendID: friend}
		for _, c := range change {
			c(&in)
		}
		return claiming{s: s, shelf: shelf, told: in}
	}
	byPage := func(visitor int, friend int64) claiming {
		in := referralapi.LinkClaim{Landing: p.landed(p.join(s, 10).ClaimURL, uuidOf(visitor)), FriendID: friend, OptedIn: true, IP: "192.0.2.1", Device: "d"}
		return claiming{s: s, page: &in, campaign: shelf.byID[in.Landing.CampaignID]}
	}
	phone := func(n string) func(*referralapi.Claim) {
		return func(c *referralapi.Claim) { c.FriendPhone = print32(n) }
	}
	key := func(value, print string) func(*referralapi.Claim) {
		return func(c *referralapi.Claim) { c.Idempotency = idempotency.Key{Value: value, Fingerprint: print} }
	}
	return []claiming{
		byAPI(10, 20, phone("one")),
		byAPI(10, 20, phone("two")),
		byAPI(10, 21, phone("one")),
		byAPI(11, 20),
		byAPI(10, 10),
		byPage(1, 22),
		byPage(1, 23),
		byPage(2, 22),
		byAPI(10, 22),
		byAPI(10, 24), // his address is like the advocate's
		byAPI(10, 20, func(c *referralapi.Claim) { c.CampaignTag = "nothing" }),
		byAPI(10, 0),
		byAPI(12, 25, key("a", "f")),
		byAPI(12, 25, key("a", "f")),
		byAPI(12, 25, key("a", "g")),
		byAPI(10, 0, key("b", "f")),
		byAPI(13, 25, key("c", "f")),
	}
}

// left is all that claims have left at a site, but for numbers and times.
func (p *place) left(siteID int64) string {
	p.t.Helper()
	var lines []string
	err := p.root.Select(&lines, strings.ReplaceAll(`
		select 'claim ' || advocate_id || ' ' || friend_id || ' ' || reason || ' ' || (friend_offer_id is not null) from referral.offer_claim where site_id = {}
		union all select 'friend offers ' || count(*) from referral.friend_offer where site_id = {}
		union all select 'offer ' || person_id from referral.offer where site_id = {}
		union all select 'page ' || visitor_id || ' ' || friend_id || ' ' || (friend_offer_id is not null) from referral.page_claim where site_id = {}
		union all select 'touch ' || value || ' ' || person_id from referral.touch where site_id = {}
		union all select 'verdict ' || friend_id || ' ' || verdict from referral.claim_verdict where site_id = {}
		union all select 'reward ' || coalesce(person_id, 0) || ' ' || status || ' ' || coupon_code || coalesce((select code from referral.coupon c where c.site_id = w.site_id and c.id = w.coupon_id), '')
			from referral.reward w where site_id = {}
		union all select 'told ' || type || ' ' || coalesce(payload ->> 'friend_id', '') from referral.waiting where site = {} and type <> 'referral.links_visited.v1'
		union all select 'key ' || key || ' ' || (answer is not null) from referral.idempotency where site_id = {} and length(key) = 1
		order by 1`, "{}", fmt.Sprint(siteID)))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// What many claim together is what they would have got one after the other.
func TestClaims_together_are_as_those_alone(t *testing.T) {
	t.Parallel()
	p := setup(t)
	for _, s := range []site.Site{p.one, p.two} {
		p.known[key{s.ID, 10}], p.known[key{s.ID, 24}] = customerapi.Person{ID: 10, Email: "john.smith88@a.example"}, customerapi.Person{ID: 24, Email: "johnsmith89+x@a.example"}
		list := p.list(s, "C-1", "C-2", "C-3", "C-4")
		c := p.campaign(s, func(c *campaignInput) {
			c.Incentives = append([]incentiveInput{{Identifier: "click", ActionType: "click", Kind: "coupon", CouponListID: &list}}, usual[:2]...)
		})
		p.watch(s, 0, func(in *policyInput) { in.Rules.Similar = settingBlock })
		p.terms(s.ID, c.ID, linkTerms{ClaimPage: true, Gate: referralapi.GateEmail})
		p.join(s, 10)
	}
	words := func(list []answered[keptClaim]) (out []string) {
		for _, a := range list {
			said, err := json.Marshal(a.Value.Value.Answer)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprint(string(said), a.Value.Value.FriendOfferID != 0, a.Value.Replayed, a.Err))
		}
		return out
	}
	together, err := p.carryOutClaims(t.Context(), p.crowd(p.one))
	if err != nil {
		t.Fatal(err)
	}
	var alone []answered[keptClaim]
	for _, c := range p.crowd(p.two) {
		one, err := p.carryOutClaims(t.Context(), []claiming{c})
		if err != nil {
			t.Fatal(err)
		}
		alone = append(alone, one...)
	}
	a, b := words(together), words(alone)
	for i := range a {
		if x, y := numbers.ReplaceAllString(a[i], ""), numbers.ReplaceAllString(b[i], ""); x != y {
			t.Errorf("claim %d:\n%s together\n%s alone", i, x, y)
		}
	}
	if x, y := p.left(1), p.left(2); x != y {
		t.Errorf("together:\n%s\n\nalone:\n%s", x, y)
	}
	if n := p.count(`select count(*) from referral.reward where site_id = 1 and coupon_id is not null`); n != 4 {
		t.Errorf("%d coupons of 4 were given", n)
	}
}

var numbers = regexp.MustCompile(`"id":\d+`) // all sites have one sequence of them

// One that the database refuses takes nobody else with it.
func TestClaims_of_one_bad_request_hurt_nobody_else(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	l := referralapi.Landing{SiteID: 1, OfferID: p.join(p.one, 10).ID, CampaignID: c.ID, AdvocateID: 10}
	failed := make([]error, 12)
	race(len(failed), func(i int) {
		in := referralapi.LinkClaim{Landing: l, FriendID: int64(20 + i), IP: "192.0.2.1", Device: "d"}
		if in.Landing.Visitor = uuidOf(i + 1); i%4 == 0 {
			in.Landing.Visitor = "no browser"
		}
		failed[i] = p.ClaimLink(t.Context(), in)
	})
	for i, err := range failed {
		if (err != nil) != (i%4 == 0) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := p.count(`select count(*) from referral.offer_claim`); n != 9 {
		t.Errorf("%d claims", n)
	}
}

// Who names an advocate that is held out is refused alone, and the advocate is known to be held out.
func TestClaims_of_those_who_are_held_out(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.compared(50)
	shelf, err := p.catalog.of(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	batch := make([]claiming, 40)
	for i := range batch {
		batch[i] = claiming{s: p.one, shelf: shelf, told: referralapi.Claim{AdvocateID: int64(100 + i), FriendID: int64(200 + i)}}
	}
	out, err := p.carryOutClaims(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	var refused int64
	for _, a := range out {
		if a.Err != nil {
			wantFault(t, a.Err, errNoCampaignFound.Kind, errNoCampaignFound.Detail)
			refused++
		}
	}
	held, claims := p.count(`select count(*) from referral.held_out`), p.count(`select count(*) from referral.offer_claim`)
	if refused < 5 || held != refused || claims != int64(len(batch))-refused {
		t.Errorf("%d were refused, %d are held out, %d claims of %d", refused, held, claims, len(batch))
	}
}
