package referral

import (
	"slices"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

func TestSharing_at_once_is_rewarded_once(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.promising(p.one, incentiveInput{Identifier: "shared", ActionType: "sharing", Kind: "points", Points: 5})
	o := p.join(p.one, 10)
	var gate, done sync.WaitGroup
	gate.Add(1)
	for range 8 {
		done.Go(func() {
			gate.Wait()
			if _, _, err := p.ShareSocial(t.Context(), p.one, o.ShortURLCode, "sms", true, idempotency.Key{}); err != nil {
				t.Error(err)
			}
		})
	}
	gate.Done()
	done.Wait()
	if n := p.count(`select count(*) from referral.reward`); n != 1 {
		t.Errorf("%d rewards", n)
	}
	if n := p.count(`select count(*) from referral.reward_refused where cause = 'uniqueness'`); n != 7 {
		t.Errorf("%d refusals", n)
	}
}

func TestTiers_94_and_each_so_many_referrals(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.promising(p.one,
		incentiveInput{Identifier: "tiered", ActionType: "referrer", Kind: "commission", Amount: 100, Terms: &terms{Tiers: []tier{{From: 3, Amount: 200}, {From: 5, Amount: 500}}}},
		incentiveInput{Identifier: "second", ActionType: "referrer", Kind: "points", Points: 1, Terms: &terms{DivisibleBy: is(int64(2)), ReferralsMax: is(int64(4))}})
	for n := range int64(6) {
		p.refer(10, n+1, 1000)
	}
	p.refer(11, 7, 1000) // somebody else begins anew
	given, _ := p.ledger(1)
	same(t, "given", given, []string{"tiered referral 1 100 Unpaid", "tiered referral 2 100 Unpaid", "second referral 2 1 Paid", "tiered referral 3 200 Unpaid",
		"tiered referral 4 200 Unpaid", "second referral 4 1 Paid", "tiered referral 5 500 Unpaid", "tiered referral 6 500 Unpaid", "tiered referral 7 100 Unpaid"})
	if n := p.count(`select count(*) from referral.reward_refused where cause = 'referrals'`); n != 5 {
		t.Errorf("%d refusals", n)
	}
}

func TestMilestones_94_hold_in_any_order(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) {
		c.Approval = &approvalInput{Mode: manual}
		c.Incentives = nil
		for _, n := range []int64{1, 2, 4} {
			c.Incentives = append(c.Incentives, incentiveInput{Identifier: "at_" + strconv.Itoa(int(n)), ActionType: "referrer", Kind: "points", Points: 100 * n, Terms: &terms{Milestone: n}})
		}
	})
	advocate, origin := int64(100), int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		advocate++
		many := rapid.IntRange(1, 5).Draw(rt, "referrals")
		first := origin + 1
		for range many {
			origin++
			visitor := uuidOf(int(origin))
			p.touched(visitor, advocate)
			p.tell(p.purchase(p.one, origin, 100_000+origin, 1000, visitor))
		}
		var steps []int64 // an approval is +n, a refund -n
		for n := range int64(many) {
			steps = append(steps, first+n)
			if rapid.Bool().Draw(rt, "refunded") {
				steps = append(steps, -(first + n))
			}
		}
		approved := map[int64]bool{}
		for _, s := range rapid.Permutation(steps).Draw(rt, "order") {
			if s < 0 {
				p.refund(-s, 1000)
				delete(approved, -s)
				approved[-s] = false
			} else if was, known := approved[s]; !known || was {
				if _, _, err := p.SetStatus(t.Context(), p.one, s, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{}); err != nil {
					rt.Fatal(err)
				}
				approved[s] = true
			}
		}
		count := int64(0)
		for _, yes := range approved {
			if yes {
				count++
			}
		}
		var living []int64
		if err := p.root.Select(&living, `select milestone from referral.reward where person_id = $1 and status <> 'Voided' order by milestone`, advocate); err != nil {
			rt.Fatal(err)
		}
		var want []int64
		for _, n := range []int64{1, 2, 4} {
			if count >= n {
				want = append(want, n)
			}
		}
		if !slices.Equal(living, want) {
			rt.Fatalf("%d referrals: milestones %v, want %v", count, living, want)
		}
	})
	// What is told adds up to what is there.
	if n := p.count(`select (select coalesce(sum((payload->>'points')::bigint * case type when 'referral.reward_issued.v1' then 1 else -1 end), 0)
			from referral.waiting where type in ('referral.reward_issued.v1', 'referral.reward_clawed_back.v1'))
		- (select coalesce(sum(points - clawed), 0) from referral.reward)`); n != 0 {
		t.Errorf("told %d points more than there are", n)
	}
}

func TestMilestones_94_are_given_once_when_all_approve_at_once(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) {
		c.Approval = &approvalInput{Mode: manual}
		c.Incentives = []incentiveInput{{Identifier: "five", ActionType: "referrer", Kind: "points", Points: 5, Terms: &terms{Milestone: 5}},
			{Identifier: "tiered", ActionType: "referrer", Kind: "points", Points: 1, Terms: &terms{Tiers: []tier{{From: 5, Points: 2}}}}}
	})
	for n := range int64(8) {
		p.refer(10, n+1, 1000)
	}
	var gate, done sync.WaitGroup
	gate.Add(1)
	for n := range int64(8) {
		done.Go(func() {
			gate.Wait()
			if _, _, err := p.SetStatus(t.Context(), p.one, n+1, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{}); err != nil {
				t.Error(err)
			}
		})
	}
	gate.Done()
	done.Wait()
	if n := p.count(`select count(*) from referral.reward where milestone = 5`); n != 1 {
		t.Errorf("%d milestones", n)
	}
	if n := p.count(`select sum(points) from referral.reward where milestone is null`); n != 4*1+4*2 {
		t.Errorf("%d points by tiers", n)
	}
}

func TestUniqueness_93_holds_when_all_approve_at_once(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) {
		c.Approval = &approvalInput{Mode: manual}
		c.Incentives = []incentiveInput{{Identifier: "first", ActionType: "referrer", Kind: "points", Points: 5, Terms: &terms{Uniqueness: oncePerPerson}},
			{Identifier: "friend", ActionType: "referred", Kind: "points", Points: 1, Terms: &terms{Uniqueness: oncePerFriend}}}
	})
	for n := range int64(6) {
		p.refer(10, n+1, 1000)
	}
	approve := func(n int64) {
		if _, _, err := p.SetStatus(t.Context(), p.one, n, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{}); err != nil {
			t.Error(err)
		}
	}
	var gate, done sync.WaitGroup
	gate.Add(1)
	for n := range int64(5) {
		done.Go(func() {
			gate.Wait()
			approve(n + 1)
		})
	}
	gate.Done()
	done.Wait()
	if n := p.count(`select count(*) from referral.reward where side = 'advocate'`); n != 1 {
		t.Errorf("%d rewards of the advocate", n)
	}
	if n := p.count(`select count(*) from referral.reward_refused where cause = 'uniqueness'`); n != 4 {
		t.Errorf("%d refusals", n)
	}
	if n := p.count(`select count(*) from referral.reward where side = 'friend'`); n != 5 {
		t.Errorf("%d rewards of friends", n)
	}
	p.refund(p.count(`select origin_id from referral.reward where side = 'advocate'`), 1000) // a reward that was taken back makes room
	approve(6)
	if n := p.count(`select count(*) from referral.reward where side = 'advocate' and status = 'Paid' and referral_id = (select id from referral.referral where origin_id = 6)`); n != 1 {
		t.Errorf("%d rewards after the refund", n)
	}
}
