package referral

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

func (m *Module) placementRoutes(api huma.API) {
	placements := []string{"Placements"}
	huma.Register(api, huma.Operation{OperationID: "listPlacements", Method: http.MethodGet, Path: "/api/v2/placements", Tags: placements,
		Summary: "List placements", Description: "Where the pages of the shop show campaigns, in their order."}, m.getPlacements)
	huma.Register(api, huma.Operation{OperationID: "replacePlacements", Method: http.MethodPut, Path: "/api/v2/placements", Tags: placements,
		Summary: "Set the placements", Description: "Replaces all of them, in the order that is given. Those with an id stay what they are; those left out go. Of the campaigns on " +
			"one placement that are open to an origin, each person gets one by lot, as their weights say, and stays with it. An origin that names `matched_placement_ids` joins a " +
			"campaign of the first of these that has one. Takes an Idempotency-Key. 400 with a pointer to each place that is wrong."}, m.putPlacements)
}

type placementsResult struct {
	Placements []placementInput `json:"placements"`
}

func shownPlacements(list []*placement) placementsResult {
	out := placementsResult{Placements: []placementInput{}}
	for _, p := range list {
		out.Placements = append(out.Placements, p.json())
	}
	return out
}

func (m *Module) getPlacements(ctx context.Context, _ *struct{}) (*web.OK[placementsResult], error) {
	list, err := placementsOf(ctx, m.db, web.From(ctx).Site.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(shownPlacements(list)), nil
}

func (m *Module) putPlacements(ctx context.Context, in *struct{ Body placementsInput }) (*web.OK[placementsResult], error) {
	req := web.From(ctx)
	out, replayed, err := m.replacePlacements(ctx, req.Site, req.KeyID, in.Body, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}

// replacePlacements gives a site other placements. The change is noted first here: its lock lets one such request at a time through.
func (m *Module) replacePlacements(ctx context.Context, s site.Site, keyID int64, in placementsInput, k idempotency.Key) (out placementsResult, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			if err := noteChanges(ctx, u.Tx, s.ID); err != nil {
				return err
			}
			types, err := typesOf(ctx, u, s.ID)
			if err != nil {
				return err
			}
			list, err := in.placements(types)
			if err != nil {
				return err
			}
			before, err := placementsOf(ctx, u, s.ID)
			if err != nil {
				return err
			}
			if err := savePlacements(ctx, u.Tx, s.ID, list); err != nil {
				return err
			}
			saved, err := placementsOf(ctx, u, s.ID)
			if err != nil {
				return err
			}
			out = shownPlacements(saved)
			return writeAudit(ctx, u.Tx, u.Now, s.ID, audit.Change{KeyID: keyID, Action: "placements.set", Subject: aboutPlacements,
				Before: shownPlacements(before).Placements, After: out.Placements})
		})
		return err
	})
	m.catalog.changed(s.ID)
	return out, replayed, err
}
