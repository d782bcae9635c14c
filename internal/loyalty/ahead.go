package loyalty

import (
	"context"

	"github.com/go-json-experiment/json"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// poolsFirst are the events that lock pools before members.
var poolsFirst = map[string]bool{
	customerevent.PersonAnonymized{}.EventType(): true, customerevent.PersonMerged{}.EventType(): true, customerevent.PersonUnmerged{}.EventType(): true,
}

// lockAhead locks the members of all sets that a consumer's transaction is to post, before the first of them locks its sites' own accounts, or redemptions
// that have got their coupons. Who spends locks a member and then those; a second set's members, locked after them, would have the two wait for each
// other. Merges, and who is forgotten, lock pools before members: such a transaction, which is rare, is left to itself.
func lockAhead(ctx context.Context, u *bus.Unit, records []bus.Record) error {
	var people []person
	for _, r := range records {
		if poolsFirst[r.Type] {
			return nil
		}
		var of struct {
			PersonID   int64 `json:"person_id"`
			AdvocateID int64 `json:"advocate_id"`
		}
		if err := json.Unmarshal(r.Payload, &of); err != nil { // its handler says so, and is told apart from the others
			return nil //nolint:nilerr // see above
		}
		for _, id := range []int64{of.PersonID, of.AdvocateID} {
			if id != 0 {
				people = append(people, person{r.Site, id})
			}
		}
	}
	if len(people) == 0 {
		return nil
	}
	if err := alone(ctx, u); err != nil {
		return err
	}
	if _, err := sharePrograms(ctx, u, sitesOf(people, func(p person) int64 { return p.site })); err != nil {
		return err
	}
	_, err := lockHolders(ctx, u, inOrder(people))
	return err
}
