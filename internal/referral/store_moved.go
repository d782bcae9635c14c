package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// movedBefore reads which of another's numbers were taken in.
func movedBefore(ctx context.Context, q sqlx.QueryerContext, siteID int64, source, kind string, numbers []string) (map[string]movedRow, error) {
	var rows []movedRow
	err := sqlx.SelectContext(ctx, q, &rows, `
		select number, subject_id, digest from referral.moved
		where site_id = $1 and source = $2 and kind = $3 and number = any ($4::text[])`, siteID, source, kind, pq.Array(numbers))
	if err != nil {
		return nil, fmt.Errorf("read what moved: %w", err)
	}
	out := make(map[string]movedRow, len(rows))
	for _, r := range rows {
		out[r.Number] = r
	}
	return out, nil
}

// insertMoved keeps which numbers were taken in. One that another transaction took in violates moved_pkey.
func insertMoved(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID int64, source, kind string, rows []movedRow) error {
	numbers, subjects, digests := make([]string, len(rows)), make([]int64, len(rows)), make([]string, len(rows))
	for i, r := range rows {
		numbers[i], subjects[i], digests[i] = r.Number, r.SubjectID, r.Digest
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.moved (site_id, source, kind, number, subject_id, digest, at)
		select $1, $2, $3, n, s, d, $7 from unnest($4::text[], $5::bigint[], $6::text[]) u (n, s, d) order by n`,
		siteID, source, kind, pq.Array(numbers), pq.Array(subjects), pq.Array(digests), now)
	if err != nil {
		return fmt.Errorf("keep what moved: %w", err)
	}
	return nil
}

// oldLink is an address of elsewhere.
type oldLink struct {
	Host    string `db:"host"`
	Path    string `db:"path"`
	SiteID  int64  `db:"site_id"`
	OfferID int64  `db:"offer_id"`
}

type address struct{ host, path string }

func splitLinks(list []oldLink) (hosts, paths []string, offers []int64) {
	for _, l := range list {
		hosts, paths, offers = append(hosts, l.Host), append(paths, l.Path), append(offers, l.OfferID)
	}
	return hosts, paths, offers
}

// insertOldLinks writes addresses that nobody has, and returns all of them as they are now.
func insertOldLinks(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID int64, source string, list []oldLink) (made map[address]bool, after map[address]oldLink, err error) {
	hosts, paths, offers := splitLinks(list)
	var fresh, all []oldLink
	err = tx.SelectContext(ctx, &fresh, `
		insert into referral.old_link as l (site_id, host, path, offer_id, source, taken_at)
		select $1, h, p, o, $2, $3 from unnest($4::text[], $5::text[], $6::bigint[]) with ordinality u (h, p, o, n) order by h, p, n
		on conflict on constraint old_link_pkey do nothing
		returning l.host, l.path, l.site_id, l.offer_id`, siteID, source, now, pq.Array(hosts), pq.Array(paths), pq.Array(offers))
	if err != nil {
		return nil, nil, fmt.Errorf("insert old links: %w", err)
	}
	err = tx.SelectContext(ctx, &all, `
		select l.host, l.path, l.site_id, l.offer_id from unnest($1::text[], $2::text[]) u (h, p)
		join referral.old_link l on l.host = u.h and l.path = u.p`, pq.Array(hosts), pq.Array(paths))
	if err != nil {
		return nil, nil, fmt.Errorf("read old links: %w", err)
	}
	made, after = map[address]bool{}, map[address]oldLink{}
	for _, l := range fresh {
		made[address{l.Host, l.Path}] = true
	}
	for _, l := range all {
		after[address{l.Host, l.Path}] = l
	}
	return made, after, nil
}

// claimOfOldLink is the claim code that an old address leads to; "": none, or it isn't sure which. Where anyHost, the path alone says whose it was.
func claimOfOldLink(ctx context.Context, q sqlx.QueryerContext, host, path, folded string, anyHost bool) (string, error) {
	var rows []struct {
		Claim string `db:"claim_code"`
		Own   bool   `db:"own"`
		Exact bool   `db:"exact"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select o.claim_code, l.host = $1 as own, l.path = $2 as exact
		from referral.old_link l
		join referral.offer o on o.site_id = l.site_id and o.id = l.offer_id
		where l.path in ($2, $3) and ($4 or l.host = $1)
		order by own desc, exact desc
		limit 2`, host, path, folded, anyHost)
	if err != nil {
		return "", fmt.Errorf("find an old link: %w", err)
	}
	if len(rows) == 0 || len(rows) > 1 && rows[0].Own == rows[1].Own && rows[0].Exact == rows[1].Exact && rows[0].Claim != rows[1].Claim {
		return "", nil
	}
	return rows[0].Claim, nil
}

// datesOfOffers gives offers that were just made the dates that they had elsewhere.
func datesOfOffers(ctx context.Context, tx *sqlx.Tx, siteID int64, since map[int64]time.Time) error {
	var ids []int64
	var at []time.Time
	for id, t := range since {
		ids, at = append(ids, id), append(at, t)
	}
	_, err := tx.ExecContext(ctx, `
		update referral.offer o set created_at = u.at from unnest($2::bigint[], $3::timestamptz[]) u (i, at)
		where o.site_id = $1 and o.id = u.i`, siteID, pq.Array(ids), timestamps(at))
	if err != nil {
		return fmt.Errorf("date offers: %w", err)
	}
	return nil
}

// ownersOfCodes are the offers that codes of a site lead to; 0: a coupon of another kind.
func ownersOfCodes(ctx context.Context, q sqlx.QueryerContext, siteID int64, codes []string) (map[string]int64, error) {
	var rows []struct {
		Code    string `db:"code"`
		OfferID int64  `db:"offer_id"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select c.code, coalesce(p.offer_id, 0) as offer_id
		from referral.coupon c
		left join referral.personal_coupon p on p.site_id = c.site_id and p.coupon_id = c.id
		where c.site_id = $1 and c.code = any ($2::text[])`, siteID, pq.Array(codes))
	if err != nil {
		return nil, fmt.Errorf("owners of codes: %w", err)
	}
	out := map[string]int64{}
	for _, r := range rows {
		out[r.Code] = r.OfferID
	}
	return out, nil
}

// peopleOfNames are who has names of a site.
func peopleOfNames(ctx context.Context, q sqlx.QueryerContext, siteID int64, names []string) (map[string]int64, error) {
	var rows []struct {
		Name   string `db:"name"`
		Person int64  `db:"person_id"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `select name, person_id from referral.name where site_id = $1 and name = any ($2::text[])`, siteID, pq.Array(names))
	if err != nil {
		return nil, fmt.Errorf("people of names: %w", err)
	}
	out := map[string]int64{}
	for _, r := range rows {
		out[r.Name] = r.Person
	}
	return out, nil
}

// decidedOf are those of the origins whose attribution is decided.
func decidedOf(ctx context.Context, q sqlx.QueryerContext, siteID int64, origins []int64) (map[int64]bool, error) {
	var rows []int64
	err := sqlx.SelectContext(ctx, q, &rows, `select origin_id from referral.attribution where site_id = $1 and origin_id = any ($2::bigint[])`, siteID, pq.Array(origins))
	if err != nil {
		return nil, fmt.Errorf("decided origins: %w", err)
	}
	out := map[int64]bool{}
	for _, o := range rows {
		out[o] = true
	}
	return out, nil
}

// recount has the tallies of advocates counted anew when they are next asked for.
func recount(ctx context.Context, tx *sqlx.Tx, keys []advocateKey) error {
	if len(keys) == 0 {
		return nil
	}
	if _, err := lockKnownTallies(ctx, tx, keys); err != nil {
		return err
	}
	sites, campaigns, people := splitAdvocates(keys)
	_, err := tx.ExecContext(ctx, `
		update referral.advocate_count a set approved = -1
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, c, p)
		where a.site_id = u.s and a.campaign_id = u.c and a.person_id = u.p`, pq.Array(sites), pq.Array(campaigns), pq.Array(people))
	if err != nil {
		return fmt.Errorf("recount advocates: %w", err)
	}
	return nil
}

// forgetOldLinks drops the addresses of people, which may hold their names.
func forgetOldLinks(ctx context.Context, tx *sqlx.Tx, sites, people []int64) error {
	_, err := tx.ExecContext(ctx, `
		delete from referral.old_link l
		using unnest($1::bigint[], $2::bigint[]) u (s, p), referral.offer o
		where o.site_id = u.s and o.person_id = u.p and l.site_id = o.site_id and l.offer_id = o.id`, pq.Array(sites), pq.Array(people))
	if err != nil {
		return fmt.Errorf("forget old links: %w", err)
	}
	return nil
}

// movedReferrals are referrals that were taken in, by the other's numbers.
func movedReferrals(ctx context.Context, q sqlx.QueryerContext, siteID int64, source string, numbers []string) (map[string]referral, error) {
	var rows []struct {
		Number string `db:"number"`
		referral
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select m.number, `+referralColumns+`
		from referral.moved m
		join referral.referral r on r.site_id = m.site_id and r.id = m.subject_id
		where m.site_id = $1 and m.source = $2 and m.kind = 'referral' and m.number = any ($3::text[])`, siteID, source, pq.Array(numbers))
	if err != nil {
		return nil, fmt.Errorf("moved referrals: %w", err)
	}
	out := map[string]referral{}
	for _, r := range rows {
		out[r.Number] = r.referral
	}
	return out, nil
}

// insertHeldCoupons writes coupons that their earners have, gives them to their rewards, and counts them in their lists.
func insertHeldCoupons(ctx context.Context, tx *sqlx.Tx, now time.Time, list []heldCoupon) error {
	n := len(list)
	sites, lists, rewards, people, codes := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]string, n)
	issued, ends := make([]time.Time, n), make([]sqlTime, n)
	count := map[key]int64{}
	for i, h := range list {
		sites[i], lists[i], rewards[i], people[i], codes[i], issued[i] = h.SiteID, h.list.ID, h.reward.ID, deref(h.PersonID), h.code, h.MovedReward.IssuedAt
		if ends[i] = (sqlTime{h.Expires}); h.Expires == nil && h.list.ExpiresDays != nil {
			ends[i] = sqlTime{new(issued[i].AddDate(0, 0, *h.list.ExpiresDays))}
		}
		count[key{h.SiteID, h.list.ID}]++
	}
	_, err := tx.ExecContext(ctx, `
		with c as (
			insert into referral.coupon as c (site_id, list_id, code, single_use, reward_id, person_id, issued_at, expires_at, created_at)
			select s, l, code, true, w, p, at, ends, $8
			from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::timestamptz[], $7::timestamptz[]) with ordinality
				u (s, l, w, p, code, at, ends, n)
			order by n
			returning c.site_id, c.id, c.code, c.reward_id
		)
		update referral.reward w set status = 'Paid', coupon_id = c.id, coupon_code = c.code
		from c where w.site_id = c.site_id and w.id = c.reward_id`,
		pq.Array(sites), pq.Array(lists), pq.Array(rewards), pq.Array(people), pq.Array(codes), timestamps(issued), pq.Array(ends), now)
	if err != nil {
		return fmt.Errorf("insert held coupons: %w", err)
	}
	var keys []key
	var added []int64
	for k, n := range count {
		keys, added = append(keys, k), append(added, n)
	}
	return addStock(ctx, tx, keys, added, added)
}
