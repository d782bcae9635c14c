package main

import (
	"context"
	"fmt"
	"time"
)

const couponsDatabase = "coupons"

// Coupons that are delivered before a load, for each second of it: more than it can take.
const (
	couponsOfOne  = 6000
	couponsOfEach = 15_000 // of all lists together
)

// coupons measures claims that bring the friend a coupon: all of one list, or of as many lists as there are sites.
func (b *bench) coupons(ctx context.Context) error {
	return b.apart(ctx, couponsDatabase, b.o.sites, nil, func(p *platform) error {
		if err := p.stockCoupons(ctx); err != nil {
			return err
		}
		c := claimed{advocates: min(b.o.people, fewSites)}
		seconds := b.o.seconds
		if err := p.deliver(ctx, p.sites, c.advocates+1); err != nil {
			return err
		}
		if err := c.introduce(ctx, p); err != nil {
			return err
		}
		first := c.told // whose answers had a code that nobody looked at
		if err := p.deliver(ctx, p.sites, couponsOfEach*seconds/len(p.sites)+1); err != nil {
			return err
		}
		var sum weighed
		for n := range b.fewer() {
			var ours [4]bought
			for i, load := range []struct {
				conns int
				site  func() int
			}{{connections, p.randomSite}, {8, p.randomSite}, {connections, p.firstSite}, {8, p.firstSite}} {
				var err error
				of, many := p.sites, couponsOfEach*seconds/len(p.sites)+1
				if i > 1 {
					of, many = p.sites[:1], couponsOfOne*seconds
				}
				if err := p.deliver(ctx, of, many); err != nil {
					return err
				}
				if ours[i], err = c.measure(ctx, p, load.conns, b.span(), &claiming{site: load.site, coupons: true}); err != nil {
					return err
				}
			}
			if err := supply(ctx, b.pg.yardstick, `select bench.print($1, $2), bench.print(1, $3)`, b.o.sites, 30_000*seconds/b.o.sites+1000, 30_000*seconds); err != nil {
				return err
			}
			c2, err := b.rival(ctx, "coupon.sql")
			if err != nil {
				return err
			}
			c3, err := b.rival(ctx, "coupon_hot.sql")
			if err != nil {
				return err
			}
			sum.add(ours[0], ours[1:]...)
			speed := pace()
			b.compare("coupons / C2", ours[0].rate(), ours[0], c2, speed)
			b.compare("coupons of 8 / C2", ours[1].rate(), ours[1], c2, speed)
			b.compare("coupons of one list / C3", ours[2].rate(), ours[2], c3, speed)
			b.compare("coupons of one list of 8 / C3", ours[3].rate(), ours[3], c3, speed)
			progress("coupons %d/%d: %.0f/s of %d lists, of 8 %.0f/s, of one list %.0f/s, of 8 %.0f/s, pgbench %.0f/s at %d clients, of one list %.0f/s at %d, others %.0f %%", n+1, b.fewer(),
				ours[0].rate(), len(p.sites), ours[1].rate(), ours[2].rate(), ours[3].rate(), c2.rate, c2.clients, c3.rate, c3.clients,
				100*max(ours[0].others(0), ours[1].others(0), ours[2].others(0), ours[3].others(0), c2.others, c3.others))
		}
		if err := b.noted(ctx, p, "a claim with a coupon", &sum); err != nil {
			return err
		}
		return p.holds(ctx, append(c.facts(p), c.couponFacts(first)...)...)
	})
}

// stockCoupons gives each site a list of single-use coupons, which friends get for a claim.
func (p *platform) stockCoupons(ctx context.Context) error {
	for i := range p.sites {
		s := &p.sites[i]
		var made struct {
			List struct {
				ID int64 `json:"id"`
			} `json:"coupon_list"`
		}
		if err := p.call(ctx, s.key, "POST", "/api/v2/coupon_lists", object{"name": "Five", "kind": "single-use", "amount": 500}, &made); err != nil {
			return err
		}
		s.coupons = made.List.ID
		err := p.call(ctx, s.key, "POST", "/api/v2/campaigns", object{"name": "Welcome", "status": "Live", "destination_url": "https://shop.example/welcome",
			"joinable_category_names": []string{"nobody"}, "approval": object{"mode": "automatic"},
			"incentives": []object{{"identifier": "coupon", "action_type": "click", "kind": "coupon", "coupon_list_id": s.coupons}}}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// deliver gives the lists of sites so many more codes, by the program itself.
func (p *platform) deliver(ctx context.Context, of []shop, many int) error {
	const atATime = 50_000
	for i := range of {
		for left := many; left > 0; left -= atATime {
			body := object{"template": "BENCH-############", "count": min(left, atATime)}
			if err := p.call(ctx, of[i].key, "POST", fmt.Sprintf("/api/v2/coupon_lists/%d/generate", of[i].coupons), body, nil); err != nil {
				return err
			}
		}
	}
	time.Sleep(10 * glance)
	return p.quiet(ctx)
}

// couponFacts: each claim has one coupon and each coupon one holder, and whoever claimed was shown it. first are claims whose answers
// weren't looked at.
func (c *claimed) couponFacts(first int64) []fact {
	return []fact{
		{"codes that were answered twice", `select ` + fmt.Sprint(c.twice), 0},
		{"claims with a code in the answer", `select ` + fmt.Sprint(int64(len(c.codes))), c.told - first},
		{"coupons that were handed out", `select count(*) from referral.coupon where issued_at is not null`, c.told},
		{"holders", `select count(distinct (c.site_id, w.id)) from referral.coupon c join referral.reward w on (w.site_id, w.id, w.coupon_id, w.coupon_code) = (c.site_id, c.reward_id, c.id, c.code)
			where w.status = 'Paid'`, c.told},
		{"friends with a coupon", `select count(distinct (c.site_id, c.person_id)) from referral.coupon c where c.issued_at is not null`, c.told},
		{"rewards of claims", `select count(*) from referral.offer_claim c join referral.reward w on (w.site_id, w.friend_offer_id, w.person_id) = (c.site_id, c.friend_offer_id, c.friend_id)`, c.told},
		{"coupons that somebody waits for", `select count(*) from referral.coupon_wait`, 0},
		{"coupons that the stock says were handed out", `select coalesce(sum(issued), 0)::bigint from referral.coupon_stock`, c.told},
		{"coupons against the stock", `select (select count(*) from referral.coupon) - (select coalesce(sum(added), 0)::bigint from referral.coupon_stock)`, 0},
	}
}
