package referral

import (
	"fmt"
	"slices"
	"testing"
)

// A referral that follows another of the friend's can't be given away alone: the friend has one referral in a campaign that isn't a consequence.
func TestReattribution_of_what_followed_collides(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) {
		c.Attribution = &attributionInput{Methods: append(slices.Clone(usualMethods), byChain)}
	})
	p.touched(uuidOf(1), 10)
	p.bought(p.purchase(p.one, 1, 20, 1000, uuidOf(1)), p.purchase(p.one, 2, 20, 1000))
	if r := p.referral(2); r.TrackMethod != byChain {
		t.Fatalf("%+v", r)
	}
	p.told()
	before := p.count(`select count(*) from referral.status_log`)
	code, out, _ := p.call(p.one, "POST", fmt.Sprintf("/api/v2/referrals/%d/reattribution", p.referral(2).ID), `{"advocate":"11","reason":"hers"}`, "")
	if code != 409 || out["code"] != "friend_already_referred" {
		t.Errorf("%d %v", code, out)
	}
	if told := p.told(); len(told) != 0 || p.count(`select count(*) from referral.status_log`) != before || p.state(p.one, 2) != "approved" {
		t.Errorf("it left something: %q", told)
	}
	if code, first, why := p.reattributed(p.one, p.referral(1).ID, 11, false); code != 200 || first.AdvocateID != 11 {
		t.Errorf("the first one: %d %s %+v", code, why, first)
	}
}
