package referral

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const cyclingDefinition = "The order came with a coupon that the advocate had got: for a referral, for points, or a code that the campaign names as the " +
	"advocate's reward. A code of the advocate's own, which is there for friends, is none."

// cycle is an advocate's coupon that a friend's order came with: what a referral earned pays for the next one.
type cycle struct {
	N        int   `db:"n"` // which origin of the batch, from 0
	CouponID int64 `db:"id"`
}

func (c cycle) evidence() evidence {
	if c.CouponID == 0 {
		return evidence{}
	}
	return evidence{Match: "coupon_of_advocate", CouponID: c.CouponID}
}

// findCycles looks among the codes of orders for coupons that the advocates hold.
func findCycles(ctx context.Context, q sqlx.QueryerContext, suspects []suspect, k kin) (map[int]cycle, error) {
	var ns, sites, advocates, campaigns []int64
	var codes []string
	for _, s := range suspects {
		for _, code := range s.d.codes() {
			for _, advocate := range k.all(s.d.body.SiteID, s.c.advocateID) {
				ns, sites, codes = append(ns, int64(s.n)), append(sites, s.d.body.SiteID), append(codes, code)
				advocates, campaigns = append(advocates, advocate), append(campaigns, s.c.campaignID)
			}
		}
	}
	out := map[int]cycle{}
	if len(codes) == 0 {
		return out, nil
	}
	var rows []cycle
	err := sqlx.SelectContext(ctx, q, &rows, `
		select u.n, c.id
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[]) u (n, s, code, advocate, campaign)
		cross join lateral (
			select site_id, id, code, reward_id, redemption_id, person_id, single_use
			from referral.coupon where site_id = u.s and code = u.code offset 0) c
		where c.redemption_id is not null and c.person_id = u.advocate
			or c.single_use and exists (select from referral.reward w
				where w.site_id = c.site_id and w.id = c.reward_id and w.side = 'advocate' and w.person_id = u.advocate)
			or not c.single_use and exists (select from referral.incentive i
				where i.site_id = c.site_id and i.coupon_code = c.code and i.coupon_code <> '' and i.campaign_id = u.campaign and i.action = 'referrer')
				and not exists (select from referral.incentive i
				where i.site_id = c.site_id and i.coupon_code = c.code and i.coupon_code <> '' and i.campaign_id = u.campaign and i.action <> 'referrer')
		order by u.n, c.id`, pq.Array(ns), pq.Array(sites), pq.Array(codes), pq.Array(advocates), pq.Array(campaigns))
	if err != nil {
		return nil, fmt.Errorf("find coupons of advocates: %w", err)
	}
	for _, r := range rows {
		if _, ok := out[r.N]; !ok {
			out[r.N] = r
		}
	}
	return out, nil
}
