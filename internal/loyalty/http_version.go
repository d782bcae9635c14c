package loyalty

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) versionRoutes(api huma.API) {
	const path = "/api/v2/loyalty/programs/{id}"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "listLoyaltyProgramVersions", Method: http.MethodGet, Path: path + "/versions", Tags: tags,
		Summary: "List the versions of a loyalty programme", Description: "Newest first, with the moment from which each is in force. Errors: 404 `program_not_found`."}, m.listVersions)
	huma.Register(api, huma.Operation{OperationID: "getLoyaltyProgramVersion", Method: http.MethodGet, Path: path + "/versions/{version}", Tags: tags,
		Summary: "Read a version of a loyalty programme", Description: "The settings as they were. Errors: 404 `program_not_found`, 404 `version_not_found`."}, m.getVersion)
	huma.Register(api, huma.Operation{OperationID: "getScheduledLoyaltyProgram", Method: http.MethodGet, Path: path + "/scheduled", Tags: tags,
		Summary: "Read the scheduled change of a loyalty programme", Description: "The settings as they will be. Errors: 404 `program_not_found`, 404 `nothing_scheduled`."}, m.getNext)
	huma.Register(api, huma.Operation{OperationID: "cancelScheduledLoyaltyProgram", Method: http.MethodDelete, Path: path + "/scheduled", Tags: tags,
		Summary: "Take back the scheduled change of a loyalty programme", Description: "Answers with the programme as it is. Takes `Idempotency-Key`. Errors: 404 `program_not_found`, 404 `nothing_scheduled`."}, m.deleteNext)
}

// programVersion is a version as it is listed.
type programVersion struct {
	Version   int       `json:"version"`
	InForceAt time.Time `json:"in_force_at"`
}

type versionsAnswer struct {
	Versions   []programVersion `json:"versions"`
	NextCursor *string          `json:"next_cursor" doc:"null on the last page"`
}

// afterVersion is where a page of versions ends.
type afterVersion struct {
	Version int `json:"v"`
}

func (m *Module) listVersions(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
	web.Page
}) (*web.OK[versionsAnswer], error) {
	site := web.From(ctx).Site.ID
	if _, err := findProgram(ctx, m.db, site, in.ID); err != nil {
		return nil, err
	}
	var after afterVersion
	const list = "programme versions"
	if _, err := m.cursors.Decode(site, list, in.Cursor, &after); err != nil {
		return nil, err
	}
	rows, err := versionsBefore(ctx, m.db, site, in.ID, after.Version, in.Limit+1)
	if err != nil {
		return nil, err
	}
	answer := versionsAnswer{Versions: []programVersion{}}
	for _, r := range rows[:min(in.Limit, len(rows))] {
		answer.Versions = append(answer.Versions, programVersion{r.Version, r.Since})
	}
	if len(rows) > in.Limit {
		next := m.cursors.Encode(site, list, afterVersion{rows[in.Limit-1].Version})
		answer.NextCursor = &next
	}
	return web.Answer(answer), nil
}

func (m *Module) getVersion(ctx context.Context, in *struct {
	ID      int64 `path:"id" minimum:"1"`
	Version int   `path:"version" minimum:"1" maximum:"1000000000"`
}) (*web.OK[programAnswer], error) {
	p, err := findProgram(ctx, m.db, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	if p.settings, err = settingsOf(ctx, m.db, versionKey{p.SiteID, p.ID, in.Version}); err != nil {
		return nil, err
	}
	rows, err := versionsBefore(ctx, m.db, p.SiteID, p.ID, in.Version+1, 1)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		p.Version, p.UpdatedAt = r.Version, r.Since
	}
	return web.Answer(programAnswer{p.view()}), nil
}

func (m *Module) getNext(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*web.OK[programAnswer], error) {
	p, err := findProgram(ctx, m.db, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	if p.NextAt == nil {
		return nil, errNotScheduled
	}
	s, err := nextOf(ctx, m.db, p)
	if err != nil {
		return nil, err
	}
	p.Version, p.UpdatedAt, p.settings = p.Version+1, *p.NextAt, s
	return web.Answer(programAnswer{p.view()}), nil
}

func (m *Module) deleteNext(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*web.OK[programAnswer], error) {
	req := web.From(ctx)
	view, replayed, err := m.cancelNext(ctx, req.Site, in.ID, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(programAnswer{view}), nil
}
