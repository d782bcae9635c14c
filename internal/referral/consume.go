package referral

import (
	"context"
	"encoding/json"
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

// settingChanged keeps in the audit log what was changed at the edge.
func (m *Module) settingChanged(ctx context.Context, u *bus.Unit, batch []bus.Event[gatewayevent.SettingChanged]) error {
	for _, e := range batch {
		c := e.Body
		a := audited{keyID: c.KeyID, action: c.Setting + ".set", subject: aboutSite}
		if c.Before != "" {
			a.before = json.RawMessage(c.Before)
		}
		if c.After != "" {
			a.after = json.RawMessage(c.After)
		}
		if err := writeAudit(ctx, u.Tx, c.ChangedAt, c.SiteID, a); err != nil {
			return err
		}
	}
	return nil
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
