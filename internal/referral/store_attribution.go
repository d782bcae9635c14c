package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// seen is a visitor whom a person was seen as.
type seen struct {
	site    int64
	visitor string
	person  int64
}

// learn writes which visitors people were seen as, and returns what wasn't known before.
func learn(ctx context.Context, tx *sqlx.Tx, now time.Time, list []seen) (map[seen]bool, error) {
	n := len(list)
	if n == 0 {
		return nil, nil
	}
	sites, visitors, people := make([]int64, n), make([]string, n), make([]int64, n)
	for i, s := range list {
		sites[i], visitors[i], people[i] = s.site, s.visitor, s.person
	}
	var rows []seenRow
	err := tx.SelectContext(ctx, &rows, `
		insert into referral.identity as i (site_id, visitor_id, person_id, learned_at)
		select distinct s, v, p, $4::timestamptz from unnest($1::bigint[], $2::uuid[], $3::bigint[]) u (s, v, p)
		order by 1, 2, 3
		on conflict (site_id, visitor_id, person_id) do nothing
		returning i.site_id, i.visitor_id, i.person_id`, pq.Array(sites), pq.Array(visitors), pq.Array(people), now)
	if err != nil {
		return nil, fmt.Errorf("learn identities: %w", err)
	}
	return pairs(rows), nil
}

type seenRow struct {
	SiteID    int64  `db:"site_id"`
	VisitorID string `db:"visitor_id"`
	PersonID  int64  `db:"person_id"`
}

func pairs(rows []seenRow) map[seen]bool {
	out := map[seen]bool{}
	for _, r := range rows {
		out[seen{r.SiteID, r.VisitorID, r.PersonID}] = true
	}
	return out
}

// known returns those of the pairs that have been learned.
func known(ctx context.Context, q sqlx.QueryerContext, list []seen) (map[seen]bool, error) {
	if len(list) == 0 {
		return nil, nil
	}
	sites, visitors, people := make([]int64, len(list)), make([]string, len(list)), make([]int64, len(list))
	for i, p := range list {
		sites[i], visitors[i], people[i] = p.site, p.visitor, p.person
	}
	var rows []seenRow
	err := sqlx.SelectContext(ctx, q, &rows, `
		select u.s as site_id, u.v as visitor_id, u.p as person_id
		from unnest($1::bigint[], $2::uuid[], $3::bigint[]) u (s, v, p)
		cross join lateral (
			select from referral.identity i where i.site_id = u.s and i.visitor_id = u.v and i.person_id = u.p offset 0) i`,
		pq.Array(sites), pq.Array(visitors), pq.Array(people))
	if err != nil {
		return nil, fmt.Errorf("known identities: %w", err)
	}
	return pairs(rows), nil
}

// past is what is known of an origin before it is decided.
type past struct {
	decided   bool    // it was, before
	campaigns []int64 // of which its person had an offer before its date, the first ones
}

// pastOf looks up the past of origins. k says who else their people are.
func pastOf(ctx context.Context, q sqlx.QueryerContext, deeds []deed, k kin) (map[key]past, error) {
	var sites, origins, buyerSites, bought, buyers []int64
	var at []time.Time
	for _, d := range deeds {
		sites, origins = append(sites, d.body.SiteID), append(origins, d.body.OriginID)
		if d.body.PersonID == 0 || d.body.Type != customerevent.Purchase {
			continue
		}
		for _, person := range k.all(d.body.SiteID, d.body.PersonID) {
			buyerSites, bought, buyers, at = append(buyerSites, d.body.SiteID), append(bought, d.body.OriginID), append(buyers, person), append(at, d.body.OccurredAt)
		}
	}
	var rows []struct {
		SiteID     int64  `db:"site_id"`
		OriginID   int64  `db:"origin_id"`
		CampaignID *int64 `db:"campaign_id"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select u.s as site_id, u.o as origin_id, null::bigint as campaign_id
		from unnest($1::bigint[], $2::bigint[]) u (s, o)
		cross join lateral (select from referral.attribution a where a.site_id = u.s and a.origin_id = u.o offset 0) a
		union all
		select u.s, u.o, f.campaign_id
		from unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[]) u (s, o, p, t)
		cross join lateral (
			select campaign_id from referral.offer
			where site_id = u.s and person_id = u.p and created_at < u.t order by created_at limit 20) f`,
		pq.Array(sites), pq.Array(origins), pq.Array(buyerSites), pq.Array(bought), pq.Array(buyers), timestamps(at))
	if err != nil {
		return nil, fmt.Errorf("past of origins: %w", err)
	}
	out := map[key]past{}
	for _, r := range rows {
		p := out[key{r.SiteID, r.OriginID}]
		if r.CampaignID == nil {
			p.decided = true
		} else {
			p.campaigns = append(p.campaigns, *r.CampaignID)
		}
		out[key{r.SiteID, r.OriginID}] = p
	}
	return out, nil
}

// friendKey is what an active referral is unique by.
type friendKey struct{ site, campaign, friend int64 }

// alreadyReferred returns those of the friends who have an active referral in the campaign.
func alreadyReferred(ctx context.Context, q sqlx.QueryerContext, keys []friendKey) (map[friendKey]bool, error) {
	out := map[friendKey]bool{}
	if len(keys) == 0 {
		return out, nil
	}
	sites, campaigns, friends := make([]int64, len(keys)), make([]int64, len(keys)), make([]int64, len(keys))
	for i, k := range keys {
		sites[i], campaigns[i], friends[i] = k.site, k.campaign, k.friend
	}
	var rows []struct {
		SiteID     int64 `db:"site_id"`
		CampaignID int64 `db:"campaign_id"`
		FriendID   int64 `db:"friend_id"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select u.s as site_id, u.c as campaign_id, u.f as friend_id
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, c, f)
		cross join lateral (
			select from referral.referral r where r.site_id = u.s and r.friend_id = u.f and r.campaign_id = u.c
				and r.status in ('pending', 'flagged', 'approved') offset 0) r`, pq.Array(sites), pq.Array(campaigns), pq.Array(friends))
	if err != nil {
		return nil, fmt.Errorf("referred friends: %w", err)
	}
	for _, r := range rows {
		out[friendKey{r.SiteID, r.CampaignID, r.FriendID}] = true
	}
	return out, nil
}

// attributionRow is a decision as it is kept.
type attributionRow struct {
	SiteID     int64     `db:"site_id"`
	OriginID   int64     `db:"origin_id"`
	PersonID   int64     `db:"person_id"`
	Outcome    string    `db:"outcome"`
	Reason     string    `db:"reason"`
	Method     string    `db:"method"`
	OfferID    *int64    `db:"offer_id"`
	ReferralID *int64    `db:"referral_id"`
	Trace      string    `db:"trace"`
	OccurredAt time.Time `db:"occurred_at"`
	DecidedAt  time.Time `db:"decided_at"`
}

func insertAttributions(ctx context.Context, tx *sqlx.Tx, now time.Time, rows []attributionRow) error {
	n := len(rows)
	sites, origins, people, offers, referrals := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	outcomes, reasons, methods, traces := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	at := make([]time.Time, n)
	for i, r := range rows {
		sites[i], origins[i], people[i], offers[i], referrals[i] = r.SiteID, r.OriginID, r.PersonID, deref(r.OfferID), deref(r.ReferralID)
		outcomes[i], reasons[i], methods[i], traces[i], at[i] = r.Outcome, r.Reason, r.Method, r.Trace, r.OccurredAt
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.attribution (site_id, origin_id, person_id, outcome, reason, method, offer_id, referral_id, trace,
			occurred_at, decided_at)
		select s, o, p, outcome, reason, method, nullif(offer, 0), nullif(referral, 0), trace::jsonb, at, $11
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
			$9::text[], $10::timestamptz[]) u (s, o, p, outcome, reason, method, offer, referral, trace, at)`,
		pq.Array(sites), pq.Array(origins), pq.Array(people), pq.Array(outcomes), pq.Array(reasons), pq.Array(methods),
		pq.Array(offers), pq.Array(referrals), pq.Array(traces), timestamps(at), now)
	if err != nil {
		return fmt.Errorf("insert attributions: %w", err)
	}
	return nil
}

// attributionOf reads the decision about an origin; nil while there is none.
func attributionOf(ctx context.Context, q sqlx.QueryerContext, siteID, originID int64) (*attributionRow, error) {
	var out []attributionRow
	err := sqlx.SelectContext(ctx, q, &out, `
		select site_id, origin_id, person_id, outcome, reason, method, offer_id, referral_id, trace, occurred_at, decided_at
		from referral.attribution where site_id = $1 and origin_id = $2`, siteID, originID)
	if err != nil {
		return nil, fmt.Errorf("read attribution: %w", err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return &out[0], nil
}

// dropAttributions drops so many old decisions that made no referral.
func dropAttributions(ctx context.Context, q sqlx.QueryerContext, before time.Time, most int) (n int64, err error) {
	if err = sqlx.GetContext(ctx, q, &n, `select referral.drop_attributions($1, $2)`, before, most); err != nil {
		return 0, fmt.Errorf("drop old attributions: %w", err)
	}
	return n, nil
}
