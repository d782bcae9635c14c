package loyalty

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/web"
)

// collectRoutes adds what a merchant decides about actions. Members collect through the edge, which knows how requests name people.
func (m *Module) collectRoutes(api huma.API) {
	const path = "/api/v2/loyalty/programs/{id}/action_configs"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "createActionConfig", Method: http.MethodPost, Path: path, Tags: tags,
		DefaultStatus: http.StatusCreated, Summary: "Let members earn points for an action that the shop tells of",
		Description: "POST /loyalty/members/{email}/collect_actions names it by its identifier. Takes `Idempotency-Key`. Errors: 404 `program_not_found`, " +
			"400 `invalid_action_config` with a finding for each place, 409 `identifier_taken`, `too_many_action_configs`."}, m.postAction)
	huma.Register(api, huma.Operation{OperationID: "listActionConfigs", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List the actions that members earn points for", Description: "Active and archived ones by identifier, at most 200. Errors: 404 `program_not_found`."}, m.listActions)
	huma.Register(api, huma.Operation{OperationID: "replaceActionConfig", Method: http.MethodPut, Path: path + "/{config_id}", Tags: tags,
		Summary: "Change or archive an action",
		Description: "Replaces all settings; what was collected stays as it is, and counts against a new limit. Takes `Idempotency-Key`. " +
			"Errors: 404 `action_config_not_found`, 400 `invalid_action_config`, 409 `identifier_taken`."}, m.putAction)
}

type actionBody struct {
	web.SiteBody
	Identifier  string `json:"identifier" doc:"1 to 50 lowercase letters, digits, '_' and '-'" example:"review"`
	Name        string `json:"name" doc:"1 to 100 characters" example:"Product review"`
	Description string `json:"description,omitempty" doc:"At most 1000 characters"`
	Points      int64  `json:"points" doc:"1 to 1,000,000" example:"50"`
	Limit       *int   `json:"member_limit,omitempty" nullable:"true" doc:"Times that a member may collect it in a period, 1 to 1000; null: no limit" example:"1"`
	Period      string `json:"period,omitempty" default:"ever" doc:"That the limit is of, in the site's zone: ever, day, month or year" example:"ever"`
	Status      string `json:"status,omitempty" default:"active" doc:"active or archived" example:"active"`
}

func (b actionBody) settings() collectable {
	return collectable{Status: b.Status, Identifier: b.Identifier, Name: b.Name, Description: b.Description, Points: b.Points, Limit: b.Limit, Period: b.Period}
}

type actionView struct {
	ID          int64     `json:"id"`
	Version     int       `json:"version" doc:"Counts changes"`
	Identifier  string    `json:"identifier"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Points      int64     `json:"points"`
	Limit       *int      `json:"member_limit"`
	Period      string    `json:"period" enum:"ever,day,month,year"`
	Status      string    `json:"status" enum:"active,archived"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

func (c actionConfig) view() actionView {
	return actionView{ID: c.ID, Version: c.Version, Identifier: c.Identifier, Name: c.Name, Description: c.Description, Points: c.Points, Limit: c.Limit,
		Period: c.Period, Status: c.Status, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC()}
}

type actionConfigAnswer struct {
	Action actionView `json:"action_config"`
}

type actionConfigsAnswer struct {
	Actions    []actionView `json:"action_configs"`
	NextCursor *string      `json:"next_cursor" doc:"Always null: all are on this page"`
}

func (m *Module) listActions(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*web.OK[actionConfigsAnswer], error) {
	site := web.From(ctx).Site.ID
	if _, err := findProgram(ctx, m.db, site, in.ID); err != nil {
		return nil, err
	}
	all, err := actionsOf(ctx, m.db, site, in.ID)
	out := actionConfigsAnswer{Actions: make([]actionView, len(all))}
	for i, c := range all {
		out.Actions[i] = c.view()
	}
	return web.Answer(out), err
}

func (m *Module) postAction(ctx context.Context, in *struct {
	ID   int64 `path:"id" minimum:"1"`
	Body actionBody
}) (*web.OK[actionConfigAnswer], error) {
	return m.setAction(ctx, in.Body.settings(), func(u *bus.Unit, site int64, s collectable) (c actionConfig, err error) {
		if _, err := lockProgram(ctx, u, site, in.ID); err != nil { // so that two don't both become the last
			return actionConfig{}, err
		}
		all, err := actionsOf(ctx, u, site, in.ID)
		if err != nil {
			return actionConfig{}, err
		}
		if len(all) >= maxActionConfigs {
			return actionConfig{}, fault.New(fault.Conflict, "too_many_action_configs", "A programme has at most %d actions.", maxActionConfigs)
		}
		c, err = addAction(ctx, u, actionConfig{SiteID: site, ProgramID: in.ID, Version: 1, collectable: s, CreatedAt: u.Now, UpdatedAt: u.Now})
		if err != nil {
			return c, err
		}
		return c, note(ctx, u, site, web.From(ctx).KeyID, "created", aboutAction, c.ID, nil, c.view())
	})
}

func (m *Module) putAction(ctx context.Context, in *struct {
	ID       int64 `path:"id" minimum:"1"`
	ConfigID int64 `path:"config_id" minimum:"1"`
	Body     actionBody
}) (*web.OK[actionConfigAnswer], error) {
	return m.setAction(ctx, in.Body.settings(), func(u *bus.Unit, site int64, s collectable) (actionConfig, error) {
		c, err := lockAction(ctx, u, site, in.ID, in.ConfigID)
		if err != nil {
			return c, err
		}
		before := c.view()
		c.collectable, c.UpdatedAt = s, u.Now
		c.Version++
		if err := saveAction(ctx, u, c); err != nil {
			return c, err
		}
		return c, note(ctx, u, site, web.From(ctx).KeyID, "changed", aboutAction, c.ID, before, c.view())
	})
}

// setAction checks settings and saves them once.
func (m *Module) setAction(ctx context.Context, s collectable, save func(u *bus.Unit, site int64, s collectable) (actionConfig, error)) (*web.OK[actionConfigAnswer], error) {
	req := web.From(ctx)
	if err := s.check(); err != nil {
		return nil, err
	}
	var out actionView
	err := m.outbox.InTx(ctx, func(u *bus.Unit) error {
		replayed, err := idempotency.Once(ctx, u.Tx, module, u.Now, req.Site.ID, req.Idempotency, &out, func() error {
			c, err := save(u, req.Site.ID, s)
			out = c.view()
			return err
		})
		req.MarkReplayed(replayed)
		return err
	})
	if err != nil {
		return nil, err
	}
	return web.Answer(actionConfigAnswer{out}), nil
}
