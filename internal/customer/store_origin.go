package customer

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
)

const originColumns = `o.site_id, o.id, o.type, o.category, o.number, o.person_id, o.visitors, o.web_visitor, o.subtotal, o.currency, o.coupon_codes,
	o.campaign_tags, o.traffic_source, o.segments, o.utm, o.ip, o.user_agent, o.shipping_address, o.shipping_zip, o.verified, o.digest,
	o.refunded_total, o.refunded_at, o.occurred_at, o.recorded_at`

// originRecord is an origin as it comes out of a JSON array.
const originRecord = `r (site_id bigint, id bigint, type text, category text, number text, person_id bigint, visitors uuid[], web_visitor text,
	subtotal bigint, currency text, coupon_codes text[], campaign_tags text[], traffic_source text, segments text[], utm jsonb, ip text,
	user_agent text, shipping_address text, shipping_zip text, verified bool, digest bytea, occurred_at timestamptz,
	recorded_at timestamptz)`

// originsAt reads the origins that have one of the places.
func originsAt(ctx context.Context, u *bus.Unit, places map[place]bool) ([]origin, error) {
	if len(places) == 0 {
		return nil, nil
	}
	var sites []int64
	var kinds, categories, numbers []string
	for p := range places {
		sites, kinds = append(sites, p.site), append(kinds, p.kind)
		categories, numbers = append(categories, p.category), append(numbers, p.number)
	}
	var out []origin
	err := u.SelectContext(ctx, &out, `
		select `+originColumns+`
		from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) k (site, type, category, number)
		cross join lateral (
			select * from customer.origin o
			where o.site_id = k.site and o.type = k.type and o.category = k.category and o.number = k.number offset 0) o`,
		pq.Array(sites), pq.Array(kinds), pq.Array(categories), pq.Array(numbers))
	return out, wrap("read origins", err)
}

// insertOrigins writes new origins, in the order of their places so that batches don't wait for each other in a circle, and gives
// them their ids.
func insertOrigins(ctx context.Context, u *bus.Unit, fresh []*origin) error {
	if len(fresh) == 0 {
		return nil
	}
	sorted, at := slices.Clone(fresh), make(map[place]*origin, len(fresh))
	slices.SortFunc(sorted, func(x, y *origin) int {
		return cmp.Or(cmp.Compare(x.SiteID, y.SiteID), strings.Compare(x.Type, y.Type), strings.Compare(x.Category, y.Category),
			strings.Compare(x.Number, y.Number))
	})
	for _, o := range fresh {
		at[o.place()] = o
	}
	rows, err := json.Marshal(sorted)
	if err != nil {
		return wrap("write origins as JSON", err)
	}
	var made []origin
	err = u.SelectContext(ctx, &made, `
		insert into customer.origin (site_id, type, category, number, person_id, visitors, web_visitor, subtotal, currency, coupon_codes,
			campaign_tags, traffic_source, segments, utm, ip, user_agent, shipping_address, shipping_zip, verified, digest, occurred_at,
			recorded_at)
		select r.site_id, r.type, r.category, r.number, r.person_id, r.visitors, r.web_visitor, r.subtotal, r.currency, r.coupon_codes,
			r.campaign_tags, r.traffic_source, r.segments, r.utm, r.ip, r.user_agent, r.shipping_address, r.shipping_zip, r.verified,
			r.digest, r.occurred_at, r.recorded_at
		from json_to_recordset($1::json) `+originRecord+`
		returning site_id, id, type, category, number`, string(rows))
	if err != nil {
		return wrap("insert origins", err)
	}
	for _, row := range made {
		if o := at[row.place()]; o != nil {
			o.ID = row.ID
		}
	}
	return nil
}

// confirmOrigins replaces what browsers said. An origin that was confirmed meanwhile is somebody else's race won.
func confirmOrigins(ctx context.Context, u *bus.Unit, turned []*origin) error {
	if len(turned) == 0 {
		return nil
	}
	rows, err := json.Marshal(turned)
	if err != nil {
		return wrap("write origins as JSON", err)
	}
	done, err := u.ExecContext(ctx, `
		update customer.origin o
		set person_id = r.person_id, visitors = r.visitors, web_visitor = r.web_visitor, subtotal = r.subtotal, currency = r.currency,
			coupon_codes = r.coupon_codes, campaign_tags = r.campaign_tags, traffic_source = r.traffic_source, segments = r.segments,
			utm = r.utm, ip = r.ip, user_agent = r.user_agent, shipping_address = r.shipping_address, shipping_zip = r.shipping_zip,
			verified = r.verified, digest = r.digest, occurred_at = r.occurred_at, recorded_at = r.recorded_at
		from json_to_recordset($1::json) `+originRecord+`
		where o.site_id = r.site_id and o.id = r.id and not o.verified`, string(rows))
	if err != nil {
		return wrap("confirm origins", err)
	}
	if n, err := done.RowsAffected(); err != nil || n != int64(len(turned)) {
		return errors.Join(errRaced, err)
	}
	return nil
}

// insertItems writes the lines of orders; those of confirmed origins are replaced.
func insertItems(ctx context.Context, u *bus.Unit, fresh, turned []*origin) error {
	if len(turned) > 0 {
		var sites, ids []int64
		for _, o := range turned {
			sites, ids = append(sites, o.SiteID), append(ids, o.ID)
		}
		_, err := u.ExecContext(ctx, `
			delete from customer.origin_item i using unnest($1::bigint[], $2::bigint[]) k (site, origin)
			where i.site_id = k.site and i.origin_id = k.origin`, pq.Array(sites), pq.Array(ids))
		if err != nil {
			return wrap("delete items", err)
		}
	}
	var sites, ids, positions, prices, quantities []int64
	var products, categories, titles, urls, images []string
	for _, o := range append(slices.Clone(fresh), turned...) {
		for n, i := range o.items {
			sites, ids, positions = append(sites, o.SiteID), append(ids, o.ID), append(positions, int64(n+1))
			prices, quantities = append(prices, i.Price), append(quantities, i.Quantity)
			products, categories, titles = append(products, i.ProductID), append(categories, i.Category), append(titles, i.Title)
			urls, images = append(urls, i.URL), append(images, i.ImageURL)
		}
	}
	if len(sites) == 0 {
		return nil
	}
	_, err := u.ExecContext(ctx, `
		insert into customer.origin_item (site_id, origin_id, position, product_id, price, quantity, title, url, image_url, category)
		select * from unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
			$9::text[], $10::text[])`,
		pq.Array(sites), pq.Array(ids), pq.Array(positions), pq.Array(products), pq.Array(prices), pq.Array(quantities),
		pq.Array(titles), pq.Array(urls), pq.Array(images), pq.Array(categories))
	return wrap("insert items", err)
}

// originBySlug finds what Talkable's origin_slug means: an order number, or "category:number" of an event. Both may hold colons, so
// every cut is tried, the first that fits from the left.
func originBySlug(ctx context.Context, db sqlx.QueryerContext, siteID int64, slug, lock string) (origin, error) {
	none := fault.New(fault.Invalid, "origin_not_found", "No origin found by `origin_slug`.")
	if slug == "" || len(slug) > 2100 || strings.ContainsRune(slug, 0) || strings.ToValidUTF8(slug, "") != slug {
		return origin{}, none
	}
	kinds, categories, numbers := []string{"Purchase"}, []string{""}, []string{slug}
	for i := range len(slug) {
		if slug[i] == ':' {
			kinds, categories, numbers = append(kinds, "Event"), append(categories, slug[:i]), append(numbers, slug[i+1:])
		}
	}
	var o origin
	err := sqlx.GetContext(ctx, db, &o, `
		select `+originColumns+`
		from customer.origin o
		where o.site_id = $1 and o.id = (
			select f.id from unnest($2::text[], $3::text[], $4::text[]) with ordinality k (type, category, number, place)
			join customer.origin f on f.site_id = $1 and f.type = k.type and f.category = k.category and f.number = k.number
			order by k.place limit 1)
		`+lock, siteID, pq.Array(kinds), pq.Array(categories), pq.Array(numbers))
	if errors.Is(err, sql.ErrNoRows) {
		return origin{}, none
	}
	return o, wrap("read origin", err)
}

// deed is a line of a person's history.
type deed struct {
	At       time.Time `db:"at"`
	Kind     string    `db:"kind"`
	ID       int64     `db:"id"`
	OriginID int64     `db:"origin_id"`
	Category string    `db:"category"`
	Number   string    `db:"number"`
	Amount   int64     `db:"amount"`
	Currency string    `db:"currency"`
	Verified bool      `db:"verified"`
}

// deedsOf reads what a person did, newest first, after the place (at, kind, id) of an earlier page.
func deedsOf(ctx context.Context, db sqlx.QueryerContext, siteID, personID int64, at time.Time, kind string, id int64, limit int) ([]deed, error) {
	var out []deed
	err := sqlx.SelectContext(ctx, db, &out, `
		select at, kind, id, origin_id, category, number, amount, currency, verified
		from (
			select o.occurred_at as at, case o.type when 'AffiliateMember' then 'signed_up' when 'Purchase' then 'purchased'
					else 'event' end collate "C" as kind,
				o.id, o.id as origin_id, o.category, o.number, o.subtotal as amount, o.currency, o.verified
			from customer.origin o
			where o.site_id = $1 and o.person_id = $2 and o.occurred_at <= $3
			union all
			select f.refunded_at, 'refunded', f.id, o.id, o.category, o.number, f.amount, o.currency, o.verified
			from customer.origin o join customer.refund f on f.site_id = o.site_id and f.origin_id = o.id
			where o.site_id = $1 and o.person_id = $2 and f.refunded_at <= $3
		) deed
		where (at, kind, id) < ($3, $4::text, $5::bigint)
		order by at desc, kind desc, id desc
		limit $6`, siteID, personID, at, kind, id, limit)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return out, nil
}
