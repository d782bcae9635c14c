package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// lockLanes locks the endpoints for which something is due, but those that another worker is looking at. They are found by hopping
// from one to the next in the index of what waits, however much waits for each.
func lockLanes(ctx context.Context, tx sqlx.QueryerContext, now time.Time) (sites, endpoints []int64, err error) {
	var found []struct {
		SiteID int64 `db:"site_id"`
		ID     int64 `db:"id"`
	}
	err = sqlx.SelectContext(ctx, tx, &found, `
		with recursive hop as (
			(select site_id, endpoint_id from notify.delivery where state = 'waiting' order by site_id, endpoint_id limit 1)
			union all
			select next.site_id, next.endpoint_id from hop cross join lateral (
				select site_id, endpoint_id from notify.delivery
				where state = 'waiting' and (site_id, endpoint_id) > (hop.site_id, hop.endpoint_id)
				order by site_id, endpoint_id limit 1) next
		)
		select e.site_id, e.id
		from hop join notify.endpoint e on e.site_id = hop.site_id and e.id = hop.endpoint_id
		where e.enabled and exists (
			select from notify.delivery d where d.site_id = e.site_id and d.endpoint_id = e.id and d.state = 'waiting' and d.next_at <= $1)
		for no key update of e skip locked`, now)
	if err != nil {
		return nil, nil, fmt.Errorf("lock endpoints: %w", err)
	}
	for _, f := range found {
		sites, endpoints = append(sites, f.SiteID), append(endpoints, f.ID)
	}
	return sites, endpoints, nil
}

// lockErrands locks up to n deliveries whose time has come. Every endpoint has a lane of its own: no more than lane of its calls are
// under way at a time, over all processes, and only one while it fails; so a slow receiver takes its own time and nobody else's.
// It sees what is under way because it begins after the endpoints were locked.
func lockErrands(ctx context.Context, tx sqlx.QueryerContext, sites, endpoints []int64, now time.Time, n int) ([]errand, error) {
	var out []errand
	err := sqlx.SelectContext(ctx, tx, &out, `
		with free as (
			select e.*, case when e.failing_since is null then $5::bigint else $6::bigint end - (
				select count(*) from notify.delivery w where w.site_id = e.site_id and w.endpoint_id = e.id and w.state = 'sending') as room
			from unnest($1::bigint[], $2::bigint[]) as u (s, i)
			join notify.endpoint e on e.site_id = u.s and e.id = u.i
			order by random()
		)
		select d.site_id, d.id, d.endpoint_id, d.type, d.occasion, d.message_id, d.person_id, d.friend_id, d.data, coalesce(d.body, '') as body,
			d.attempts, d.claim, d.occurred_at, d.queued_at, free.url, free.style, free.secret, free.old_secret, free.old_secret_until,
			s.site_id is not null as site_known, coalesce(s.slug, '') as slug, coalesce(s.time_zone, '') as time_zone,
			`+knownColumns("p", "person")+`, `+knownColumns("f", "friend")+`
		from free
		cross join lateral (
			select * from notify.delivery w
			where w.site_id = free.site_id and w.endpoint_id = free.id and w.state = 'waiting' and w.next_at <= $3
			order by w.next_at
			limit greatest(room, 0)
			for update skip locked) d
		left join notify.site s on s.site_id = d.site_id
		left join notify.contact p on d.person_id <> 0 and p.site_id = d.site_id and p.person_id = d.person_id
		left join notify.contact f on d.friend_id <> 0 and f.site_id = d.site_id and f.person_id = d.friend_id
		limit $4`, pq.Array(sites), pq.Array(endpoints), now, n, lane, doubtfulLane)
	if err != nil {
		return nil, fmt.Errorf("lock due deliveries: %w", err)
	}
	return out, nil
}

// knownColumns are those of a contact under an alias, for a field of errand.
func knownColumns(alias, field string) string {
	return fmt.Sprintf(`%[1]s.person_id is not null as "%[2]s.known", coalesce(%[1]s.email, '') as "%[2]s.email", coalesce(%[1]s.phone, '') as "%[2]s.phone",
		coalesce(%[1]s.customer_id, '') as "%[2]s.customer_id", coalesce(%[1]s.first_name, '') as "%[2]s.first_name",
		coalesce(%[1]s.last_name, '') as "%[2]s.last_name", %[1]s.unsubscribed_at as "%[2]s.unsubscribed_at",
		%[1]s.anonymized_at is not null as "%[2]s.anonymized"`, alias, field)
}

// takeErrands marks locked deliveries as claimed, and keeps what is sent from now on.
func takeErrands(ctx context.Context, tx sqlx.ExecerContext, all []errand, lease time.Time) error {
	sites, ids, bodies := make([]int64, len(all)), make([]int64, len(all)), make([]string, len(all))
	for i, e := range all {
		sites[i], ids[i], bodies[i] = e.SiteID, e.ID, e.Body
	}
	_, err := tx.ExecContext(ctx, `
		update notify.delivery d
		set state = 'sending', attempts = attempts + 1, claim = claim + 1, lease_until = $4, body = coalesce(d.body, b)
		from unnest($1::bigint[], $2::bigint[], $3::text[]) as u (s, i, b)
		where d.site_id = u.s and d.id = u.i`, pq.Array(sites), pq.Array(ids), pq.Array(bodies), lease)
	if err != nil {
		return fmt.Errorf("claim deliveries: %w", err)
	}
	return nil
}

// postponeErrands lets locked deliveries wait a little longer.
func postponeErrands(ctx context.Context, tx sqlx.ExecerContext, all []errand, next time.Time) error {
	if len(all) == 0 {
		return nil
	}
	sites, ids := make([]int64, len(all)), make([]int64, len(all))
	for i, e := range all {
		sites[i], ids[i] = e.SiteID, e.ID
	}
	_, err := tx.ExecContext(ctx, `
		update notify.delivery d set next_at = $3 from unnest($1::bigint[], $2::bigint[]) as u (s, i)
		where d.site_id = u.s and d.id = u.i`, pq.Array(sites), pq.Array(ids), next)
	if err != nil {
		return fmt.Errorf("postpone deliveries: %w", err)
	}
	return nil
}

// failErrands ends locked deliveries that can't be sent.
func failErrands(ctx context.Context, tx sqlx.ExecerContext, all []errand, reason string, now time.Time) error {
	if len(all) == 0 {
		return nil
	}
	sites, ids := make([]int64, len(all)), make([]int64, len(all))
	for i, e := range all {
		sites[i], ids[i] = e.SiteID, e.ID
	}
	_, err := tx.ExecContext(ctx, `
		update notify.delivery d set state = 'failed', reason = $3, failed_at = $4 from unnest($1::bigint[], $2::bigint[]) as u (s, i)
		where d.site_id = u.s and d.id = u.i`, pq.Array(sites), pq.Array(ids), reason, now)
	if err != nil {
		return fmt.Errorf("end deliveries: %w", err)
	}
	return nil
}
