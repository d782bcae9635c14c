package customer

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

const historyPage = 5000 // rows at once

// PastOrders hands over what is known of all verified purchases and events of a site's people that happened until a moment, in the order in which
// they were recorded. FirstPurchase says only that the person wasn't known to have bought before we heard of anything.
func (m *Module) PastOrders(ctx context.Context, siteID int64, until time.Time, take func(customerevent.OriginRecorded)) error {
	for after := int64(0); ; {
		rows, err := pastOrders(ctx, m.db, siteID, after, until, historyPage)
		if err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			e := rows[i].told(&person{ID: rows[i].OwnerID})
			e.FirstPurchase = !rows[i].Existing
			take(e)
		}
		after = rows[len(rows)-1].ID
	}
}

// CountPast counts what PastOrders would hand over, up to a number.
func (m *Module) CountPast(ctx context.Context, siteID int64, until time.Time, most int64) (n int64, err error) {
	err = sqlx.GetContext(ctx, m.db, &n, `
		select count(*) from (select 1 from customer.origin o where o.site_id = $1 and o.verified and o.person_id is not null and o.type <> 'AffiliateMember'
			and o.occurred_at < $2 limit $3) o`, siteID, until, most)
	return n, wrap("count past orders", err)
}

// PastRefunds hands over all refunds until a moment, in the order in which they were recorded: what each gave back.
func (m *Module) PastRefunds(ctx context.Context, siteID int64, until time.Time, take func(customerevent.OriginRefunded)) error {
	for after := int64(0); ; {
		rows, err := pastRefunds(ctx, m.db, siteID, after, until, historyPage)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			take(customerevent.OriginRefunded{SiteID: siteID, OriginID: r.OriginID, RefundID: r.ID, PersonID: r.PersonID, Refunded: r.Amount, RefundedAt: r.At})
		}
		after = rows[len(rows)-1].ID
	}
}

type pastOrder struct {
	origin
	OwnerID  int64 `db:"owner_id"` // who its person is by now
	Existing bool  `db:"existing"`
}

// pastOrders reads origins behind one, by id, with their lines.
func pastOrders(ctx context.Context, db sqlx.QueryerContext, siteID, after int64, until time.Time, limit int) ([]pastOrder, error) {
	var rows []pastOrder
	err := sqlx.SelectContext(ctx, db, &rows, `
		select o.site_id, o.id, o.type, o.category, o.number, o.person_id, o.subtotal, o.currency, o.coupon_codes, o.campaign_tags, o.traffic_source, o.segments,
			o.verified,
			o.occurred_at, o.recorded_at, coalesce(s.id, p.id) as owner_id, coalesce(s.existing_customer, p.existing_customer) as existing
		from (select * from customer.origin o where o.site_id = $1 and o.id > $2 and o.verified and o.person_id is not null and o.type <> 'AffiliateMember'
			and o.occurred_at < $3 order by o.id limit $4) o
		cross join lateral (select * from customer.person p where p.site_id = o.site_id and p.id = o.person_id offset 0) p
		left join customer.person s on s.site_id = p.site_id and s.id = p.merged_into
		order by o.id`, siteID, after, until, limit)
	if err != nil || len(rows) == 0 {
		return nil, wrap("read past orders", err)
	}
	ids, at := make([]int64, len(rows)), make(map[int64]*pastOrder, len(rows))
	for i := range rows {
		ids[i], at[rows[i].ID] = rows[i].ID, &rows[i]
	}
	var lines []struct {
		OriginID  int64  `db:"origin_id"`
		ProductID string `db:"product_id"`
		Category  string `db:"category"`
		Price     int64  `db:"price"`
		Quantity  int64  `db:"quantity"`
	}
	err = sqlx.SelectContext(ctx, db, &lines, `
		select i.origin_id, i.product_id, i.category, i.price, i.quantity
		from unnest($2::bigint[]) u (id)
		cross join lateral (select * from customer.origin_item i where i.site_id = $1 and i.origin_id = u.id offset 0) i
		order by i.origin_id, i.position`, siteID, pq.Array(ids))
	for _, l := range lines {
		o := at[l.OriginID]
		o.items = append(o.items, customerapi.Item{ProductID: l.ProductID, Category: l.Category, Price: l.Price, Quantity: l.Quantity})
	}
	return rows, wrap("read lines of past orders", err)
}

type pastRefund struct {
	ID       int64     `db:"id"`
	OriginID int64     `db:"origin_id"`
	PersonID int64     `db:"person_id"`
	Amount   int64     `db:"amount"`
	At       time.Time `db:"refunded_at"`
}

// pastRefunds reads refunds of people's orders behind one, by id.
func pastRefunds(ctx context.Context, db sqlx.QueryerContext, siteID, after int64, until time.Time, limit int) (rows []pastRefund, err error) {
	err = sqlx.SelectContext(ctx, db, &rows, `
		select r.id, r.origin_id, coalesce(p.merged_into, o.person_id, 0) as person_id, r.amount, r.refunded_at
		from (select * from customer.refund r where r.site_id = $1 and r.id > $2 and r.refunded_at < $3 order by r.id limit $4) r
		cross join lateral (select * from customer.origin o where o.site_id = r.site_id and o.id = r.origin_id offset 0) o
		left join customer.person p on p.site_id = o.site_id and p.id = o.person_id
		order by r.id`, siteID, after, until, limit)
	return rows, wrap("read past refunds", err)
}
