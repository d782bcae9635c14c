package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// insertNames gives people names that nobody has; who has one keeps it.
func insertNames(ctx context.Context, tx *sqlx.Tx, list []personName) error {
	if len(list) == 0 {
		return nil
	}
	var sites, people []int64
	var names, moments []string
	for _, n := range list {
		sites, people, names, moments = append(sites, n.site), append(people, n.person), append(names, n.name), append(moments, n.at.Format(time.RFC3339Nano))
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.name (site_id, name, person_id, taken_at)
		select distinct on (s, n) s, n, p, a::timestamptz
		from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[]) with ordinality u (s, n, p, a, i)
		order by s, n, i
		on conflict on constraint name_pkey do nothing`, pq.Array(sites), pq.Array(names), pq.Array(people), pq.Array(moments))
	if err != nil {
		return fmt.Errorf("insert names: %w", err)
	}
	return nil
}

// nameOfPerson is the newest name that a person has, and the slug of the site if it isn't the first.
func nameOfPerson(ctx context.Context, q sqlx.QueryerContext, siteID, personID int64) (name, slug string, err error) {
	var rows []struct {
		Name string `db:"name"`
		Slug string `db:"slug"`
	}
	err = sqlx.SelectContext(ctx, q, &rows, `
		select n.name, case when s.site_id = (select min(site_id) from referral.site) then '' else s.slug end as slug
		from referral.name n
		join referral.site s on s.site_id = n.site_id
		where n.site_id = $1 and n.person_id = $2
		order by n.taken_at desc, n.name limit 1`, siteID, personID)
	if err != nil {
		return "", "", fmt.Errorf("name of a person: %w", err)
	}
	if len(rows) == 0 {
		return "", "", nil
	}
	return rows[0].Name, rows[0].Slug, nil
}

// personOfName finds who has a name in a site, named by its slug or, without one, the first; 0: nobody.
func personOfName(ctx context.Context, q sqlx.QueryerContext, slug, name string) (siteID, person int64, err error) {
	var rows []struct {
		SiteID int64 `db:"site_id"`
		Person int64 `db:"person_id"`
	}
	err = sqlx.SelectContext(ctx, q, &rows, `
		select n.site_id, n.person_id
		from referral.name n
		where n.site_id = case when $1 = '' then (select min(site_id) from referral.site) else (select site_id from referral.site where slug = $1) end
			and n.name = $2`, slug, name)
	if err != nil {
		return 0, 0, fmt.Errorf("person of a name: %w", err)
	}
	if len(rows) == 0 {
		return 0, 0, nil
	}
	return rows[0].SiteID, rows[0].Person, nil
}

// newestOffer is a person's newest offer of these campaigns; 0: none.
func newestOffer(ctx context.Context, q sqlx.QueryerContext, siteID, person int64, campaigns []int64) (int64, error) {
	var ids []int64
	err := sqlx.SelectContext(ctx, q, &ids, `
		select id from referral.offer where site_id = $1 and person_id = $2 and campaign_id = any ($3)
		order by created_at desc, id desc limit 1`, siteID, person, pq.Array(append([]int64{}, campaigns...)))
	if err != nil {
		return 0, fmt.Errorf("newest offer of a person: %w", err)
	}
	if len(ids) == 0 {
		return 0, nil
	}
	return ids[0], nil
}

// forgetNames drops the names of people, which tell who they were.
func forgetNames(ctx context.Context, tx *sqlx.Tx, sites, people []int64) error {
	_, err := tx.ExecContext(ctx, `
		delete from referral.name n using unnest($1::bigint[], $2::bigint[]) u (s, p)
		where n.site_id = u.s and n.person_id = u.p`, pq.Array(sites), pq.Array(people))
	if err != nil {
		return fmt.Errorf("forget names: %w", err)
	}
	return nil
}
