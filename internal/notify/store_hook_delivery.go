package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// subscribers are the endpoints that want to hear of any of the occasions, by site and type.
func subscribers(ctx context.Context, tx sqlx.QueryerContext, all []occasion) (map[subject][]int64, error) {
	seen := map[subject]bool{}
	var sites []int64
	var kinds []string
	for _, o := range all {
		for _, kind := range []string{o.kind, o.talkable} {
			if s := (subject{o.siteID, kind}); kind != "" && !seen[s] {
				seen[s] = true
				sites, kinds = append(sites, o.siteID), append(kinds, kind)
			}
		}
	}
	var found []struct {
		subject
		EndpointID int64 `db:"endpoint_id"`
	}
	err := sqlx.SelectContext(ctx, tx, &found, `
		select s.site_id, s.type, s.endpoint_id
		from unnest($1::bigint[], $2::text[]) as u (site, kind)
		join notify.subscription s on s.site_id = u.site and s.type = u.kind
		join notify.endpoint e on e.site_id = s.site_id and e.id = s.endpoint_id and e.enabled`, pq.Array(sites), pq.Array(kinds))
	if err != nil {
		return nil, fmt.Errorf("who wants to be told: %w", err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	out := map[subject][]int64{}
	for _, f := range found {
		out[f.subject] = append(out[f.subject], f.EndpointID)
	}
	return out, nil
}

// insertDeliveries queues deliveries; an occasion that an endpoint has one of already is left out. It returns the types of the new ones.
func insertDeliveries(ctx context.Context, tx sqlx.QueryerContext, all []parcel, now time.Time) ([]string, error) {
	n := len(all)
	sites, endpoints, people, friends := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	kinds, keys, messages, data, at := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, p := range all {
		sites[i], endpoints[i], people[i], friends[i] = p.siteID, p.endpointID, p.personID, p.friend
		kinds[i], keys[i], messages[i], data[i], at[i] = p.kind, p.key, p.messageID, p.data, p.at.Format(time.RFC3339Nano)
	}
	var made []string
	err := sqlx.SelectContext(ctx, tx, &made, `
		insert into notify.delivery (site_id, endpoint_id, type, occasion, message_id, person_id, friend_id, data, state, next_at, occurred_at, created_at, queued_at)
		select s, e, k, o, m, p, f, d::jsonb, 'waiting', case when k = $11 then $12::timestamptz else $10 end, a::timestamptz, $10, $10
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::text[])
			as u (s, e, k, o, m, p, f, d, a)
		on conflict on constraint delivery_once do nothing
		returning type`, pq.Array(sites), pq.Array(endpoints), pq.Array(kinds), pq.Array(keys), pq.Array(messages), pq.Array(people), pq.Array(friends),
		pq.Array(data), pq.Array(at), now, talkableReferral, now.Add(rewardsFollow))
	if err != nil {
		return nil, fmt.Errorf("queue deliveries: %w", err)
	}
	return made, nil
}
