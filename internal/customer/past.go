package customer

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/customer/customerapi"
)

const pastDeeds = 1000 // of a person

// Pasts says what people did before something, for each question, in their order. What was done as somebody who was merged into a person is the person's.
func (m *Module) Pasts(ctx context.Context, siteID int64, asked []customerapi.Moment) ([]customerapi.Past, error) {
	if len(asked) == 0 {
		return nil, nil
	}
	return pastsOf(ctx, m.db, siteID, asked)
}

// pastsOf reads the latest deeds of each person and adds them up. Both bounds are needed: an order that is told after another may be an older
// one, and who asks about the first must find the same however late it asks.
func pastsOf(ctx context.Context, db sqlx.QueryerContext, siteID int64, asked []customerapi.Moment) ([]customerapi.Past, error) {
	var people, origins []int64
	var moments []time.Time
	var currencies []string
	for _, a := range asked {
		if a.OriginID == 0 {
			a.OriginID = math.MaxInt64
		}
		people, origins = append(people, a.PersonID), append(origins, a.OriginID)
		moments, currencies = append(moments, a.At), append(currencies, a.Currency)
	}
	var rows []struct {
		Place    int            `db:"place"`
		Orders   int64          `db:"orders"`
		Paid     int64          `db:"paid"`
		Refunded int64          `db:"refunded"`
		FirstAt  sql.NullTime   `db:"first_at"`
		LastAt   sql.NullTime   `db:"last_at"`
		Segments pq.StringArray `db:"segments"`
	}
	err := sqlx.SelectContext(ctx, db, &rows, `
		select u.place, d.orders, d.paid, d.refunded, d.first_at, d.last_at, coalesce(t.segments, '{}') as segments
		from unnest($2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[]) with ordinality as u (person_id, origin_id, at, currency, place)
		cross join lateral (select coalesce(p.merged_into, p.id) as id from customer.person p where p.site_id = $1 and p.id = u.person_id offset 0) s
		cross join lateral (
			select count(*) filter (where o.bought) as orders, coalesce(sum(o.subtotal) filter (where o.counted), 0)::bigint as paid,
				coalesce(sum(r.amount), 0)::bigint as refunded, min(o.occurred_at) filter (where o.bought) as first_at,
				max(o.occurred_at) filter (where o.bought) as last_at,
				(array_agg(o.id order by o.occurred_at desc, o.id desc) filter (where o.told))[1] as told_id
			from (
				select o.id, o.occurred_at, o.subtotal, o.refunded_total,
					o.type = 'Purchase' and o.id <> u.origin_id as bought, o.type = 'Purchase' and o.id <> u.origin_id and o.currency = u.currency as counted,
					array_to_string(o.segments, '') <> '' as told
				from (select s.id union all select d.id from customer.person d where d.site_id = $1 and d.merged_into = s.id) who
				cross join lateral (
					select * from customer.origin o where o.site_id = $1 and o.person_id = who.id and o.occurred_at <= u.at and o.id <= u.origin_id and o.verified
					order by o.occurred_at desc, o.id desc limit $6) o
				order by o.occurred_at desc, o.id desc limit $6) o
			left join lateral (
				select sum(r.amount) as amount from customer.refund r
				where o.counted and o.refunded_total > 0 and r.site_id = $1 and r.origin_id = o.id and r.refunded_at < u.at offset 0) r on true) d
		left join customer.origin t on t.site_id = $1 and t.id = d.told_id
		order by u.place`, siteID, pq.Array(people), pq.Array(origins), pq.Array(moments), pq.Array(currencies), pastDeeds)
	if err != nil {
		return nil, wrap("read what people did before", err)
	}
	out := make([]customerapi.Past, len(asked))
	for _, r := range rows {
		out[r.Place-1] = customerapi.Past{Orders: r.Orders, Spent: r.Paid - r.Refunded, Refunded: r.Refunded, FirstAt: r.FirstAt.Time.UTC(), LastAt: r.LastAt.Time.UTC(),
			Segments: slices.DeleteFunc(r.Segments, func(s string) bool { return s == "" })}
	}
	return out, nil
}

// Orders are the verified purchases that have these numbers; those that aren't here are left out.
func (m *Module) Orders(ctx context.Context, siteID int64, numbers []string) (map[string]customerapi.Order, error) {
	out := map[string]customerapi.Order{}
	if len(numbers) == 0 {
		return out, nil
	}
	var rows []customerapi.Order
	err := m.db.SelectContext(ctx, &rows, `
		select o.number, o.id, coalesce(p.merged_into, p.id, 0) as person_id, o.subtotal, o.currency, o.occurred_at
		from (select distinct n from unnest($2::text[]) u (n)) u
		join customer.origin o on o.site_id = $1 and o.type = 'Purchase' and o.category = '' and o.number = u.n and o.verified
		left join customer.person p on p.site_id = o.site_id and p.id = o.person_id`, siteID, pq.Array(numbers))
	if err != nil {
		return nil, wrap("orders by number", err)
	}
	for _, o := range rows {
		out[o.Number] = o
	}
	return out, nil
}
