package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/postgres"
)

// withTerms gives campaigns their terms, if they have some.
func withTerms(ctx context.Context, q sqlx.QueryerContext, campaigns map[key]*campaign, sites, ids []int64) error {
	var rows []linkTerms
	err := sqlx.SelectContext(ctx, q, &rows, `
		select l.site_id, l.campaign_id, l.claim_page, l.gate, l.opt_in, l.expired_url, l.advocate_url, l.friend_offer_hours, l.share_until, l.claim_until
		from unnest($1::bigint[], $2::bigint[]) u (s, c)
		join referral.campaign_links l on l.site_id = u.s and l.campaign_id = u.c`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return fmt.Errorf("links of campaigns: %w", err)
	}
	for i := range rows {
		t := &rows[i]
		t.ShareUntil, t.ClaimUntil = instant(t.ShareUntil), instant(t.ClaimUntil)
		campaigns[key{t.SiteID, t.CampaignID}].terms = t
	}
	return nil
}

// saveTerms replaces the terms of a campaign; a campaign that the site doesn't have is a fault.
func saveTerms(ctx context.Context, tx *sqlx.Tx, now time.Time, t linkTerms) error {
	_, err := tx.ExecContext(ctx, `
		insert into referral.campaign_links (site_id, campaign_id, claim_page, gate, opt_in, expired_url, advocate_url, friend_offer_hours, share_until, claim_until, updated_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		on conflict on constraint campaign_links_pkey do update set claim_page = excluded.claim_page, gate = excluded.gate, opt_in = excluded.opt_in,
			expired_url = excluded.expired_url, advocate_url = excluded.advocate_url, friend_offer_hours = excluded.friend_offer_hours, share_until = excluded.share_until,
			claim_until = excluded.claim_until, updated_at = excluded.updated_at`,
		t.SiteID, t.CampaignID, t.ClaimPage, t.Gate, t.OptIn, t.ExpiredURL, t.AdvocateURL, t.Hours, t.ShareUntil, t.ClaimUntil, now)
	if postgres.Violates(err, "campaign_links_campaign") {
		return errNoCampaign
	}
	if err != nil {
		return fmt.Errorf("save links of a campaign: %w", err)
	}
	return nil
}

// firstTouch is when a friend offer began; nil if the site has no such friend offer.
func firstTouch(ctx context.Context, q sqlx.QueryerContext, siteID, friendOfferID int64) (*time.Time, error) {
	var at []time.Time
	err := sqlx.SelectContext(ctx, q, &at, `select first_at from referral.friend_offer where site_id = $1 and id = $2`, siteID, friendOfferID)
	if err != nil {
		return nil, fmt.Errorf("first touch of a friend offer: %w", err)
	}
	if len(at) == 0 {
		return nil, nil
	}
	return &at[0], nil
}
