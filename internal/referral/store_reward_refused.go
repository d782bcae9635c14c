package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// insertRefusals keeps why rewards are not given. The same refusal is kept once; that a reward is there already is no refusal.
func insertRefusals(ctx context.Context, tx *sqlx.Tx, now time.Time, list []refusal) error {
	if len(list) == 0 {
		return nil
	}
	ints, texts, at := make([][]int64, 9), make([][]string, 6), []time.Time{}
	for _, w := range list {
		for c, v := range []int64{w.SiteID, w.CampaignID, w.IncentiveID, deref(w.ReferralID), deref(w.FriendOfferID), deref(w.ShareID),
			deref(w.Milestone), deref(w.OriginID), deref(w.PersonID)} {
			ints[c] = append(ints[c], v)
		}
		for c, v := range []string{w.Side, w.Reason, w.Kind, w.Cause, w.Detail, w.Rule} {
			texts[c] = append(texts[c], v)
		}
		at = append(at, w.OccurredAt)
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.reward_refused (site_id, campaign_id, incentive_id, referral_id, friend_offer_id, share_id, milestone, origin_id,
			person_id, side, reason, kind, cause, detail, rule, occurred_at, refused_at)
		select s, c, i, nullif(r, 0), nullif(f, 0), nullif(share, 0), nullif(milestone, 0), nullif(o, 0), nullif(p, 0), side, reason, kind,
			cause, detail, rule::jsonb, at, $17
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
			$9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::timestamptz[]) with ordinality
			u (s, c, i, r, f, share, milestone, o, p, side, reason, kind, cause, detail, rule, at, n)
		where not (cause = 'uniqueness' and exists (
			select from referral.reward w
			where w.site_id = u.s and w.person_id = u.p and w.incentive_id = u.i and coalesce(w.referral_id, 0) = u.r
				and coalesce(w.friend_offer_id, 0) = u.f and coalesce(w.share_id, 0) = u.share and coalesce(w.milestone, 0) = u.milestone
				and coalesce(w.origin_id, 0) = u.o))
		order by n
		on conflict do nothing`,
		pq.Array(ints[0]), pq.Array(ints[1]), pq.Array(ints[2]), pq.Array(ints[3]), pq.Array(ints[4]), pq.Array(ints[5]), pq.Array(ints[6]),
		pq.Array(ints[7]), pq.Array(ints[8]), pq.Array(texts[0]), pq.Array(texts[1]), pq.Array(texts[2]), pq.Array(texts[3]),
		pq.Array(texts[4]), pq.Array(texts[5]), timestamps(at), now)
	if err != nil {
		return fmt.Errorf("insert refusals: %w", err)
	}
	return nil
}

const refusedColumns = `x.id, x.campaign_id, x.incentive_id, x.referral_id, x.friend_offer_id, x.share_id, x.milestone, x.origin_id, x.person_id,
	x.side, x.reason, x.kind, x.cause, x.detail, x.rule, x.occurred_at, x.refused_at`

// refusedBefore reads a page of refusals, newest first. Each question has its index.
func refusedBefore(ctx context.Context, q sqlx.QueryerContext, siteID int64, in *refusedInput, before int64, limit int) ([]refusedReward, error) {
	where, args := `x.site_id = $1`, []any{siteID, limit}
	and := func(condition string, asked bool, v any) {
		if asked {
			args = append(args, v)
			where += fmt.Sprintf(" and x.%s $%d", condition, len(args))
		}
	}
	and("id <", before != 0, before)
	and("campaign_id =", in.CampaignID != 0, in.CampaignID)
	and("person_id =", in.PersonID != 0, in.PersonID)
	and("referral_id =", in.ReferralID != 0, in.ReferralID)
	and("cause =", in.Cause != "", in.Cause)
	var out []refusedReward
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+refusedColumns+` from referral.reward_refused x where `+where+` order by x.id desc limit $2`, args...)
	if err != nil {
		return nil, fmt.Errorf("refused rewards: %w", err)
	}
	for i := range out {
		out[i].Explanation = refusedBecause[out[i].Cause]
		out[i].OccurredAt, out[i].RefusedAt = out[i].OccurredAt.UTC(), out[i].RefusedAt.UTC()
	}
	return out, nil
}

// sitesThatReward are those of the sites that have ever had an incentive of an action: one that is out of the next version may be in that
// which runs.
func sitesThatReward(ctx context.Context, q sqlx.QueryerContext, action string, sites []int64) ([]int64, error) {
	var out []int64
	err := sqlx.SelectContext(ctx, q, &out, `
		select distinct site_id from referral.incentive where site_id = any ($1::bigint[]) and action = $2 order by site_id`, pq.Array(sites), action)
	if err != nil {
		return nil, fmt.Errorf("sites that reward: %w", err)
	}
	return out, nil
}

// rewardsOfShares reads what shares earned.
func rewardsOfShares(ctx context.Context, q sqlx.QueryerContext, shares []key) ([]reward, error) {
	sites, ids := split(shares)
	var out []reward
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+rewardColumns+`
		from unnest($1::bigint[], $2::bigint[]) u (s, i)
		join referral.reward w on w.site_id = u.s and w.share_id = u.i
		order by w.site_id, w.id`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("rewards of shares: %w", err)
	}
	return withCoupons(ctx, q, out)
}

// ownersOf are the people whom browsers are known to belong to, those seen last; seen's person is 0.
func ownersOf(ctx context.Context, q sqlx.QueryerContext, browsers []seen) (map[seen]int64, error) {
	if len(browsers) == 0 {
		return nil, nil
	}
	var sites []int64
	var visitors []string
	for _, b := range browsers {
		sites, visitors = append(sites, b.site), append(visitors, b.visitor)
	}
	var rows []struct {
		SiteID    int64  `db:"site_id"`
		VisitorID string `db:"visitor_id"`
		PersonID  int64  `db:"person_id"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select i.site_id, i.visitor_id::text as visitor_id, i.person_id
		from unnest($1::bigint[], $2::uuid[]) u (s, v)
		join referral.identity i on i.site_id = u.s and i.visitor_id = u.v
		order by i.learned_at, i.person_id`, pq.Array(sites), pq.Array(visitors))
	if err != nil {
		return nil, fmt.Errorf("owners of browsers: %w", err)
	}
	out := map[seen]int64{}
	for _, r := range rows {
		out[seen{r.SiteID, r.VisitorID, 0}] = r.PersonID
	}
	return out, nil
}

// dropRefusals drops up to most older refusals, and returns how many.
func dropRefusals(ctx context.Context, q sqlx.QueryerContext, before time.Time, most int) (n int64, err error) {
	if err = sqlx.GetContext(ctx, q, &n, `select referral.drop_refusals($1, $2)`, before, most); err != nil {
		return 0, fmt.Errorf("drop old refusals: %w", err)
	}
	return n, nil
}
