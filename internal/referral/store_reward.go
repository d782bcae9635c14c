package referral

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const rewardColumns = `w.site_id, w.id, w.campaign_id, w.incentive_id, w.referral_id, w.friend_offer_id, w.share_id, w.milestone, w.once, w.origin_id, w.person_id,
	w.visitor_id, w.friend_id, w.side, w.reason, w.kind, w.status, w.points, w.amount, w.currency, w.coupon_code, w.coupon_list_id,
	w.coupon_id, w.clawed, w.rule, w.occurred_at, w.issued_at`

// rewardKey is what a reward is unique by.
type rewardKey struct {
	site, referral, friendOffer, share, milestone, origin, person, incentive int64
}

// source is what a reward is unique by: its incentive and what it is for.
func (w *reward) source() rewardKey {
	k := rewardKey{site: w.SiteID, referral: deref(w.ReferralID), friendOffer: deref(w.FriendOfferID), share: deref(w.ShareID),
		milestone: deref(w.Milestone), incentive: w.IncentiveID}
	if w.Milestone != nil {
		k.person = deref(w.PersonID)
	}
	if w.Reason == actionSignup {
		k.origin = deref(w.OriginID)
	}
	return k
}

// insertRewards writes rewards and returns them with their ids, as they are stored; those that exist already are left out.
func insertRewards(ctx context.Context, tx *sqlx.Tx, now time.Time, rewards []reward) ([]reward, error) {
	n := len(rewards)
	ints := make([][]int64, 13)
	for i := range ints {
		ints[i] = make([]int64, n)
	}
	texts := make([][]string, 9)
	for i := range texts {
		texts[i] = make([]string, n)
	}
	at := make([]time.Time, n)
	for i, w := range rewards {
		for c, v := range []int64{w.SiteID, w.CampaignID, w.IncentiveID, deref(w.ReferralID), deref(w.FriendOfferID), deref(w.OriginID),
			deref(w.PersonID), deref(w.FriendID), w.Points, w.Amount, deref(w.CouponListID),
			deref(w.ShareID), deref(w.Milestone)} {
			ints[c][i] = v
		}
		for c, v := range []string{deref(w.VisitorID), w.Side, w.Reason, w.Kind, w.Status, w.Currency, w.CouponCode, w.Rule, deref(w.Once)} {
			texts[c][i] = v
		}
		at[i] = w.OccurredAt
	}
	var made []reward
	err := tx.SelectContext(ctx, &made, `
		insert into referral.reward as w (site_id, campaign_id, incentive_id, referral_id, friend_offer_id, origin_id, person_id,
			friend_id, points, amount, visitor_id, side, reason, kind, status, currency, coupon_code, rule, occurred_at, coupon_list_id,
			share_id, milestone, once, issued_at, updated_at)
		select s, c, i, nullif(r, 0), nullif(f, 0), nullif(o, 0), nullif(p, 0), nullif(friend, 0), points, amount,
			nullif(v, '')::uuid, side, reason, kind, status, currency, coupon, rule::jsonb, at, nullif(list, 0), nullif(share, 0), nullif(milestone, 0), nullif(once, ''), $21, $21
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
			$9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[],
			$18::text[], $19::timestamptz[], $20::bigint[], $22::bigint[], $23::bigint[], $24::text[]) with ordinality
			u (s, c, i, r, f, o, p, friend, points, amount, v, side, reason, kind, status, currency, coupon, rule, at, list, share, milestone, once, n)
		order by n
		on conflict do nothing
		returning site_id, id, referral_id, friend_offer_id, share_id, milestone, origin_id, person_id, incentive_id, reason`,
		pq.Array(ints[0]), pq.Array(ints[1]), pq.Array(ints[2]), pq.Array(ints[3]), pq.Array(ints[4]), pq.Array(ints[5]),
		pq.Array(ints[6]), pq.Array(ints[7]), pq.Array(ints[8]), pq.Array(ints[9]), pq.Array(texts[0]), pq.Array(texts[1]),
		pq.Array(texts[2]), pq.Array(texts[3]), pq.Array(texts[4]), pq.Array(texts[5]), pq.Array(texts[6]), pq.Array(texts[7]),
		timestamps(at), pq.Array(ints[10]), now, pq.Array(ints[11]), pq.Array(ints[12]), pq.Array(texts[8]))
	if err != nil {
		return nil, fmt.Errorf("insert rewards: %w", err)
	}
	written := make(map[rewardKey]int64, len(made))
	for _, row := range made {
		written[row.source()] = row.ID
	}
	out := make([]reward, 0, len(made))
	for _, w := range rewards {
		k := w.source()
		if w.ID = written[k]; w.ID != 0 {
			delete(written, k) // a second one of the same key was left out
			w.IssuedAt = now
			out = append(out, w)
		}
	}
	return out, nil
}

// saveClawed writes how much was taken back of each reward, and whether that is all. A payout may mark it as paid meanwhile.
func saveClawed(ctx context.Context, tx *sqlx.Tx, now time.Time, rewards []reward) error {
	n := len(rewards)
	sites, ids, clawed, status := make([]int64, n), make([]int64, n), make([]int64, n), make([]string, n)
	for i, w := range rewards {
		sites[i], ids[i], clawed[i], status[i] = w.SiteID, w.ID, w.Clawed, w.Status
	}
	_, err := tx.ExecContext(ctx, `
		update referral.reward w set clawed = u.clawed, status = case when u.status = 'Voided' then u.status else w.status end, updated_at = $5
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) u (s, i, clawed, status)
		where w.site_id = u.s and w.id = u.i`, pq.Array(sites), pq.Array(ids), pq.Array(clawed), pq.Array(status), now)
	if err != nil {
		return fmt.Errorf("save claw-backs: %w", err)
	}
	return nil
}

// rewardsOfReferrals reads the rewards of referrals. Who changes them holds the referrals' locks.
func rewardsOfReferrals(ctx context.Context, q sqlx.QueryerContext, sites, referrals []int64) ([]reward, error) {
	var out []reward
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+rewardColumns+`
		from unnest($1::bigint[], $2::bigint[]) u (s, r)
		join referral.reward w on w.site_id = u.s and w.referral_id = u.r
		order by w.site_id, w.id`, pq.Array(sites), pq.Array(referrals))
	if err != nil {
		return nil, fmt.Errorf("rewards of referrals: %w", err)
	}
	return withCoupons(ctx, q, out)
}

// rewardsByID reads rewards of several sites.
func rewardsByID(ctx context.Context, q sqlx.QueryerContext, sites, ids []int64) (map[key]*reward, error) {
	out := map[key]*reward{}
	if len(ids) == 0 {
		return out, nil
	}
	var rows []reward
	err := sqlx.SelectContext(ctx, q, &rows, `
		select `+rewardColumns+`
		from unnest($1::bigint[], $2::bigint[]) u (s, i)
		join referral.reward w on w.site_id = u.s and w.id = u.i`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("rewards by id: %w", err)
	}
	for i := range rows {
		out[key{rows[i].SiteID, rows[i].ID}] = &rows[i]
	}
	return out, nil
}

// rewardsOfVisitor reads the rewards of a visitor, and of the people that he is known to be; no states mean all.
func rewardsOfVisitor(ctx context.Context, q sqlx.QueryerContext, siteID int64, visitor string, states []string) ([]reward, error) {
	var out []reward
	err := sqlx.SelectContext(ctx, q, &out, `
		select * from (
			select `+rewardColumns+` from referral.reward w
			where w.site_id = $1 and w.visitor_id = $2::uuid
			union
			select `+rewardColumns+`
			from referral.identity i
			join referral.reward w on w.site_id = i.site_id and w.person_id = i.person_id
			where i.site_id = $1 and i.visitor_id = $2::uuid
		) w
		where $3::text[] is null or w.status = any ($3::text[])
		order by w.issued_at desc, w.id desc
		limit 500`, siteID, visitor, pq.Array(states))
	if err != nil {
		return nil, fmt.Errorf("rewards of visitor: %w", err)
	}
	return withCoupons(ctx, q, out)
}

// timestamps is an array of moments as PostgreSQL reads it.
func timestamps(list []time.Time) any {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = t.UTC().Format(time.RFC3339Nano)
	}
	return pq.Array(out)
}

// sqlTime is a moment that may not be, in an array.
type sqlTime struct{ *time.Time }

// Value makes it a driver.Valuer.
func (t sqlTime) Value() (driver.Value, error) {
	if t.Time == nil {
		return nil, nil
	}
	return t.UTC().Format(time.RFC3339Nano), nil
}
