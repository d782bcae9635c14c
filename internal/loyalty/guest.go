package loyalty

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
)

// A guest is a candidate whose person is known by the hash of an address only. Module customer merges that person with whose address it is, and merged
// gives the member that there is then what the guest had: so points are claimed once, whatever comes in which order. What nobody claims is forfeited.

// recognize makes members of guests who have said themselves who they are: their person has the address, and a purchase makes members.
func (m *Module) recognize(ctx context.Context, u *bus.Unit, programs map[int64]program, all []earning, holders map[person]*holder) error {
	for _, e := range all {
		if e.Guest || !e.Joins || programs[e.SiteID].joinsAs(e) != active {
			continue
		}
		h := holders[person{e.SiteID, e.PersonID}]
		if h == nil || h.Status != prospect || h.ForfeitAt == nil { // others wait for somebody's word
			continue
		}
		if err := m.reach(ctx, u, h, programs[e.SiteID], active, memberChange{Cause: turnConfirm}); err != nil {
			return err
		}
	}
	return nil
}
