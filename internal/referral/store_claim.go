package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

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

// claimFriendOffers finds or makes friend offers that weren't opened by a link; they are touched now. They come back in their order, which
// is that of all who write friend offers, and each once.
func claimFriendOffers(ctx context.Context, tx *sqlx.Tx, now time.Time, list []friendOffer) ([]friendOffer, error) {
	slices.SortFunc(list, friendOffer.compare)
	n := len(list)
	sites, offers, campaigns, visitors := make([]int64, n), make([]int64, n), make([]int64, n), make([]string, n)
	for i, f := range list {
		sites[i], offers[i], campaigns[i], visitors[i] = f.SiteID, f.OfferID, f.CampaignID, f.VisitorID
	}
	var out []friendOffer
	err := tx.SelectContext(ctx, &out, `
		insert into referral.friend_offer as f (site_id, offer_id, campaign_id, visitor_id, visits, first_at, last_at)
		select s, o, c, v, 0, $5::timestamptz, $5 from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[]) with ordinality u (s, o, c, v, n)
		order by n
		on conflict (site_id, visitor_id, offer_id) do update set last_at = greatest(f.last_at, excluded.last_at), mailed = false
		returning f.site_id, f.id, f.offer_id, f.campaign_id, f.visitor_id, f.visits`,
		pq.Array(sites), pq.Array(offers), pq.Array(campaigns), pq.Array(visitors), now)
	if err != nil {
		return nil, fmt.Errorf("claim friend offers: %w", err)
	}
	return out, nil
}

// mailFriendOffers makes the friend offers of people whom an offer was mailed to, whose hours begin now. Who came by it before has one.
func mailFriendOffers(ctx context.Context, tx *sqlx.Tx, now time.Time, o *offer, friends []int64) error {
	visitors := make([]string, len(friends))
	for i, f := range friends {
		visitors[i] = visitorOfPerson(o.SiteID, f)
	}
	slices.Sort(visitors)
	_, err := tx.ExecContext(ctx, `
		insert into referral.friend_offer (site_id, offer_id, campaign_id, visitor_id, visits, first_at, last_at, channel, mailed)
		select $1, $2, $3, v, 0, $5::timestamptz, $5, 'email', true from unnest($4::uuid[]) with ordinality u (v, n)
		order by n
		on conflict (site_id, visitor_id, offer_id) do nothing`, o.SiteID, o.ID, o.CampaignID, pq.Array(visitors), now)
	if err != nil {
		return fmt.Errorf("make mailed friend offers: %w", err)
	}
	return nil
}

// compare orders friend offers as visits do.
func (f friendOffer) compare(o friendOffer) int {
	return cmp.Or(cmp.Compare(f.SiteID, o.SiteID), cmp.Compare(f.OfferID, o.OfferID), strings.Compare(f.VisitorID, o.VisitorID))
}

// insertClaims writes claims, each of another friend or offer, and returns those that are new: of the others the friend had claimed the
// offer before.
func insertClaims(ctx context.Context, tx *sqlx.Tx, list []referralevent.OfferClaimed) (map[claimedKey]bool, error) {
	slices.SortFunc(list, func(a, b referralevent.OfferClaimed) int {
		return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.OfferID, b.OfferID), cmp.Compare(a.FriendID, b.FriendID))
	})
	n := len(list)
	numbers, reasons, at := make([][]int64, 6), make([]string, n), make([]time.Time, n)
	for i := range numbers {
		numbers[i] = make([]int64, n)
	}
	for i, c := range list {
		for col, v := range []int64{c.SiteID, c.OfferID, c.FriendID, c.CampaignID, c.AdvocateID, c.FriendOfferID} {
			numbers[col][i] = v
		}
		reasons[i], at[i] = c.Reason, c.ClaimedAt
	}
	var rows []struct {
		SiteID   int64 `db:"site_id"`
		OfferID  int64 `db:"offer_id"`
		FriendID int64 `db:"friend_id"`
	}
	err := tx.SelectContext(ctx, &rows, `
		insert into referral.offer_claim (site_id, offer_id, friend_id, campaign_id, advocate_id, friend_offer_id, reason, claimed_at)
		select s, o, f, c, a, nullif(fo, 0), reason, at
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::timestamptz[])
			with ordinality u (s, o, f, c, a, fo, reason, at, n)
		order by n
		on conflict on constraint offer_claim_pkey do nothing
		returning site_id, offer_id, friend_id`, pq.Array(numbers[0]), pq.Array(numbers[1]), pq.Array(numbers[2]), pq.Array(numbers[3]),
		pq.Array(numbers[4]), pq.Array(numbers[5]), pq.Array(reasons), timestamps(at))
	if err != nil {
		return nil, fmt.Errorf("insert claims: %w", err)
	}
	out := map[claimedKey]bool{}
	for _, r := range rows {
		out[claimedKey{site: r.SiteID, offer: r.OfferID, friend: r.FriendID}] = true
	}
	return out, nil
}

// rewardsOfFriendOffer reads what a friend offer earned.
func rewardsOfFriendOffer(ctx context.Context, q sqlx.QueryerContext, siteID, friendOfferID int64) ([]reward, error) {
	out, err := rewardsOfFriendOffers(ctx, q, []key{{siteID, friendOfferID}})
	return out[key{siteID, friendOfferID}], err
}

// rewardsOfFriendOffers reads what friend offers earned.
func rewardsOfFriendOffers(ctx context.Context, q sqlx.QueryerContext, list []key) (map[key][]reward, error) {
	sites, ids := split(list)
	var rows []reward
	err := sqlx.SelectContext(ctx, q, &rows, `
		select `+rewardColumns+`
		from unnest($1::bigint[], $2::bigint[]) u (s, i)
		join referral.reward w on w.site_id = u.s and w.friend_offer_id = u.i
		order by w.site_id, w.id`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("rewards of friend offers: %w", err)
	}
	if rows, err = withCoupons(ctx, q, rows); err != nil {
		return nil, err
	}
	out := map[key][]reward{}
	for _, w := range rows {
		k := key{w.SiteID, *w.FriendOfferID}
		out[k] = append(out[k], w)
	}
	return out, nil
}

// insertPageClaims keeps what browsers did, each with another offer. What earned something stays.
func insertPageClaims(ctx context.Context, tx *sqlx.Tx, now time.Time, list []pageClaim) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b pageClaim) int {
		x, y := a.Landing, b.Landing
		return cmp.Or(cmp.Compare(x.SiteID, y.SiteID), cmp.Compare(x.OfferID, y.OfferID), strings.Compare(x.Visitor, y.Visitor))
	})
	n := len(list)
	numbers, texts, optedIn := make([][]int64, 5), make([][]string, 3), make([]bool, n)
	for i := range numbers {
		numbers[i] = make([]int64, n)
	}
	for i := range texts {
		texts[i] = make([]string, n)
	}
	for i, c := range list {
		for col, v := range []int64{c.Landing.SiteID, c.Landing.OfferID, c.Landing.CampaignID, c.FriendID, c.friendOffer} {
			numbers[col][i] = v
		}
		texts[0][i], texts[1][i], texts[2][i], optedIn[i] = c.Landing.Visitor, c.IP, c.Device, c.OptedIn
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.page_claim as p (site_id, offer_id, visitor_id, campaign_id, friend_id, friend_offer_id, opted_in, ip, device, claimed_at)
		select s, o, v, c, f, nullif(fo, 0), opted_in, ip, device, $10
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::uuid[], $7::text[], $8::text[], $9::boolean[])
			with ordinality u (s, o, c, f, fo, v, ip, device, opted_in, n)
		order by n
		on conflict on constraint page_claim_pkey do update set friend_id = excluded.friend_id, friend_offer_id = excluded.friend_offer_id,
			opted_in = excluded.opted_in, ip = excluded.ip, device = excluded.device, claimed_at = excluded.claimed_at
		where p.friend_offer_id is null`, pq.Array(numbers[0]), pq.Array(numbers[1]), pq.Array(numbers[2]), pq.Array(numbers[3]), pq.Array(numbers[4]),
		pq.Array(texts[0]), pq.Array(texts[1]), pq.Array(texts[2]), pq.Array(optedIn), now)
	if err != nil {
		return fmt.Errorf("keep claims of pages: %w", err)
	}
	return nil
}
