package customer

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
)

// pair are two persons who may be one: an order has the one's e-mail and the other's customer id.
type pair struct {
	byEmail, byCustomerID *person
	number                string
}

// suggestion is a row of customer.merge_suggestion.
type suggestion struct {
	SiteID      int64     `db:"site_id"`
	ID          int64     `db:"id"`
	LowID       int64     `db:"low_id"`
	HighID      int64     `db:"high_id"`
	ByEmailID   int64     `db:"by_email_id"`
	Number      string    `db:"number"`
	SuggestedAt time.Time `db:"suggested_at"`
}

// suspect notes that what the merchant told of p has the customer id of somebody else. The e-mail decides whose it is, as ever.
func (b *book) suspect(e entry, p *person) {
	other := b.people.owner(e.site, byCustomerID, e.who.customerID)
	if other == nil || other == p || e.in.Number == "" || p.AnonymizedAt != nil || other.AnonymizedAt != nil {
		return
	}
	b.alike = append(b.alike, pair{p, other, e.in.Number})
}

// saveAlike keeps each pair once. Hardly a batch has one.
func (b *book) saveAlike(ctx context.Context, u *bus.Unit) error {
	if len(b.alike) == 0 {
		return nil
	}
	seen := map[[3]int64]bool{}
	var out []suggestion
	for _, a := range b.alike {
		s := suggestion{SiteID: a.byEmail.SiteID, LowID: min(a.byEmail.ID, a.byCustomerID.ID), HighID: max(a.byEmail.ID, a.byCustomerID.ID),
			ByEmailID: a.byEmail.ID, Number: a.number}
		if key := [3]int64{s.SiteID, s.LowID, s.HighID}; !seen[key] {
			seen[key] = true
			out = append(out, s)
		}
	}
	return insertSuggestions(ctx, u, out)
}
