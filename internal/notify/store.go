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
	for i, p := range people {
		sites[i], ids[i], at[i] = p.SiteID, p.PersonID, p.ChangedAt.Format(time.RFC3339Nano)
		emails[i], firsts[i], lasts[i] = p.Email, p.FirstName, p.LastName
		if !p.UnsubscribedAt.IsZero() {
			unsubscribed[i] = p.UnsubscribedAt.Format(time.RFC3339Nano)
		}
	}
	_, err := tx.ExecContext(ctx, `
		insert into notify.contact as c (site_id, person_id, email, first_name, last_name, changed_at, unsubscribed_at)
		select s, p, e, f, l, a::timestamptz, nullif(n, '')::timestamptz
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) as u (s, p, e, f, l, a, n)
		order by s, p
		on conflict on constraint contact_pkey do update
		set email = excluded.email, first_name = excluded.first_name, last_name = excluded.last_name, changed_at = excluded.changed_at,
			unsubscribed_at = excluded.unsubscribed_at
		where c.changed_at <= excluded.changed_at and c.anonymized_at is null`,
		pq.Array(sites), pq.Array(ids), pq.Array(emails), pq.Array(firsts), pq.Array(lasts), pq.Array(at), pq.Array(unsubscribed))
	if err != nil {
		return fmt.Errorf("save contacts: %w", err)
	}
	return nil
}

// saveSites keeps the newest settings of sites; each comes once.
func saveSites(ctx context.Context, tx sqlx.ExtContext, changed []gatewayevent.SiteChanged) error {
	n := len(changed)
	sites, at := make([]int64, n), make([]string, n)
	names, urls, froms := make([]string, n), make([]string, n), make([]string, n)
	for i, s := range changed {
		sites[i], at[i] = s.SiteID, s.ChangedAt.Format(time.RFC3339Nano)
		names[i], urls[i], froms[i] = s.Name, s.URL, s.EmailFrom
	}
	_, err := tx.ExecContext(ctx, `
		insert into notify.site as t (site_id, name, url, email_from, changed_at)
		select s, n, u, f, a::timestamptz
		from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[]) as v (s, n, u, f, a)
		order by s
		on conflict on constraint site_pkey do update
		set name = excluded.name, url = excluded.url, email_from = excluded.email_from, changed_at = excluded.changed_at
		where t.changed_at <= excluded.changed_at`,
		pq.Array(sites), pq.Array(names), pq.Array(urls), pq.Array(froms), pq.Array(at))
	if err != nil {
		return fmt.Errorf("save sites: %w", err)
	}
	return nil
}
