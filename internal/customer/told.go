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
	return o.told(), err
}

// ToldOriginByID is ToldOrigin by the origin's id.
func (m *Module) ToldOriginByID(ctx context.Context, siteID, id int64) (customerevent.OriginRecorded, error) {
	var o origin
	err := sqlx.GetContext(ctx, m.db, &o, `select `+originColumns+` from customer.origin o where o.site_id = $1 and o.id = $2`, siteID, id)
	if errors.Is(err, sql.ErrNoRows) {
		return customerevent.OriginRecorded{}, fault.New(fault.NotFound, "origin_not_found", "No such origin.")
	}
	return o.told(), wrap("read origin", err)
}

func (o *origin) told() customerevent.OriginRecorded {
	e := o.event(false)
	if e.OriginID = o.ID; o.PersonID != nil {
		e.PersonID = *o.PersonID
	}
	return e
}
