package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
)

// saveContacts keeps the newest state of people; each comes once.
func saveContacts(ctx context.Context, tx sqlx.ExtContext, people []customerevent.PersonChanged) error {
	n := len(people)
	sites, ids, at := make([]int64, n), make([]int64, n), make([]string, n)
	emails, firsts, lasts, unsubscribed := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	phones, customers := make([]string, n), make([]string, n)
	for i, p := range people {
		sites[i], ids[i], at[i] = p.SiteID, p.PersonID, p.ChangedAt.Format(time.RFC3339Nano)
		emails[i], firsts[i], lasts[i] = p.Email, p.FirstName, p.LastName
		phones[i], customers[i] = p.Phone, p.CustomerID
		if !p.UnsubscribedAt.IsZero() {
			unsubscribed[i] = p.UnsubscribedAt.Format(time.RFC3339Nano)
		}
	}
	_, err := tx.ExecContext(ctx, `
		insert into notify.contact as c (site_id, person_id, email, first_name, last_name, changed_at, unsubscribed_at, phone, customer_id)
		select s, p, e, f, l, a::timestamptz, nullif(n, '')::timestamptz, t, i
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[]) as u (s, p, e, f, l, a, n, t, i)
		order by s, p
		on conflict on constraint contact_pkey do update
		set email = excluded.email, phone = excluded.phone, customer_id = excluded.customer_id, first_name = excluded.first_name, last_name = excluded.last_name, changed_at = excluded.changed_at,
			unsubscribed_at = excluded.unsubscribed_at
		where c.changed_at <= excluded.changed_at and c.anonymized_at is null`,
		pq.Array(sites), pq.Array(ids), pq.Array(emails), pq.Array(firsts), pq.Array(lasts), pq.Array(at), pq.Array(unsubscribed),
		pq.Array(phones), pq.Array(customers))
	if err != nil {
		return fmt.Errorf("save contacts: %w", err)
	}
	return nil
}

// saveSites keeps the newest settings of sites; each comes once.
func saveSites(ctx context.Context, tx sqlx.ExtContext, changed []gatewayevent.SiteChanged) error {
	n := len(changed)
	sites, at := make([]int64, n), make([]string, n)
	names, urls, froms, slugs, zones := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, s := range changed {
		sites[i], at[i] = s.SiteID, s.ChangedAt.Format(time.RFC3339Nano)
		names[i], urls[i], froms[i], slugs[i], zones[i] = s.Name, s.URL, s.EmailFrom, s.Slug, s.TimeZone
	}
	_, err := tx.ExecContext(ctx, `
		insert into notify.site as t (site_id, name, url, email_from, changed_at, slug, time_zone)
		select s, n, u, f, a::timestamptz, g, z
		from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) as v (s, n, u, f, a, g, z)
		order by s
		on conflict on constraint site_pkey do update
		set name = excluded.name, url = excluded.url, email_from = excluded.email_from, slug = excluded.slug, time_zone = excluded.time_zone, changed_at = excluded.changed_at
		where t.changed_at <= excluded.changed_at`,
		pq.Array(sites), pq.Array(names), pq.Array(urls), pq.Array(froms), pq.Array(at),
		pq.Array(slugs), pq.Array(zones))
	if err != nil {
		return fmt.Errorf("save sites: %w", err)
	}
	return nil
}
