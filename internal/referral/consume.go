package referral

import (
	"context"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
)

// siteChanged keeps the projection of sites. Only the last change of each counts.
func (m *Module) siteChanged(ctx context.Context, u *bus.Unit, batch []bus.Event[gatewayevent.SiteChanged]) error {
	_, sites := bus.Fold(batch, func(e bus.Event[gatewayevent.SiteChanged]) int64 { return e.Body.SiteID },
		func(s *gatewayevent.SiteChanged, e bus.Event[gatewayevent.SiteChanged]) { *s = e.Body })
	if err := saveSites(ctx, u.Tx, sites); err != nil {
		return err
	}
	ids := make([]int64, len(sites))
	for i, s := range sites {
		ids[i] = s.SiteID
	}
	slices.Sort(ids)
	return noteChanges(ctx, u.Tx, ids...)
}

// personChanged keeps the names by which links lead to people.
func (m *Module) personChanged(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.PersonChanged]) error {
	var names []personName
	for _, e := range batch {
		if n, ok := nameOf(e.Body.Username); ok {
			names = append(names, personName{e.Body.SiteID, n, e.Body.PersonID, e.Body.ChangedAt})
		}
	}
	return insertNames(ctx, u.Tx, names)
}
