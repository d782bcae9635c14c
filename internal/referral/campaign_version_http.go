package referral

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

func (m *Module) versionRoutes(api huma.API) {
	campaigns := []string{"Campaigns"}
	huma.Register(api, huma.Operation{OperationID: "listCampaignTypes", Method: http.MethodGet, Path: "/api/v2/campaign_types", Tags: campaigns,
		Summary: "List types of campaign", Description: "What kinds of campaign there are, what each may have, and on which kinds of placement it is shown."}, m.getTypes)
	huma.Register(api, huma.Operation{OperationID: "publishCampaignVersion", Method: http.MethodPost, Path: "/api/v2/campaigns/{id}/versions", Tags: campaigns,
		Summary: "Publish a version of a campaign", DefaultStatus: http.StatusCreated,
		Description: "Like changing the campaign, but with a reason, and at a time of one's choosing. Versions take effect in the order of their numbers: one that is " +
			"published supersedes those before it whose time has not come yet. Offers that were made before keep the incentives of their version; all else holds for them too. " +
			"With `based_on` it is refused (409) if that is no longer the last version. Takes an Idempotency-Key. 404 if the site has no such campaign."}, m.postVersion)
	huma.Register(api, huma.Operation{OperationID: "listCampaignVersions", Method: http.MethodGet, Path: "/api/v2/campaigns/{id}/versions", Tags: campaigns,
		Summary: "List versions of a campaign", Description: "Newest first: who published each, when, why, and what it changed. 404 if the site has no such campaign."}, m.getVersions)
	huma.Register(api, huma.Operation{OperationID: "getCampaignVersion", Method: http.MethodGet, Path: "/api/v2/campaigns/{id}/versions/{version}", Tags: campaigns,
		Summary: "Read a version of a campaign", Description: "All that the version says, also if it is long past. 404 if there is no such campaign or version."}, m.getVersion)
	huma.Register(api, huma.Operation{OperationID: "getCampaignExperiment", Method: http.MethodGet, Path: "/api/v2/campaigns/{id}/experiment", Tags: campaigns,
		Summary: "How a campaign's variants do", Description: "For each variant, and for those who are held out: people, friends who came, referrals, and what people bought " +
			"themselves since they were drawn. Amounts in minor units by currency, less refunds. 404 if the site has no such campaign."}, m.getExperiment)
	huma.Register(api, huma.Operation{OperationID: "rollBackCampaign", Method: http.MethodPost, Path: "/api/v2/campaigns/{id}/rollback", Tags: campaigns,
		Summary: "Go back to an older version", DefaultStatus: http.StatusCreated,
		Description: "Publishes a copy of an older version, status and all, as the newest one; what was scheduled before is superseded. Takes an Idempotency-Key. " +
			"404 if there is no such campaign or version."}, m.postRollback)
	huma.Register(api, huma.Operation{OperationID: "copyCampaign", Method: http.MethodPost, Path: "/api/v2/campaigns/{id}/copy", Tags: campaigns,
		Summary: "Copy a campaign", DefaultStatus: http.StatusCreated,
		Description: "Makes another campaign that says what this one says as it runs. It has status Test and no live period, and the usual links, so nobody meets it before it is " +
			"looked over. Takes an Idempotency-Key. 404 if the site has no such campaign."}, m.postCopy)
}

// PublicationBody says when and why a version is published.
type PublicationBody struct {
	EffectiveAt *time.Time `json:"effective_at,omitempty" nullable:"true" doc:"When it takes effect, at most two years ahead; at once when left out"`
	Reason      string     `json:"reason,omitempty" maxLength:"500" doc:"Kept with the version"`
	BasedOn     *int       `json:"based_on,omitempty" nullable:"true" doc:"The last version that you know of; if there is a later one, nothing is published"`
}

func (b PublicationBody) by(keyID int64) (publication, error) {
	var f findings
	if b.Reason != "" {
		checkText(&f, "/reason", b.Reason, 1, longestReason)
	}
	return publication{KeyID: keyID, Reason: b.Reason, EffectiveAt: b.EffectiveAt, BasedOn: b.BasedOn}, f.err()
}

type versionInput struct {
	web.SiteBody
	PublicationBody
	Campaign campaignInput `json:"campaign"`
}

type rollbackInput struct {
	web.SiteBody
	PublicationBody
	Version int `json:"version" minimum:"1" maximum:"2147483646" doc:"To go back to"`
}

type copyInput struct {
	web.SiteBody
	Name string `json:"name,omitempty" doc:"Of the copy; \"Copy of\" its name when left out"`
}

type experimentResult struct {
	Experiment experimentJSON `json:"experiment"`
}

func (m *Module) getExperiment(ctx context.Context, in *campaignPath) (*web.OK[experimentResult], error) {
	e, err := m.experiment(ctx, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(experimentResult{e}), nil
}

type typesResult struct {
	Types []campaignType `json:"campaign_types"`
}

func (m *Module) getTypes(context.Context, *struct{}) (*web.OK[typesResult], error) {
	return web.Answer(typesResult{campaignTypes}), nil
}

type versionResult struct {
	Version versionJSON `json:"version"`
}

type versionsResult struct {
	Versions   []versionJSON `json:"versions"`
	NextCursor *string       `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) postVersion(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body versionInput
}) (*web.OK[versionResult], error) {
	next, err := in.Body.Campaign.campaign(web.From(ctx).Site.Currency)
	if err != nil {
		return nil, inside("/campaign", err)
	}
	return m.publishing(ctx, in.Body.PublicationBody, func(s site.Site, by publication, k idempotency.Key) (versionJSON, bool, error) {
		return m.publishVersion(ctx, s, in.ID, by, k, func(*bus.Unit) (campaign, error) { return next, nil })
	})
}

// inside says of a fault that it lies in a member of the body.
func inside(member string, err error) error {
	f, ok := fault.Of(err)
	if !ok {
		return err
	}
	out := *f
	out.Fields = make([]fault.Field, len(f.Fields))
	for i, at := range f.Fields {
		out.Fields[i] = fault.Field{Pointer: member + at.Pointer, Detail: at.Detail}
	}
	return &out
}

func (m *Module) postRollback(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body rollbackInput
}) (*web.OK[versionResult], error) {
	return m.publishing(ctx, in.Body.PublicationBody, func(s site.Site, by publication, k idempotency.Key) (versionJSON, bool, error) {
		return m.rollback(ctx, s, in.ID, in.Body.Version, by, k)
	})
}

func (m *Module) publishing(ctx context.Context, body PublicationBody, publish func(site.Site, publication, idempotency.Key) (versionJSON, bool, error)) (*web.OK[versionResult], error) {
	req := web.From(ctx)
	by, err := body.by(req.KeyID)
	if err != nil {
		return nil, err
	}
	v, replayed, err := publish(req.Site, by, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(versionResult{v}), nil
}

func (m *Module) getVersions(ctx context.Context, in *struct {
	ID int64 `path:"id"`
	web.Page
}) (*web.OK[versionsResult], error) {
	list, next, err := m.listVersions(ctx, web.From(ctx).Site.ID, in.ID, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	return web.Answer(versionsResult{list, next}), nil
}

func (m *Module) getVersion(ctx context.Context, in *struct {
	ID      int64 `path:"id"`
	Version int   `path:"version" minimum:"1" maximum:"2147483646"`
}) (*web.OK[versionResult], error) {
	v, err := m.readVersion(ctx, m.db, web.From(ctx).Site.ID, in.ID, in.Version, m.now())
	if err != nil {
		return nil, err
	}
	return web.Answer(versionResult{v}), nil
}

func (m *Module) postCopy(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body copyInput
}) (*web.OK[campaignResult], error) {
	req := web.From(ctx)
	c, replayed, err := m.copyCampaign(ctx, req.Site, in.ID, in.Body.Name, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(campaignResult{c}), nil
}
