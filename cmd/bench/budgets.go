package main

import (
	"context"
	"fmt"
)

const budgetsDatabase = "budgets"

// plenty is a budget that no run uses up, in minor units.
const plenty = 1_000_000_000_000

// budgets compares purchases whose rewards are paid out of a campaign's budget, one row that all of them count up, with the same
// purchases of a site that has none. Then it lets a budget end while they go on.
func (b *bench) budgets(ctx context.Context) error {
	terms := object{"incentives": []object{{"identifier": "points", "action_type": "referrer", "kind": "points", "points": rewardPoints, "terms": object{"cost": rewardPoints}}}}
	return b.apart(ctx, budgetsDatabase, 2, terms, func(p *platform) error {
		if err := p.budget(ctx, plenty); err != nil {
			return err
		}
		before := p.rewarded(ctx)
		if before.err != nil {
			return before.err
		}
		var pools [2]pool
		sites := [2]func() int{p.firstSite, func() int { return 1 }}
		var sum weighed
		for n := range b.fewer() {
			var both [2]bought
			for i, site := range sites {
				var err error
				if both[i], err = p.purchase(ctx, load{conns: connections, span: b.span(), site: site, from: &pools[i]}); err != nil {
					return err
				}
			}
			sum.add(both[0], both[1])
			others, speed := max(both[0].others(0), both[1].others(0)), pace()
			b.report.add("budget / no budget", pair{both[0].rate(), both[1].rate(), 0, others, speed})
			b.report.add("budget / no budget settled", pair{both[0].settled, both[1].settled, 0, others, speed})
			progress("budgets %d/%d: %.0f/s, settled %.0f/s; without one %.0f/s, settled %.0f/s; others %.0f %%", n+1, b.fewer(), both[0].rate(), both[0].settled,
				both[1].rate(), both[1].settled, 100*others)
		}
		if err := b.noted(ctx, p, "a purchase with a budget", &sum); err != nil {
			return err
		}
		if err := p.verify(ctx); err != nil { // it was never short of anything
			return err
		}
		return b.stop(ctx, p, &pools[0], before)
	})
}

// budget sets what the first site's campaign may give in all; its only limit.
func (p *platform) budget(ctx context.Context, amount int64) error {
	s := p.sites[0]
	return p.call(ctx, s.key, "PUT", fmt.Sprintf("/api/v2/campaigns/%d/limits", s.campaign), object{"limits": object{"budget": object{"amount": amount, "currency": "USD"}}}, nil)
}

// given is what the first site's advocates have, and how many of its referrals were approved.
type given struct {
	rewards, referrals int64
	err                error
}

func (p *platform) rewarded(ctx context.Context) (g given) {
	g.err = p.db.QueryRowContext(ctx, `select (select count(*) from referral.reward where site_id = $1), (select count(*) from referral.referral where site_id = $1 and status = 'approved')`,
		p.sites[0].id).Scan(&g.rewards, &g.referrals)
	return g
}

// stop lets the budget end in the middle of a load: what was given is the budget, to the last reward that it had room for, and all that
// was asked beyond it was refused. before is what there was without a budget.
func (b *bench) stop(ctx context.Context, p *platform, from *pool, before given) error {
	now := p.rewarded(ctx)
	if now.err != nil {
		return now.err
	}
	if err := p.stock(ctx, int(2*p.rate*b.span().Seconds())+2000, p.firstSite, from); err != nil {
		return err
	}
	room := int64(p.rate*b.span().Seconds()) / 3
	amount := rewardPoints*(now.rewards-before.rewards+room) + rewardPoints/2 // the rest is too little for one
	if err := p.budget(ctx, amount); err != nil {
		return err
	}
	site := p.took
	r, err := p.measured(ctx, func() (tally, error) {
		return p.buy(ctx, load{conns: connections, span: b.span(), site: p.firstSite, from: from})
	})
	if err != nil {
		return err
	}
	asked := p.took.matched - site.matched
	if asked <= room {
		return fmt.Errorf("only %d rewards were asked for, and the budget had room for %d: it was not tried", asked, room)
	}
	b.report.note("a budget that ends", "room for %d of %d rewards: %d given, %d refused; settled at %.0f purchases/s", room, asked, room, asked-room, r.settled)
	refused := asked - room
	rewards := p.took.matched - refused
	s := p.sites[0].id
	facts := append(ledger(rewards), []fact{
		{"rewards", `select count(*) from referral.reward`, rewards},
		{"approved referrals", `select count(*) from referral.referral where status = 'approved'`, p.took.matched},
		{"refused rewards", `select count(*) from referral.reward_refused`, refused},
		{"refused for the budget", fmt.Sprintf(`select count(*) from referral.reward_refused where site_id = %d and cause = 'budget'`, s), refused},
		{"spent of the budget", `select coalesce(sum(spent), 0)::bigint from referral.budget`, rewardPoints * (now.rewards - before.rewards + room)},
		{"what rewards took of it", `select coalesce(sum(cost - back), 0)::bigint from referral.budget_entry`, rewardPoints * (now.rewards - before.rewards + room)},
		{"more than the budget", fmt.Sprintf(`select count(*) from referral.budget where spent > %d`, amount), 0},
		{"rewards of the site", fmt.Sprintf(`select count(*) from referral.reward where site_id = %d`, s), now.rewards + room},
	}...)
	return p.holds(ctx, facts...)
}
