package customer

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
)

// ToldOrigin is what was told of an origin, by Talkable's origin_slug; all but the phone number that came with it, which isn't kept.
func (m *Module) ToldOrigin(ctx context.Context, siteID int64, slug string) (customerevent.OriginRecorded, error) {
	o, err := originBySlug(ctx, m.db, siteID, slug, "")
	if err != nil {
		return customerevent.OriginRecorded{}, err
	}
	p, err := ownerOf(ctx, m.db, o)
	return o.told(p), err
}

// ToldOriginByID is ToldOrigin by the origin's id.
func (m *Module) ToldOriginByID(ctx context.Context, siteID, id int64) (customerevent.OriginRecorded, error) {
	var o origin
	err := sqlx.GetContext(ctx, m.db, &o, `select `+originColumns+` from customer.origin o where o.site_id = $1 and o.id = $2`, siteID, id)
	if errors.Is(err, sql.ErrNoRows) {
		return customerevent.OriginRecorded{}, fault.New(fault.NotFound, "origin_not_found", "No such origin.")
	}
	if err != nil {
		return customerevent.OriginRecorded{}, wrap("read origin", err)
	}
	p, err := ownerOf(ctx, m.db, o)
	return o.told(p), err
}

// told is what OriginRecorded says of an origin of p's, as it would be told today.
func (o *origin) told(p *person) customerevent.OriginRecorded {
	e := o.event(false)
	if e.OriginID = o.ID; p != nil {
		e.PersonID, e.Guest = p.ID, p.guest()
	}
	return e
}
