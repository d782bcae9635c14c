package customer

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/timeline"
)

func recordedWithPerson(ctx context.Context, db sqlx.QueryerContext, o origin) (customerapi.Recorded, error) {
	p, err := ownerOf(ctx, db, o)
	return o.recorded(p), err
}

// ownerOf is the person whose an origin is, for a duplicate the survivor; nil: nobody is known.
func ownerOf(ctx context.Context, db sqlx.QueryerContext, o origin) (*person, error) {
	if o.PersonID == nil {
		return nil, nil
	}
	rows, err := peopleByID(ctx, db, o.SiteID, []int64{*o.PersonID})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	survivors, err := survivorsOf(ctx, db, o.SiteID, rows)
	if s, merged := survivors[rows[0].MergedInto]; merged {
		return &s, err
	}
	return &rows[0], err
}

// shareOwner keeps whose an origin is from being changed: what is answered, and kept with a key, is who they are at the commit. Who is forgotten
// meanwhile would else be named by an answer that nobody saw when it was forgotten.
func shareOwner(ctx context.Context, tx sqlx.ExecerContext, o origin) error {
	if o.PersonID == nil {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		select from customer.person
		where site_id = $1 and id in ($2, (select merged_into from customer.person where site_id = $1 and id = $2)) order by id for share`, o.SiteID, *o.PersonID)
	return wrap("share an origin's owner", err)
}

func (d deed) entry() timeline.Entry {
	e := timeline.Entry{At: d.At.UTC(), Module: moduleName, Type: d.Kind, ID: d.ID, Data: map[string]any{"origin_id": d.OriginID}}
	amount := money.Format(d.Amount, d.Currency) + " " + d.Currency
	if d.Kind != "signed_up" {
		e.Data["number"], e.Data["amount"], e.Data["currency"] = d.Number, d.Amount, d.Currency
	}
	if d.Category != "" {
		e.Data["category"] = d.Category
	}
	switch d.Kind {
	case "signed_up":
		e.Summary = "Signed up"
	case "purchased":
		e.Summary = "Bought for " + amount + ", order " + d.Number
	case "event":
		e.Summary = d.Category + " " + d.Number
	case "refunded":
		e.Summary = "Got back " + amount + " of " + d.Number
	}
	if !d.Verified {
		e.Data["verified"] = false
		e.Summary += " (unverified)"
	}
	return e
}
