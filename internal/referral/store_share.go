package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// share is one sharing of an offer.
type share struct {
	SiteID     int64     `db:"site_id"`
	ID         int64     `db:"id"`
	OfferID    int64     `db:"offer_id"`
	CampaignID int64     `db:"campaign_id"`
	Kind       string    `db:"kind"`
	Channel    string    `db:"channel"`
	Code       string    `db:"code"`
	FriendID   *int64    `db:"friend_id"` // of an e-mail
	Slot       *int64    `db:"slot"`      // of an e-mail: the how-manieth of its offer
	Reminder   bool      `db:"reminder"`
	SharedAt   time.Time `db:"shared_at"`
	Friends    int64     `db:"friends"` // where they were counted
	Clicks     int64     `db:"clicks"`
}

// lockOffer holds the offer until the transaction ends, brings its owner up to date, and says how often it was shared: 0, 1, or 2 for more.
func lockOffer(ctx context.Context, tx *sqlx.Tx, o *offer) (shared int, err error) {
	k := key{o.SiteID, o.ID}
	locked, counts, err := lockOffers(ctx, tx, []key{k})
	if err != nil {
		return 0, err
	}
	*o = *locked[k]
	return counts[k], nil
}

// lockOffers holds offers until the transaction ends, in one order, and says how often each was shared: 0, 1, or 2 for more.
func lockOffers(ctx context.Context, tx *sqlx.Tx, keys []key) (map[key]*offer, map[key]int, error) {
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.id, b.id)) })
	keys = slices.Compact(keys)
	sites, ids := split(keys)
	var rows []offer
	err := tx.SelectContext(ctx, &rows, `
		select `+offerColumns+`
		from unnest($1::bigint[], $2::bigint[]) u (s, i)
		join referral.offer o on o.site_id = u.s and o.id = u.i
		order by o.site_id, o.id
		for no key update of o`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, nil, fmt.Errorf("lock offers: %w", err)
	}
	if len(rows) < len(keys) {
		return nil, nil, fmt.Errorf("lock offers: %d of %d are there", len(rows), len(keys))
	}
	var counts []int
	err = tx.SelectContext(ctx, &counts, `
		select (select count(*) from (select from referral.share where site_id = u.s and offer_id = u.i limit 2) h)
		from unnest($1::bigint[], $2::bigint[]) with ordinality u (s, i, n)
		order by u.n`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, nil, fmt.Errorf("count shares of offers: %w", err)
	}
	locked, shared := map[key]*offer{}, map[key]int{}
	for i, k := range keys {
		locked[k], shared[k] = &rows[i], counts[i]
	}
	return locked, shared, nil
}

// insertShares writes shares and their links, and gives them their ids and codes.
func insertShares(ctx context.Context, tx *sqlx.Tx, now time.Time, list []share) error {
	n := len(list)
	sites, offers, campaigns, friends, slots := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	kinds, channels, codes, reminders := make([]string, n), make([]string, n), make([]string, n), make([]bool, n)
	for i := range list {
		h := &list[i]
		h.Code, h.SharedAt = newCode(), now
		sites[i], offers[i], campaigns[i], friends[i], slots[i] = h.SiteID, h.OfferID, h.CampaignID, deref(h.FriendID), deref(h.Slot)
		kinds[i], channels[i], codes[i], reminders[i] = h.Kind, h.Channel, h.Code, h.Reminder
	}
	var made []share
	err := tx.SelectContext(ctx, &made, `
		with made as (
			insert into referral.share (site_id, offer_id, campaign_id, kind, channel, code, friend_id, slot, reminder, shared_at)
			select s, o, c, kind, channel, code, nullif(friend, 0), nullif(slot, 0), reminder, $10
			from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::boolean[])
				with ordinality u (s, o, c, kind, channel, code, friend, slot, reminder, n)
			order by n
			returning site_id, id, offer_id, channel, code
		), links as (
			insert into referral.link (site_id, code, offer_id, kind, channel, created_at)
			select site_id, code, offer_id, 'shared', channel, $10 from made
		)
		select id, code from made`,
		pq.Array(sites), pq.Array(offers), pq.Array(campaigns), pq.Array(kinds), pq.Array(channels), pq.Array(codes), pq.Array(friends),
		pq.Array(slots), pq.Array(reminders), now)
	if err != nil {
		return fmt.Errorf("insert shares: %w", err)
	}
	ids := map[string]int64{}
	for _, h := range made {
		ids[h.Code] = h.ID
	}
	for i := range list {
		list[i].ID = ids[list[i].Code]
	}
	return nil
}

// mailed reads whom an offer was mailed to.
func mailed(ctx context.Context, q sqlx.QueryerContext, siteID, offerID int64) (map[int64]bool, error) {
	var friends []int64
	err := sqlx.SelectContext(ctx, q, &friends, `
		select friend_id from referral.share where site_id = $1 and offer_id = $2 and friend_id is not null`, siteID, offerID)
	if err != nil {
		return nil, fmt.Errorf("whom an offer was mailed to: %w", err)
	}
	out := map[int64]bool{}
	for _, f := range friends {
		out[f] = true
	}
	return out, nil
}

// sharesBy reads the newest shares of an advocate's offers that are older than before, and who came by them.
func sharesBy(ctx context.Context, q sqlx.QueryerContext, siteID int64, people []int64, before int64, limit int) ([]share, error) {
	var out []share
	err := sqlx.SelectContext(ctx, q, &out, `
		select h.*, coalesce(k.friends, 0) as friends, coalesce(k.clicks, 0) as clicks
		from (
			select h.site_id, h.id, h.offer_id, h.campaign_id, h.kind, h.channel, h.code, h.friend_id, h.slot, h.reminder, h.shared_at
			from referral.offer o
			join referral.share h on h.site_id = o.site_id and h.offer_id = o.id
			where o.site_id = $1 and o.person_id = any ($2) and h.id < $3
			order by h.id desc
			limit $4
		) h
		cross join lateral (
			select count(*) filter (where friend) as friends, sum(clicks)::bigint as clicks
			from referral.share_click where site_id = h.site_id and share_id = h.id) k
		order by h.id desc`, siteID, pq.Array(people), before, limit)
	if err != nil {
		return nil, fmt.Errorf("shares of a person: %w", err)
	}
	return out, nil
}

// offersByID reads offers of several sites.
func offersByID(ctx context.Context, q sqlx.QueryerContext, sites, ids []int64) (map[key]*offer, error) {
	out := map[key]*offer{}
	if len(ids) == 0 {
		return out, nil
	}
	var rows []offer
	err := sqlx.SelectContext(ctx, q, &rows, `
		select distinct `+offerColumns+`
		from unnest($1::bigint[], $2::bigint[]) u (s, i)
		join referral.offer o on o.site_id = u.s and o.id = u.i`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("offers by id: %w", err)
	}
	for i := range rows {
		out[key{rows[i].SiteID, rows[i].ID}] = &rows[i]
	}
	return out, nil
}

// click is a visitor's coming by the link of a share.
type click struct {
	site          int64
	code, visitor string
	clicks        int64
	friend        bool
}

// insertClicks counts clicks; each share and visitor comes once.
func insertClicks(ctx context.Context, tx *sqlx.Tx, now time.Time, list []click) error {
	slices.SortFunc(list, func(a, b click) int { // one lock order for all batches
		return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.code, b.code), cmp.Compare(a.visitor, b.visitor))
	})
	n := len(list)
	sites, codes, visitors, clicks, friends := make([]int64, n), make([]string, n), make([]string, n), make([]int64, n), make([]bool, n)
	for i, c := range list {
		sites[i], codes[i], visitors[i], clicks[i], friends[i] = c.site, c.code, c.visitor, c.clicks, c.friend
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.share_click as k (site_id, share_id, visitor_id, clicks, friend, first_at, last_at)
		select u.s, h.id, u.v, u.clicks, u.friend, $6, $6
		from unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[], $5::boolean[]) with ordinality u (s, code, v, clicks, friend, n)
		cross join lateral (select id from referral.share where site_id = u.s and code = u.code offset 0) h
		order by u.n
		on conflict (site_id, share_id, visitor_id) do update set clicks = k.clicks + excluded.clicks, friend = k.friend or excluded.friend,
			last_at = greatest(k.last_at, excluded.last_at)`,
		pq.Array(sites), pq.Array(codes), pq.Array(visitors), pq.Array(clicks), pq.Array(friends), now)
	if err != nil {
		return fmt.Errorf("count clicks of shares: %w", err)
	}
	return nil
}

type channelCount struct {
	Channel string `db:"channel"`
	Count   int64  `db:"count"`
}

// sharesByChannel counts the shares of an advocate's offers.
func sharesByChannel(ctx context.Context, q sqlx.QueryerContext, siteID, advocateID int64) ([]channelCount, error) {
	var out []channelCount
	err := sqlx.SelectContext(ctx, q, &out, `
		select h.channel, count(*) as count
		from referral.offer o
		join referral.share h on h.site_id = o.site_id and h.offer_id = o.id
		where o.site_id = $1 and o.person_id = $2
		group by h.channel`, siteID, advocateID)
	if err != nil {
		return nil, fmt.Errorf("shares by channel: %w", err)
	}
	return out, nil
}

// keyKnown says whether an Idempotency-Key was used, for whatever request.
func keyKnown(ctx context.Context, q sqlx.QueryerContext, siteID int64, value string) (known bool, err error) {
	err = sqlx.GetContext(ctx, q, &known, `
		select exists (select from referral.idempotency where site_id = $1 and key = $2)`, siteID, value)
	if err != nil {
		return false, fmt.Errorf("look for an idempotency key: %w", err)
	}
	return known, nil
}
