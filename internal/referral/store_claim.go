package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/referral/referralevent"
)

// trackFriendOffer notes when the friend last arrived; false if the site has no such friend offer.
func trackFriendOffer(ctx context.Context, db sqlx.ExecerContext, now time.Time, siteID, id int64) (bool, error) {
	done, err := db.ExecContext(ctx, `
		update referral.friend_offer set tracked_at = $3 where site_id = $1 and id = $2`, siteID, id, now)
	if err != nil {
		return false, fmt.Errorf("track a friend offer: %w", err)
	}
	n, err := done.RowsAffected()
	return n == 1, err
}

// claimFriendOffer finds or makes a friend offer that wasn't opened by a link; it is touched now.
func claimFriendOffer(ctx context.Context, tx *sqlx.Tx, now time.Time, f friendOffer) (friendOffer, error) {
	err := tx.GetContext(ctx, &f, `
		insert into referral.friend_offer as f (site_id, offer_id, campaign_id, visitor_id, visits, first_at, last_at)
		values ($1, $2, $3, $4::uuid, 0, $5, $5)
		on conflict (site_id, visitor_id, offer_id) do update set last_at = greatest(f.last_at, excluded.last_at)
		returning f.site_id, f.id, f.offer_id, f.campaign_id, f.visitor_id, f.visits`, f.SiteID, f.OfferID, f.CampaignID, f.VisitorID, now)
	if err != nil {
		return f, fmt.Errorf("claim a friend offer: %w", err)
	}
	return f, nil
}

// insertClaim writes a claim; false if the friend had claimed the offer before.
func insertClaim(ctx context.Context, tx *sqlx.Tx, c referralevent.OfferClaimed) (bool, error) {
	done, err := tx.ExecContext(ctx, `
		insert into referral.offer_claim (site_id, offer_id, friend_id, campaign_id, advocate_id, friend_offer_id, reason, claimed_at)
		values ($1, $2, $3, $4, $5, nullif($6::bigint, 0), $7, $8)
		on conflict on constraint offer_claim_pkey do nothing`,
		c.SiteID, c.OfferID, c.FriendID, c.CampaignID, c.AdvocateID, c.FriendOfferID, c.Reason, c.ClaimedAt)
	if err != nil {
		return false, fmt.Errorf("insert a claim: %w", err)
	}
	n, err := done.RowsAffected()
	return n == 1, err
}

// rewardsOfFriendOffer reads what a friend offer earned.
func rewardsOfFriendOffer(ctx context.Context, q sqlx.QueryerContext, siteID, friendOfferID int64) ([]reward, error) {
	var out []reward
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+rewardColumns+` from referral.reward w where w.site_id = $1 and w.friend_offer_id = $2 order by w.id`, siteID, friendOfferID)
	if err != nil {
		return nil, fmt.Errorf("rewards of a friend offer: %w", err)
	}
	return withCoupons(ctx, q, out)
}
