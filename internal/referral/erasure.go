package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// anonymized forgets what people were seen with and which browsers were theirs. Their ids, referrals and rewards stay, and so does
// what was decided, without the browsers; what a browser earned before it was anybody's stays the browser's.
func (m *Module) anonymized(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.PersonAnonymized]) error {
	sites, people := make([]int64, len(batch)), make([]int64, len(batch))
	for i, e := range batch {
		sites[i], people[i] = e.Body.SiteID, e.Body.PersonID
	}
	if err := forgetCodes(ctx, u.Tx, u.Now, sites, people); err != nil {
		return err
	}
	if err := forgetOldLinks(ctx, u.Tx, sites, people); err != nil {
		return err
	}
	if err := forgetTouches(ctx, u.Tx, sites, people); err != nil {
		return err
	}
	return forgetPeople(ctx, u.Tx, sites, people)
}
