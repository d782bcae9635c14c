package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// ended is a message that ended without an attempt.
type ended struct {
	job
	Status string `db:"status"`
	Reason string `db:"reason"`
}

// anonymizeContacts notes that nobody is to know who these people, sorted, were. What waits to be sent to them ends, and is returned;
// what was written to them loses address and words.
func anonymizeContacts(ctx context.Context, tx sqlx.ExtContext, people []customerevent.PersonAnonymized, now time.Time) ([]ended, error) {
	n := len(people)
	sites, ids, at := make([]int64, n), make([]int64, n), make([]string, n)
	for i, p := range people {
		sites[i], ids[i], at[i] = p.SiteID, p.PersonID, p.AnonymizedAt.Format(time.RFC3339Nano)
	}
	_, err := tx.ExecContext(ctx, `
		insert into notify.contact as c (site_id, person_id, email, first_name, last_name, changed_at, unsubscribed_at, anonymized_at)
		select s, p, '', '', '', a::timestamptz, a::timestamptz, a::timestamptz
		from unnest($1::bigint[], $2::bigint[], $3::text[]) as u (s, p, a)
		order by s, p
		on conflict on constraint contact_pkey do update set first_name = '', last_name = '', anonymized_at = excluded.anonymized_at`,
		pq.Array(sites), pq.Array(ids), pq.Array(at))
	if err != nil {
		return nil, fmt.Errorf("anonymize contacts: %w", err)
	}
	var stopped []ended
	err = sqlx.SelectContext(ctx, tx, &stopped, `
		update notify.message m set status = 'suppressed', reason = $4, lease_until = null, suppressed_at = $3
		from unnest($1::bigint[], $2::bigint[]) as u (s, p)
		where m.site_id = u.s and m.person_id = u.p and m.status in ('queued', 'sending')
		returning m.site_id, m.id, m.person_id, m.channel, m.template, m.status, m.reason, m.uncertain_at`, pq.Array(sites), pq.Array(ids), now, anonymized)
	if err != nil {
		return nil, fmt.Errorf("stop messages to anonymized people: %w", err)
	}
	_, err = tx.ExecContext(ctx, `
		update notify.message m set recipient = case when recipient is not null then '' end, subject = null, text = null, html = null,
			last_error = null, body_dropped_at = coalesce(body_dropped_at, $3), uncertain_at = case when status <> 'suppressed' then uncertain_at end
		from unnest($1::bigint[], $2::bigint[]) as u (s, p)
		where m.site_id = u.s and m.person_id = u.p`, pq.Array(sites), pq.Array(ids), now)
	if err != nil {
		return nil, fmt.Errorf("forget what was written to anonymized people: %w", err)
	}
	_, err = tx.ExecContext(ctx, `
		update notify.idempotency i
		set answer = ((answer::jsonb || '{"recipient":null,"subject":null,"last_error":null}'::jsonb) - 'text' - 'html')::text
		from unnest($1::bigint[], $2::bigint[]) as u (s, p)
		where i.site_id = u.s and position('"person_id":' || u.p || ',' in i.answer) > 0`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("forget it in kept answers, too: %w", err)
	}
	return stopped, nil
}
