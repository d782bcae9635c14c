package referral

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// referralsOfAdvocate reads those that a person, under whatever ids, made as the advocate, newest first.
func referralsOfAdvocate(ctx context.Context, q sqlx.QueryerContext, siteID int64, people []int64, before int64, limit int) ([]referral, error) {
	var out []referral
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+referralColumns+`
		from unnest($2::bigint[]) p
		cross join lateral (
			select * from referral.referral where site_id = $1 and advocate_id = p and id < $3 order by id desc limit $4) r
		order by r.id desc
		limit $4`, siteID, pq.Array(people), before, limit)
	if err != nil {
		return nil, fmt.Errorf("referrals of advocate: %w", err)
	}
	return out, nil
}

// referralsOfFriend reads those in which a person is the friend, newest first. The two parts have an index each; a friend is referred
// once a campaign, so they are few.
func referralsOfFriend(ctx context.Context, q sqlx.QueryerContext, siteID int64, people []int64, before int64, limit int) ([]referral, error) {
	var out []referral
	err := sqlx.SelectContext(ctx, q, &out, `
		select r.* from unnest($2::bigint[]) p
		cross join lateral (
			select `+referralColumns+`
			from referral.referral r
			where r.site_id = $1 and r.friend_id = p and r.status in ('pending', 'flagged', 'approved')
			union all
			select `+referralColumns+`
			from referral.referral r
			where r.site_id = $1 and r.friend_id = p and r.status in ('voided', 'blocked')
		) r
		where r.id < $3
		order by r.id desc
		limit $4`, siteID, pq.Array(people), before, limit)
	if err != nil {
		return nil, fmt.Errorf("referrals of friend: %w", err)
	}
	return out, nil
}

// rewardsOfPerson reads what a person earned, also as a visitor whom verified origins showed to be this person, newest first.
func rewardsOfPerson(ctx context.Context, q sqlx.QueryerContext, siteID int64, people []int64, before int64, limit int) ([]reward, error) {
	var out []reward
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+rewardColumns+`
		from (
			select h.id from unnest($2::bigint[]) p cross join lateral (
				(select id from referral.reward where site_id = $1 and person_id = p and id < $3 order by id desc limit $4)
				union all
				(select v.id
				from referral.identity i
				join referral.reward v on v.site_id = i.site_id and v.visitor_id = i.visitor_id
				where i.site_id = $1 and i.person_id = p and v.id < $3
				order by v.id desc limit $4)) h
			group by h.id
		) hit
		join referral.reward w on w.site_id = $1 and w.id = hit.id
		order by w.id desc
		limit $4`, siteID, pq.Array(people), before, limit)
	if err != nil {
		return nil, fmt.Errorf("rewards of person: %w", err)
	}
	return withCoupons(ctx, q, out)
}
