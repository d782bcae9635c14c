package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

type candidateRow struct {
	N          int        `db:"n"` // which origin of the batch, from 0
	Method     string     `db:"method"`
	OfferID    int64      `db:"offer_id"`
	CampaignID int64      `db:"campaign_id"`
	AdvocateID int64      `db:"advocate_id"`
	OfferOwner string     `db:"offer_owner"` // the visitor who got the offer
	Guessed    bool       `db:"guessed"`     // the advocate is who that visitor turned out to be
	VisitorID  string     `db:"visitor_id"`
	CouponID   int64      `db:"coupon_id"`
	Channel    string     `db:"channel"`  // of the link that was come by first
	Variant    string     `db:"variant"`  // of the offer
	EndedAt    *time.Time `db:"ended_at"` // of the code
	FirstAt    *time.Time `db:"first_at"` // null: it is the purchase itself
	LastAt     *time.Time `db:"last_at"`
}

func (r candidateRow) candidate(occurred time.Time) candidate {
	c := candidate{method: r.Method, offerID: r.OfferID, campaignID: r.CampaignID, advocateID: r.AdvocateID, offerOwner: r.OfferOwner,
		visitor: r.VisitorID, couponID: r.CouponID, channel: r.Channel, variant: r.Variant,
		firstAt: occurred, lastAt: occurred, ended: r.EndedAt != nil && !r.EndedAt.After(occurred)}
	if r.FirstAt != nil && r.LastAt != nil {
		c.firstAt, c.lastAt = *r.FirstAt, *r.LastAt
	}
	return c
}

// ofOffer gives what was found, t, its campaign and its advocate. Of an offer that a visitor got that is the first person that this
// visitor turned out to be.
const ofOffer = `
		cross join lateral (
			select site_id, campaign_id, person_id, visitor_id, variant from referral.offer where site_id = t.site_id and id = t.offer_id offset 0) o`

const offerFacts = `o.campaign_id, coalesce(o.person_id, (select i.person_id from referral.identity i
				where i.site_id = o.site_id and i.visitor_id = o.visitor_id order by i.learned_at, i.person_id limit 1), 0) as advocate_id,
			coalesce(o.visitor_id::text, '') as offer_owner, o.person_id is null as guessed, o.variant`

// Joins of a batch with a big table are lateral with an "offset 0": the planner then has nothing to choose but a look-up a row, also
// before the first ANALYZE.

// farSites are those with a campaign for which earlier referrals of a friend matter, by any of its versions: which one runs is looked at later. An
// index holds them, and almost no site is there.
const farSites = `select site_id from referral.campaign_version where terms -> 'attribution' -> 'methods' ?| array['sticky_advocate', 'event_chain']`

// looksBack says which of the sites have one.
func looksBack(ctx context.Context, q sqlx.QueryerContext, sites []int64) (map[int64]bool, error) {
	var rows []int64
	err := sqlx.SelectContext(ctx, q, &rows, `select distinct s from unnest($1::bigint[]) u (s) where s in (`+farSites+`)`, pq.Array(sites))
	if err != nil {
		return nil, fmt.Errorf("sites that look at earlier referrals: %w", err)
	}
	out := map[int64]bool{}
	for _, s := range rows {
		out[s] = true
	}
	return out, nil
}

// findCandidates reads the friend offers of the batch's visitors and of the visitors that its people are known as, and the offers that
// were mailed to its people, or come by from its phone numbers and addresses. Of one visitor the last 50 count, of one person the last 50 visitors and e-mails. Who was the friend's first
// advocate, and who referred the friend before, is looked for on sites with a campaign that asks for it.
func findCandidates(ctx context.Context, q sqlx.QueryerContext, batch []deed, k kin) ([]candidateRow, error) {
	var vn, vs, pn, ps, pp, tn, ts []int64
	var vv, vm, tk, tv []string
	for n, d := range batch {
		for _, v := range d.visitors {
			vn, vs, vv, vm = append(vn, int64(n)), append(vs, d.body.SiteID), append(vv, v), append(vm, d.methodOf(v))
		}
		for kind, value := range touchesOfOrigin(d.body) {
			tn, ts, tk, tv = append(tn, int64(n)), append(ts, d.body.SiteID), append(tk, kind), append(tv, value)
		}
		if d.body.PersonID == 0 {
			continue
		}
		for _, person := range k.all(d.body.SiteID, d.body.PersonID) {
			pn, ps, pp = append(pn, int64(n)), append(ps, d.body.SiteID), append(pp, person)
		}
	}
	var out []candidateRow
	err := sqlx.SelectContext(ctx, q, &out, `
		select t.n, t.method, t.offer_id, coalesce(t.visitor_id::text, '') as visitor_id, t.first_at, t.last_at, t.channel, 0::bigint as coupon_id, `+offerFacts+`
		from (
			select u.n, u.m as method, f.site_id, f.offer_id, f.visitor_id, f.first_at, f.last_at, f.channel
			from unnest($1::bigint[], $2::bigint[], $3::uuid[], $7::text[]) u (n, s, v, m)
			cross join lateral (
				select site_id, offer_id, visitor_id, first_at, last_at, channel from referral.friend_offer
				where site_id = u.s and visitor_id = u.v order by last_at desc limit 50) f
			union all
			select u.n, 'email', f.*
			from unnest($4::bigint[], $5::bigint[], $6::bigint[]) u (n, s, p)
			cross join lateral (
				select visitor_id from referral.identity
				where site_id = u.s and person_id = u.p order by learned_at desc limit 50) i
			cross join lateral (
				select site_id, offer_id, visitor_id, first_at, last_at, channel from referral.friend_offer
				where site_id = u.s and visitor_id = i.visitor_id and not mailed order by last_at desc limit 50) f
			union all
			select u.n, 'share_email', h.site_id, h.offer_id, null, h.shared_at, h.shared_at, 'email'
			from unnest($4::bigint[], $5::bigint[], $6::bigint[]) u (n, s, p)
			cross join lateral (
				select site_id, offer_id, shared_at from referral.share
				where site_id = u.s and friend_id = u.p order by id desc limit 50) h
			union all
			select u.n, u.k, t.site_id, t.offer_id, null, t.first_at, t.last_at, ''
			from unnest($8::bigint[], $9::bigint[], $10::text[], $11::uuid[]) u (n, s, k, v)
			cross join lateral (
				select site_id, offer_id, first_at, last_at from referral.touch
				where site_id = u.s and kind = u.k and value = u.v order by last_at desc limit 50) t
			union all
			select u.n, 'sticky_advocate', o.site_id, o.id, null, r.occurred_at, r.occurred_at, ''
			from unnest($4::bigint[], $5::bigint[], $6::bigint[]) u (n, s, p)
			cross join lateral (
				select advocate_id, occurred_at from referral.referral
				where site_id = u.s and friend_id = u.p and status in ('pending', 'flagged', 'approved') order by occurred_at, id limit 1) r
			cross join lateral (
				select o.site_id, o.id
				from referral.offer o
				where o.site_id = u.s and o.person_id = r.advocate_id and exists (select from referral.campaign_version v
					where v.site_id = o.site_id and v.campaign_id = o.campaign_id and v.terms -> 'attribution' -> 'methods' ? 'sticky_advocate')) o
			where u.s in (`+farSites+`)
			union all
			select u.n, 'event_chain', r.site_id, r.offer_id, null, r.occurred_at, r.occurred_at, ''
			from unnest($4::bigint[], $5::bigint[], $6::bigint[]) u (n, s, p)
			cross join lateral (
				select distinct on (r.campaign_id) r.site_id, r.offer_id, r.occurred_at
				from referral.referral r
				where r.site_id = u.s and r.friend_id = u.p and r.status in ('pending', 'flagged', 'approved')
					and exists (select from referral.campaign_version v
						where v.site_id = r.site_id and v.campaign_id = r.campaign_id and v.terms -> 'attribution' -> 'methods' ? 'event_chain')
				order by r.campaign_id, r.occurred_at, r.id) r
			where u.s in (`+farSites+`)
		) t`+ofOffer,
		pq.Array(vn), pq.Array(vs), pq.Array(vv), pq.Array(pn), pq.Array(ps), pq.Array(pp), pq.Array(vm),
		pq.Array(tn), pq.Array(ts), pq.Array(tk), pq.Array(tv))
	if err != nil {
		return nil, fmt.Errorf("find candidates: %w", err)
	}
	return out, nil
}

// findCodes reads the offers that the orders' codes lead to: an advocate's own code, and the single-use coupon that a friend got by a
// link.
func findCodes(ctx context.Context, q sqlx.QueryerContext, batch []deed) ([]candidateRow, error) {
	var ns, sites []int64
	var codes []string
	for n, d := range batch {
		for _, code := range d.codes() {
			ns, sites, codes = append(ns, int64(n)), append(sites, d.body.SiteID), append(codes, code)
		}
	}
	if len(codes) == 0 {
		return nil, nil
	}
	var out []candidateRow
	err := sqlx.SelectContext(ctx, q, &out, `
		select t.n, 'coupon' as method, 'coupon' as channel, t.offer_id, '' as visitor_id, t.coupon_id, t.ended_at, `+offerFacts+`
		from (
			select u.n, c.site_id, c.id as coupon_id, l.offer_id,
				coalesce(c.expires_at, (select expires_at from referral.coupon_list where site_id = c.site_id and id = c.list_id)) as ended_at
			from unnest($1::bigint[], $2::bigint[], $3::text[]) u (n, s, code)
			cross join lateral (
				select site_id, id, list_id, reward_id, expires_at from referral.coupon where site_id = u.s and code = u.code offset 0) c
			cross join lateral (
				select offer_id from referral.personal_coupon where site_id = c.site_id and coupon_id = c.id
				union all
				select f.offer_id
				from referral.reward w
				join referral.friend_offer f on f.site_id = w.site_id and f.id = w.friend_offer_id
				where w.site_id = c.site_id and w.id = c.reward_id
				offset 0) l
		) t`+ofOffer, pq.Array(ns), pq.Array(sites), pq.Array(codes))
	if err != nil {
		return nil, fmt.Errorf("find codes: %w", err)
	}
	return out, nil
}

// stretch is a time in which visits to an offer are looked for.
type stretch struct {
	site, offer int64
	visitor     string
	begin, end  time.Time
}

// visitsBetween reads the first and the last visit in each stretch of time; where there is none, nothing.
func visitsBetween(ctx context.Context, q sqlx.QueryerContext, list []stretch) ([][]time.Time, error) {
	if len(list) == 0 {
		return nil, nil
	}
	n := len(list)
	sites, offers, visitors := make([]int64, n), make([]int64, n), make([]string, n)
	begin, end := make([]time.Time, n), make([]time.Time, n)
	for i, s := range list {
		sites[i], offers[i], visitors[i], begin[i], end[i] = s.site, s.offer, s.visitor, s.begin, s.end
	}
	var rows []struct {
		N     int       `db:"n"`
		First time.Time `db:"first"`
		Last  time.Time `db:"last"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select u.n, v.first, v.last
		from unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::timestamptz[]) with ordinality u (s, o, v, "from", "to", n)
		cross join lateral (
			select min(visited_at) as first, max(visited_at) as last from referral.visit
			where site_id = u.s and visitor_id = u.v and visited_at between u."from" and u."to" and offer_id = u.o and live) v
		where v.first is not null`, pq.Array(sites), pq.Array(offers), pq.Array(visitors), timestamps(begin), timestamps(end))
	if err != nil {
		return nil, fmt.Errorf("visits between: %w", err)
	}
	out := make([][]time.Time, n)
	for _, r := range rows {
		out[r.N-1] = []time.Time{r.First, r.Last}
	}
	return out, nil
}
