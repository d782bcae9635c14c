package gateway

import (
	"context"
	"net/http"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// collectors is what is asked about actions that earn points because the shop says so.
type collectors interface {
	Collect(ctx context.Context, s site.Site, personID int64, identifier, traffic string, key idempotency.Key) (out loyaltyapi.Collected, replayed bool, err error)
	Collections(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.Collection, bool, error)
}

func (c Composition) collectRoutes(api huma.API) {
	const path = "/api/v2/loyalty/members/{email}/collect_actions"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "listCollectActions", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: path, Tags: tags,
		Summary:     "List the actions that a member collected points by",
		Description: "Newest first. Points for purchases and referrals stand in /entries. Errors: 400 `member_not_found`, `member_not_active`, `no_program`."}, c.listCollects)
	huma.Register(api, huma.Operation{OperationID: "collectAction", Method: http.MethodPost, Path: path, Tags: tags,
		Summary: "Say that a member did what earns points",
		Description: "`type` is the identifier of one of the programme's actions. `collected` is false when the member has reached the action's limit. " +
			"Takes `Idempotency-Key`. Errors: 400 `member_not_found`, `member_not_active`, `no_program`, `action_config_not_found`."}, c.collect)
}

type collectInput struct {
	MemberPath
	Body struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Data collectData `json:"data"`
	}
}

type collectData struct {
	_             struct{} `json:"-" additionalProperties:"true"`
	Type          optional `json:"type,omitempty" doc:"Required" example:"\"review\""`
	TrafficSource optional `json:"traffic_source,omitempty" doc:"Default: api"`
}

type collectAnswer struct {
	Collected bool          `json:"collected"`
	Member    loyaltyMember `json:"loyalty_member"`
}

func (c Composition) listCollects(ctx context.Context, in *actionsInput) (*web.OK[actionsAnswer], error) {
	req := web.From(ctx)
	return actionsPage(ctx, c, in, "collections", c.Members.Collections, func(all []loyaltyapi.Collection) ([]talkableAction, error) {
		out := make([]talkableAction, len(all))
		for i, a := range all {
			out[i] = talkableAction{Type: a.Identifier, Points: a.Points, CreatedAt: web.Talkable(a.At, req.Site.Zone), ID: a.TransactionID,
				ActionConfig: &talkableActionConfig{Name: a.Name, Description: a.Description, Points: a.Points}}
		}
		return out, nil
	})
}

func (c Composition) collect(ctx context.Context, in *collectInput) (*web.OK[collectAnswer], error) {
	req, data := web.From(ctx), in.Body.Data
	if data.Type == "" {
		return nil, fault.New(fault.Invalid, "invalid_request", "`type` is required").At("/data/type", "is required")
	}
	for name, text := range map[string]optional{"type": data.Type, "traffic_source": data.TrafficSource} {
		if utf8.RuneCountInString(string(text)) > 255 {
			return nil, fault.New(fault.Invalid, "invalid_request", "`"+name+"` is too long").At("/data/"+name, "must have at most 255 characters")
		}
	}
	source := string(data.TrafficSource)
	if source == "" {
		source = "api"
	}
	p, err := c.memberPerson(ctx, req.Site.ID, in.Slug)
	if err != nil {
		return nil, err
	}
	out, replayed, err := c.Members.Collect(ctx, req.Site, p.ID, string(data.Type), source, req.Idempotency)
	if err != nil {
		return nil, asNoMember(err)
	}
	req.MarkReplayed(replayed)
	m, err := c.Members.Member(ctx, req.Site.ID, p.ID)
	if err != nil {
		return nil, asNoMember(err)
	}
	m.Balance = out.Balance
	return web.Answer(collectAnswer{out.Collected, memberJSON(p, m, req.Site)}), nil
}
