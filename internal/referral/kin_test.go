package referral

import (
	"slices"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

func (p *place) merges(s site.Site, id, survivor, duplicate int64) {
	p.t.Helper()
	p.tell(customerevent.PersonMerged{SiteID: s.ID, MergeID: id, SurvivorID: survivor, DuplicateID: duplicate, MergedAt: p.clock.Now()})
}

func (p *place) parts(s site.Site, id, survivor, duplicate int64) {
	p.t.Helper()
	p.tell(customerevent.PersonUnmerged{SiteID: s.ID, MergeID: id, SurvivorID: survivor, DuplicateID: duplicate, UnmergedAt: p.clock.Now()})
}

// outcome is what was decided of an origin: "status by advocate", or why there is no referral.
func (p *place) outcome(s site.Site, origin int64) (out string) {
	p.t.Helper()
	if err := p.root.Get(&out, `
		select coalesce(r.status || ' by ' || r.advocate_id || ' ' || a.method, a.reason) from referral.attribution a
		left join referral.referral r on r.site_id = a.site_id and r.id = a.referral_id where a.site_id = $1 and a.origin_id = $2`, s.ID, origin); err != nil {
		p.t.Fatal(err)
	}
	return out
}

// TestMergedPeopleAreOne: a referral between the two is one's own, a friend is found by whatever either was known by, and is new once only; who isn't merged, on the
// twin site, is told apart. What was decided before stays, and undoing makes two of them again.
func TestMergedPeopleAreOne(t *testing.T) {
	t.Parallel()
	p := setup(t)
	want := map[int64]map[int64]string{
		1: {60: "blocked by 10 cookie", 61: "approved by 10 email", 62: "already_referred", 63: "blocked by 10 cookie"},
		2: {60: "approved by 11 cookie", 61: "no_touch", 62: "approved by 11 cookie", 63: "approved by 10 cookie"},
	}
	for _, s := range []site.Site{p.one, p.two} {
		p.campaign(s, nil)
		mine, other := p.join(s, 10), p.join(s, 11)
		p.tell(p.purchase(s, 50, 21, 1000, uuidOf(21))) // 21 is known by a browser
		p.visitLink(mine.ClaimURL, uuidOf(21))
		p.visitLink(other.ClaimURL, uuidOf(1))
		p.visitLink(other.ClaimURL, uuidOf(2))
		p.visitLink(mine.ClaimURL, uuidOf(3))
		if s.ID == p.one.ID {
			p.merges(s, 1, 10, 11)
			p.merges(s, 2, 20, 21)
		}
		p.tell(p.purchase(s, 60, 10, 1000, uuidOf(1))) // by the other's link
		p.tell(p.purchase(s, 61, 20, 1000))            // without a browser
		p.tell(p.purchase(s, 62, 20, 1000, uuidOf(2))) // again
		p.tell(p.purchase(s, 63, 11, 1000, uuidOf(3))) // told of the duplicate by what was late
		for origin, outcome := range want[s.ID] {
			if got := p.outcome(s, origin); got != outcome {
				t.Errorf("site %d, origin %d: %s, want %s", s.ID, origin, got, outcome)
			}
		}
	}
	p.parts(p.one, 1, 10, 11)
	p.visitLink(p.join(p.one, 11).ClaimURL, uuidOf(4))
	p.tell(p.purchase(p.one, 64, 10, 1000, uuidOf(4)))
	if got := p.outcome(p.one, 64); got != "approved by 11 cookie" {
		t.Errorf("parted: %s", got)
	}
	if got := p.outcome(p.one, 60); got != "blocked by 10 cookie" {
		t.Errorf("what was decided is now %s", got)
	}
}

// TestMergedAdvocatesCountAsOne: limits and milestones count the referrals of both, rewards are the survivor's, and lists and counts show both; after the
// undoing each has its own.
func TestMergedAdvocatesCountAsOne(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.promising(p.one, incentiveInput{Identifier: "points", ActionType: "referrer", Kind: "points", Points: 10},
		incentiveInput{Identifier: "third", ActionType: "referrer", Kind: "points", Points: 50, Terms: &terms{Milestone: 3}})
	p.limits(p.one, c.ID, limits{Advocate: is(int64(3))})
	p.refer(10, 1, 1000)
	p.refer(11, 2, 1000)
	p.merges(p.one, 1, 10, 11)
	p.refer(11, 3, 1000)
	p.refer(10, 4, 1000)
	given, refused := p.ledger(1)
	same(t, "given", given, []string{"points referral 1 10 Paid", "points referral 2 10 Paid", "points referral 3 10 Paid", "third milestone 3 50 Paid"})
	same(t, "refused", refused, []string{"points referral 4 limit_total"})
	if n := p.count(`select count(*) from referral.reward where person_id = 10`); n != 3 {
		t.Errorf("%d rewards are the survivor's", n)
	}
	list, _, err := p.ReferralsAsAdvocate(t.Context(), p.one, 11, 0, 10)
	if err != nil || len(list) != 4 || !slices.IsSortedFunc(list, func(a, b referralapi.Referral) int { return int(b.ID - a.ID) }) {
		t.Errorf("%d referrals, %v", len(list), err)
	}
	if rewards, _, err := p.PersonRewards(t.Context(), p.one, 10, 0, 10); err != nil || len(rewards) != 4 {
		t.Errorf("%d rewards, %v", len(rewards), err)
	}
	if counts, err := p.Counts(t.Context(), 1, 10); err != nil || counts.Referrals["total"] != 4 || counts.Rewards["total"] != 4 {
		t.Errorf("%+v, %v", counts, err)
	}
	p.refund(2, 1000)
	given, _ = p.ledger(1)
	same(t, "after a refund", given, []string{"points referral 1 10 Paid", "points referral 2 10 Voided", "points referral 3 10 Paid", "third milestone 3 50 Paid"})
	p.parts(p.one, 1, 10, 11)
	p.refer(11, 5, 1000)
	given, _ = p.ledger(1)
	if last := given[len(given)-1]; last != "points referral 5 10 Paid" {
		t.Errorf("parted: %s", last)
	}
	if counts, err := p.Counts(t.Context(), 1, 10); err != nil || counts.Referrals["total"] != 3 {
		t.Errorf("%+v, %v", counts, err)
	}
}
