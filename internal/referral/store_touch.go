package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// insertTouches writes touches, each once and in their order, or moves the last time of those that are there.
func insertTouches(ctx context.Context, tx *sqlx.Tx, now time.Time, list []touch) error {
	n := len(list)
	if n == 0 {
		return nil
	}
	sites, offers, people, kinds, values := make([]int64, n), make([]int64, n), make([]int64, n), make([]string, n), make([]string, n)
	for i, t := range list {
		sites[i], offers[i], people[i], kinds[i], values[i] = t.site, t.offer, t.person, t.kind, t.value
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.touch as t (site_id, kind, value, offer_id, person_id, first_at, last_at)
		select s, kind, value, o, nullif(p, 0), $6, $6
		from unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[]) with ordinality u (s, kind, value, o, p, n)
		order by n
		on conflict (site_id, kind, value, offer_id) do update set first_at = least(t.first_at, excluded.first_at),
			last_at = greatest(t.last_at, excluded.last_at), person_id = coalesce(excluded.person_id, t.person_id)`,
		pq.Array(sites), pq.Array(kinds), pq.Array(values), pq.Array(offers), pq.Array(people), now)
	if err != nil {
		return fmt.Errorf("insert touches: %w", err)
	}
	return nil
}

// dropTouches drops so many that are too old to count.
func dropTouches(ctx context.Context, q sqlx.ExecerContext, now time.Time, most int) (int64, error) {
	done, err := q.ExecContext(ctx, `
		delete from referral.touch where ctid = any(array(
			select ctid from referral.touch
			where last_at < $1 and (kind = 'ip_address' or last_at < $2)
			limit $3))`, now.Add(-ipTouchesKept), now.Add(-phoneTouchesKept), most)
	if err != nil {
		return 0, fmt.Errorf("drop old touches: %w", err)
	}
	return done.RowsAffected()
}

// forgetTouches drops the numbers that people gave.
func forgetTouches(ctx context.Context, tx *sqlx.Tx, sites, people []int64) error {
	_, err := tx.ExecContext(ctx, `
		delete from referral.touch t using unnest($1::bigint[], $2::bigint[]) u (s, p)
		where t.site_id = u.s and t.person_id = u.p`, pq.Array(sites), pq.Array(people))
	if err != nil {
		return fmt.Errorf("forget numbers of claims: %w", err)
	}
	return nil
}
