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

// offer is an advocate's right to share a campaign.
type offer struct {
	SiteID     int64     `db:"site_id"`
	ID         int64     `db:"id"`
	CampaignID int64     `db:"campaign_id"`
	Version    int       `db:"version"`    // of the campaign, whose incentives it promises
	Variant    string    `db:"variant"`    // "" in no experiment
	PersonID   *int64    `db:"person_id"`  // nil while only a visitor is known
	VisitorID  *string   `db:"visitor_id"` // of an offer that a visitor got
	Code       string    `db:"code"`
	ShareCode  string    `db:"share_code"`
	ClaimCode  string    `db:"claim_code"`
	CouponCode string    `db:"coupon_code"` // of the advocate's own
	CreatedAt  time.Time `db:"created_at"`
	whence
}

const offerColumns = `o.site_id, o.id, o.campaign_id, o.version, o.variant, o.person_id, o.visitor_id, o.code, o.share_code, o.claim_code, o.coupon_code, o.created_at,
	o.traffic_source, o.device_type, o.event_category`

// Kinds of link.
const (
	linkShare   = "share"
	linkClaim   = "claim"
	linkChannel = "channel"
	linkShared  = "shared" // of one share
)

// personKey and visitorKey are what an offer is unique by.
type personKey struct{ site, campaign, person int64 }

type visitorKey struct {
	site, campaign int64
	visitor        string
}

// findOffers reads the offers of people and of visitors.
func findOffers(ctx context.Context, q sqlx.QueryerContext, people []personKey, visitors []visitorKey) ([]offer, error) {
	return findIn(ctx, q, "referral.offer", offerColumns, people, visitors)
}

// findIn reads of a table of offers, or of those who are held out and have none, what is of people and of visitors.
func findIn(ctx context.Context, q sqlx.QueryerContext, table, columns string, people []personKey, visitors []visitorKey) ([]offer, error) {
	var ps, pc, pp, vs, vc []int64
	var vv []string
	for _, k := range people {
		ps, pc, pp = append(ps, k.site), append(pc, k.campaign), append(pp, k.person)
	}
	for _, k := range visitors {
		vs, vc, vv = append(vs, k.site), append(vc, k.campaign), append(vv, k.visitor)
	}
	var out []offer
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+columns+`
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, c, p)
		join `+table+` o on o.site_id = u.s and o.campaign_id = u.c and o.person_id = u.p
		union
		select `+columns+`
		from unnest($4::bigint[], $5::bigint[], $6::uuid[]) u (s, c, v)
		join `+table+` o on o.site_id = u.s and o.campaign_id = u.c and o.visitor_id = u.v`,
		pq.Array(ps), pq.Array(pc), pq.Array(pp), pq.Array(vs), pq.Array(vc), pq.Array(vv))
	if err != nil {
		return nil, fmt.Errorf("find in %s: %w", table, err)
	}
	return out, nil
}

// offerBy reads one offer by its code or, if id isn't 0, by its id; nil if the site has none.
func offerBy(ctx context.Context, q sqlx.QueryerContext, siteID, id int64, code string) (*offer, error) {
	var out []offer
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+offerColumns+` from referral.offer o
		where o.site_id = $1 and case when $2::bigint > 0 then o.id = $2 else o.code = $3 end`, siteID, id, code)
	if err != nil {
		return nil, fmt.Errorf("read offer: %w", err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return &out[0], nil
}

// byOwner is the one order in which batches write offers, and who is held out.
func byOwner(a, b offer) int {
	return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.CampaignID, b.CampaignID),
		cmp.Compare(deref(a.PersonID), deref(b.PersonID)), cmp.Compare(deref(a.VisitorID), deref(b.VisitorID)))
}

// insertOffers inserts those that nobody inserted meanwhile, and their links, and returns them.
func insertOffers(ctx context.Context, tx *sqlx.Tx, now time.Time, offers []offer) ([]offer, error) {
	slices.SortFunc(offers, byOwner)
	n := len(offers)
	sites, campaigns, versions, people := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	visitors, codes, shares, claims, variants := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	sources, devices, categories := make([]string, n), make([]string, n), make([]string, n)
	for i, o := range offers {
		sites[i], campaigns[i], versions[i], people[i], visitors[i] = o.SiteID, o.CampaignID, int64(o.Version), deref(o.PersonID), deref(o.VisitorID)
		sources[i], devices[i], categories[i] = o.TrafficSource, o.DeviceType, o.EventCategory
		codes[i], shares[i], claims[i], variants[i] = newCode(), newCode(), newCode(), o.Variant
	}
	var out []offer
	err := tx.SelectContext(ctx, &out, `
		with o as (
			insert into referral.offer as o (site_id, campaign_id, version, variant, person_id, visitor_id, code, share_code, claim_code, created_at,
				traffic_source, device_type, event_category)
			select s, c, version, variant, nullif(p, 0), nullif(v, '')::uuid, code, share, claim, $8, source, device, category
			from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $9::bigint[], $10::text[],
					$11::text[], $12::text[], $13::text[])
				with ordinality u (s, c, p, v, code, share, claim, version, variant, source, device, category, n)
			order by n
			on conflict do nothing
			returning `+offerColumns+`
		), links as (
			insert into referral.link (site_id, code, offer_id, kind, channel, created_at)
			select site_id, share_code, id, 'share', '', created_at from o
			union all
			select site_id, claim_code, id, 'claim', '', created_at from o
		)
		select `+offerColumns+` from o`,
		pq.Array(sites), pq.Array(campaigns), pq.Array(people), pq.Array(visitors), pq.Array(codes), pq.Array(shares), pq.Array(claims), now, pq.Array(versions), pq.Array(variants),
		pq.Array(sources), pq.Array(devices), pq.Array(categories))
	if err != nil {
		return nil, fmt.Errorf("insert offers: %w", err)
	}
	return out, nil
}

// adoptOffers gives visitors' offers to the people that they turned out to be, and returns those that were still free.
func adoptOffers(ctx context.Context, tx *sqlx.Tx, offers []offer) ([]offer, error) {
	return adoptIn(ctx, tx, "referral.offer", offerColumns, offers)
}

// adoptIn does so in a table of offers, or of those who are held out.
func adoptIn(ctx context.Context, tx *sqlx.Tx, table, columns string, list []offer) ([]offer, error) {
	slices.SortFunc(list, func(a, b offer) int { return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.ID, b.ID)) })
	var sites, ids, people []int64
	for _, o := range list {
		sites, ids, people = append(sites, o.SiteID), append(ids, o.ID), append(people, *o.PersonID)
	}
	var out []offer
	err := tx.SelectContext(ctx, &out, `
		update `+table+` o set person_id = u.p
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, i, p)
		where o.site_id = u.s and o.id = u.i and o.person_id is null
		returning `+columns, pq.Array(sites), pq.Array(ids), pq.Array(people))
	if err != nil {
		return nil, fmt.Errorf("adopt in %s: %w", table, err)
	}
	return out, nil
}

// channelLink is one claim link of an offer for a sharing channel.
type channelLink struct {
	SiteID  int64  `db:"site_id"`
	OfferID int64  `db:"offer_id"`
	Channel string `db:"channel"`
	Code    string `db:"code"`
}

// findChannelLinks reads the links that are there already.
func findChannelLinks(ctx context.Context, q sqlx.QueryerContext, want []channelLink) ([]channelLink, error) {
	var sites, offers []int64
	var channels []string
	for _, w := range want {
		sites, offers, channels = append(sites, w.SiteID), append(offers, w.OfferID), append(channels, w.Channel)
	}
	var out []channelLink
	err := sqlx.SelectContext(ctx, q, &out, `
		select l.site_id, l.offer_id, l.channel, l.code
		from unnest($1::bigint[], $2::bigint[], $3::text[]) u (s, o, c)
		join referral.link l on l.site_id = u.s and l.offer_id = u.o and l.kind = 'channel' and l.channel = u.c`,
		pq.Array(sites), pq.Array(offers), pq.Array(channels))
	if err != nil {
		return nil, fmt.Errorf("find channel links: %w", err)
	}
	return out, nil
}

// insertChannelLinks makes the links that nobody made meanwhile.
func insertChannelLinks(ctx context.Context, tx *sqlx.Tx, now time.Time, want []channelLink) error {
	slices.SortFunc(want, func(a, b channelLink) int {
		return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.OfferID, b.OfferID), cmp.Compare(a.Channel, b.Channel))
	})
	var sites, offers []int64
	var channels, codes []string
	for _, w := range want {
		sites, offers = append(sites, w.SiteID), append(offers, w.OfferID)
		channels, codes = append(channels, w.Channel), append(codes, newCode())
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.link (site_id, code, offer_id, kind, channel, created_at)
		select s, code, o, 'channel', c, $5
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) with ordinality u (s, o, c, code, n)
		order by n
		on conflict (site_id, offer_id, kind, channel) where kind <> 'shared' do nothing`,
		pq.Array(sites), pq.Array(offers), pq.Array(channels), pq.Array(codes), now)
	if err != nil {
		return fmt.Errorf("insert channel links: %w", err)
	}
	return nil
}

// keptAnswer reads the answer of an Idempotency-Key; false while there is none.
func keptAnswer(ctx context.Context, q sqlx.QueryerContext, siteID int64, key, fingerprint string) ([]byte, bool, error) {
	var out []string
	err := sqlx.SelectContext(ctx, q, &out, `
		select answer from referral.idempotency where site_id = $1 and key = $2 and fingerprint = $3 and answer is not null`,
		siteID, key, fingerprint)
	if err != nil || len(out) == 0 {
		return nil, false, err
	}
	return []byte(out[0]), true, nil
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
