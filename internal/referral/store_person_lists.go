package referral

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// referralsOfAdvocate reads those that a person made as the advocate, newest first.
func referralsOfAdvocate(ctx context.Context, q sqlx.QueryerContext, siteID, personID, before int64, limit int) ([]referral, error) {
	var out []referral
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+referralColumns+`
		from referral.referral r
		where r.site_id = $1 and r.advocate_id = $2 and r.id < $3
		order by r.id desc
		limit $4`, siteID, personID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("referrals of advocate: %w", err)
	}
	return out, nil
}

// referralsOfFriend reads those in which a person is the friend, newest first. The two parts have an index each; a friend is referred
// once a campaign, so they are few.
func referralsOfFriend(ctx context.Context, q sqlx.QueryerContext, siteID, personID, before int64, limit int) ([]referral, error) {
	var out []referral
	err := sqlx.SelectContext(ctx, q, &out, `
		select * from (
			select `+referralColumns+`
			from referral.referral r
			where r.site_id = $1 and r.friend_id = $2 and r.status in ('pending', 'flagged', 'approved')
			union all
			select `+referralColumns+`
			from referral.referral r
			where r.site_id = $1 and r.friend_id = $2 and r.status in ('voided', 'blocked')
		) r
		where r.id < $3
		order by r.id desc
		limit $4`, siteID, personID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("referrals of friend: %w", err)
	}
	return out, nil
}

// rewardsOfPerson reads what a person earned, also as a visitor whom verified origins showed to be this person, newest first.
func rewardsOfPerson(ctx context.Context, q sqlx.QueryerContext, siteID, personID, before int64, limit int) ([]reward, error) {
	var out []reward
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+rewardColumns+`
		from (
			(select id from referral.reward where site_id = $1 and person_id = $2 and id < $3 order by id desc limit $4)
			union
			(select v.id
			from referral.identity i
			join referral.reward v on v.site_id = i.site_id and v.visitor_id = i.visitor_id
			where i.site_id = $1 and i.person_id = $2 and v.id < $3
			order by v.id desc limit $4)
		) hit
		join referral.reward w on w.site_id = $1 and w.id = hit.id
		order by w.id desc
		limit $4`, siteID, personID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("rewards of person: %w", err)
	}
	return withCoupons(ctx, q, out)
}
