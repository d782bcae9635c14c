package referral

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// lockTested says whether a campaign is in Test and was never anything else, and keeps it so until the transaction ends; not found is a fault.
// Whoever publishes a version locks the campaign.
func lockTested(ctx context.Context, tx *sqlx.Tx, siteID, campaignID int64, now time.Time) (bool, error) {
	err := tx.GetContext(ctx, new(int64), `select id from referral.campaign where site_id = $1 and id = $2 for share`, siteID, campaignID)
	if errors.Is(err, sql.ErrNoRows) {
		return false, errNoCampaign
	}
	if err != nil {
		return false, fmt.Errorf("lock campaign: %w", err)
	}
	return tested(ctx, tx, siteID, campaignID, now)
}

func tested(ctx context.Context, q sqlx.QueryerContext, siteID, campaignID int64, now time.Time) (yes bool, err error) {
	err = sqlx.GetContext(ctx, q, &yes, `
		select coalesce(bool_and(terms ->> 'status' = 'Test'), false) from referral.campaign_version
		where site_id = $1 and campaign_id = $2 and effective_at <= $3`, siteID, campaignID, now)
	if err != nil {
		return false, fmt.Errorf("was the campaign ever live: %w", err)
	}
	return yes, nil
}

const testDropColumns = `d.site_id, d.id, d.campaign_id, d.key_id, d.state, d.referrals, d.rewards, d.offers, d.asked_at, d.finished_at, d.failures, d.rewards_before`

// insertTestDrop asks for a drop; fresh is false where one is running.
func insertTestDrop(ctx context.Context, tx *sqlx.Tx, d testDrop) (fresh bool, err error) {
	done, err := tx.ExecContext(ctx, `
		insert into referral.test_drop (site_id, campaign_id, key_id, asked_at) values ($1, $2, $3, $4)
		on conflict (site_id, campaign_id) where state = 'running' do nothing`, d.SiteID, d.CampaignID, d.KeyID, d.AskedAt)
	if err != nil {
		return false, fmt.Errorf("ask for dropping test data: %w", err)
	}
	n, err := done.RowsAffected()
	return n == 1, err
}

// lockTestDrop takes the drop that waits longest of those whose time has come and that nobody works on; nil if there is none.
func lockTestDrop(ctx context.Context, tx *sqlx.Tx, now time.Time) (*testDrop, error) {
	var out []testDrop
	err := tx.SelectContext(ctx, &out, `
		select `+testDropColumns+` from referral.test_drop d where d.state = 'running' and d.next_at <= $1 order by d.next_at, d.asked_at limit 1 for update skip locked`, now)
	if err != nil {
		return nil, fmt.Errorf("take a drop of test data: %w", err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return &out[0], nil
}

// saveTestDrop notes how far a drop got.
func saveTestDrop(ctx context.Context, tx *sqlx.Tx, d *testDrop) error {
	_, err := tx.ExecContext(ctx, `
		update referral.test_drop set state = $3, referrals = $4, rewards = $5, offers = $6, finished_at = $7, failures = 0, rewards_before = $8
		where site_id = $1 and id = $2`, d.SiteID, d.ID, d.State, d.Referrals, d.Rewards, d.Offers, d.FinishedAt, d.RewardsBefore)
	if err != nil {
		return fmt.Errorf("save a drop of test data: %w", err)
	}
	return nil
}

// postponeTestDrop lets a drop wait that has failed.
func postponeTestDrop(ctx context.Context, q sqlx.ExecerContext, d *testDrop, until time.Time) error {
	_, err := q.ExecContext(ctx, `
		update referral.test_drop set failures = $3, next_at = $4 where site_id = $1 and id = $2 and state = 'running'`, d.SiteID, d.ID, d.Failures, until)
	if err != nil {
		return fmt.Errorf("postpone a drop of test data: %w", err)
	}
	return nil
}

// clickRewardsToDrop reads what friends got for coming by a test campaign, of the next so many rewards of the site; more says that there are older ones
// that could be.
func clickRewardsToDrop(ctx context.Context, q sqlx.QueryerContext, d *testDrop, most int) (out []reward, more bool, err error) {
	var stretch struct {
		First int64 `db:"first"` // 0: there is none
		Older bool  `db:"older"` // than the campaign
		Count int   `db:"count"`
	}
	err = sqlx.GetContext(ctx, q, &stretch, `
		select coalesce(min(w.id), 0) as first, count(*) as count,
			coalesce(min(w.issued_at) < (select created_at from referral.campaign where site_id = $1 and id = $2), false) as older
		from (select id, issued_at from referral.reward where site_id = $1 and id < $3 order by id desc limit $4) w`, d.SiteID, d.CampaignID, d.RewardsBefore, most)
	if err == nil {
		err = sqlx.SelectContext(ctx, q, &out, `
			select `+rewardColumns+` from referral.reward w
			where w.site_id = $1 and w.id >= $2 and w.id < $3 and w.campaign_id = $4 and w.friend_offer_id is not null and w.status <> 'Voided'
			order by w.site_id, w.id`, d.SiteID, stretch.First, d.RewardsBefore, d.CampaignID)
	}
	if err != nil {
		return nil, false, fmt.Errorf("friends' rewards to drop: %w", err)
	}
	d.RewardsBefore = stretch.First
	out, err = withCoupons(ctx, q, out)
	return out, stretch.Count == most && !stretch.Older, err
}

// testDataOf counts what a campaign has made, and reads the last drop of it; not found is a fault.
func testDataOf(ctx context.Context, q sqlx.QueryerContext, siteID, campaignID int64, now time.Time) (out testData, err error) {
	if err := campaignExists(ctx, q, siteID, campaignID); err != nil {
		return out, err
	}
	out.CampaignID = campaignID
	if out.Droppable, err = tested(ctx, q, siteID, campaignID, now); err != nil || !out.Droppable {
		return out, err
	}
	err = sqlx.GetContext(ctx, q, &out, `
		with o as materialized (
			select person_id from referral.offer where site_id = $1 and campaign_id = $2 and dropped_at is null
		), r as materialized (
			select r.id from o join referral.referral r on r.site_id = $1 and r.advocate_id = o.person_id and r.campaign_id = $2 and r.superseded = 0
		)
		select (select count(*) from o) as offers, (select count(*) from r) as referrals,
			(select count(*) from r join referral.reward w on w.site_id = $1 and w.referral_id = r.id and w.status <> 'Voided')
			+ (select count(*) from o join referral.reward w on w.site_id = $1 and w.person_id = o.person_id and w.campaign_id = $2
				and w.referral_id is null and w.status <> 'Voided') as rewards`, siteID, campaignID)
	if err != nil {
		return out, fmt.Errorf("count test data: %w", err)
	}
	var last []testDrop
	err = sqlx.SelectContext(ctx, q, &last, `
		select `+testDropColumns+` from referral.test_drop d where d.site_id = $1 and d.campaign_id = $2 order by d.id desc limit 1`, siteID, campaignID)
	if err != nil {
		return out, fmt.Errorf("read the last drop of test data: %w", err)
	}
	if len(last) > 0 {
		out.LastDrop = &last[0]
		out.LastDrop.AskedAt, out.LastDrop.FinishedAt = last[0].AskedAt.UTC(), instant(last[0].FinishedAt)
	}
	return out, nil
}

// offersToDrop reads offers of a test campaign, the oldest first, and whose they are.
func offersToDrop(ctx context.Context, q sqlx.QueryerContext, d *testDrop, limit int) (offers, people []int64, err error) {
	var rows []struct {
		ID     int64  `db:"id"`
		Person *int64 `db:"person_id"`
	}
	err = sqlx.SelectContext(ctx, q, &rows, `
		select id, person_id from referral.offer where site_id = $1 and campaign_id = $2 and dropped_at is null order by id limit $3`, d.SiteID, d.CampaignID, limit)
	if err != nil {
		return nil, nil, fmt.Errorf("offers to drop: %w", err)
	}
	for _, r := range rows {
		offers = append(offers, r.ID)
		if r.Person != nil {
			people = append(people, *r.Person)
		}
	}
	return offers, people, nil
}

// originsToDrop reads the origins of referrals by advocates in a test campaign.
func originsToDrop(ctx context.Context, q sqlx.QueryerContext, d *testDrop, advocates []int64, limit int) (out []int64, err error) {
	err = sqlx.SelectContext(ctx, q, &out, `
		select r.origin_id
		from unnest($3::bigint[]) u (p)
		join referral.referral r on r.site_id = $1 and r.advocate_id = u.p and r.campaign_id = $2 and r.superseded = 0
		order by r.origin_id
		limit $4`, d.SiteID, d.CampaignID, pq.Array(advocates), limit)
	if err != nil {
		return nil, fmt.Errorf("referrals to drop: %w", err)
	}
	return out, nil
}

// otherRewards reads what advocates of a test campaign were given for something else than referrals.
func otherRewards(ctx context.Context, q sqlx.QueryerContext, d *testDrop, advocates []int64) (out []reward, err error) {
	err = sqlx.SelectContext(ctx, q, &out, `
		select `+rewardColumns+`
		from unnest($3::bigint[]) u (p)
		join referral.reward w on w.site_id = $1 and w.person_id = u.p and w.campaign_id = $2 and w.referral_id is null and w.status <> 'Voided'
		order by w.site_id, w.id`, d.SiteID, d.CampaignID, pq.Array(advocates))
	if err != nil {
		return nil, fmt.Errorf("rewards to drop: %w", err)
	}
	return withCoupons(ctx, q, out)
}

// retireOffers makes offers nobody's, ends their own codes, and takes their links away; it returns the links' codes.
func retireOffers(ctx context.Context, tx *sqlx.Tx, d *testDrop, offers []int64, now time.Time) (codes []string, err error) {
	_, err = tx.ExecContext(ctx, `
		update referral.coupon c set expires_at = $3
		from referral.personal_coupon p
		where p.site_id = $1 and p.offer_id = any ($2) and c.site_id = p.site_id and c.id = p.coupon_id and (c.expires_at is null or c.expires_at > $3)`,
		d.SiteID, pq.Array(offers), now)
	if err == nil {
		err = tx.SelectContext(ctx, &codes, `delete from referral.link where site_id = $1 and offer_id = any ($2) returning code`, d.SiteID, pq.Array(offers))
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, `
			update referral.offer set person_id = null, visitor_id = gen_random_uuid(), coupon_code = '', dropped_at = $3
			where site_id = $1 and id = any ($2)`, d.SiteID, pq.Array(offers), now)
	}
	if err != nil {
		return nil, fmt.Errorf("retire offers: %w", err)
	}
	return codes, nil
}
