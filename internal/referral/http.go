package referral

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

// Routes adds the module's operations. What the edge composes from several modules (origins, offers, a person) is not here.
func (m *Module) Routes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "listCampaigns", Method: http.MethodGet, Path: "/api/v2/campaigns",
		Tags: []string{"Campaigns"}, Summary: "List campaigns",
		Description: "All campaigns of the site, newest first, in Talkable's shape."}, m.getCampaigns)
	huma.Register(api, huma.Operation{OperationID: "createCampaign", Method: http.MethodPost, Path: "/api/v2/campaigns",
		Tags: []string{"Campaigns"}, Summary: "Create a campaign", DefaultStatus: http.StatusCreated,
		Description: "Makes a campaign with its incentives. Takes an Idempotency-Key. 400 with a pointer to each place that is wrong."}, m.postCampaign)
	huma.Register(api, huma.Operation{OperationID: "getCampaign", Method: http.MethodGet, Path: "/api/v2/campaigns/{id}",
		Tags: []string{"Campaigns"}, Summary: "Read a campaign",
		Description: "A campaign with all settings and incentives, also those that were taken out. 404 if the site has no such campaign."}, m.getCampaign)
	huma.Register(api, huma.Operation{OperationID: "replaceCampaign", Method: http.MethodPut, Path: "/api/v2/campaigns/{id}",
		Tags: []string{"Campaigns"}, Summary: "Change a campaign",
		Description: "Replaces the settings and the set of incentives by a new version. Incentives are matched by their identifier; " +
			"those left out become inactive. Offers that were made before keep the incentives of their version, and rewards that were issued stay as they are. Takes an Idempotency-Key. 404 if the site has no such campaign."}, m.putCampaign)
	huma.Register(api, huma.Operation{OperationID: "listRewards", Method: http.MethodGet, Path: "/api/v2/rewards",
		Tags: []string{"Rewards"}, Summary: "List a visitor's rewards", Metadata: map[string]any{"public": true},
		Description: "The newest 500 rewards of a visitor, and of the person whom verified sign-ups and purchases showed this visitor to be. " +
			"Points and coupons are Paid once issued, a commission is Unpaid until it is paid out, as is a coupon that waits for its list to be refilled; what refunds took back entirely is Voided. " +
			"An unknown visitor has none."}, m.getRewards)
	m.versionRoutes(api)
	m.placementRoutes(api)
	m.attributionRoutes(api)
	m.personalRoutes(api)
	m.couponRoutes(api)
	m.couponSupplyRoutes(api)
	m.shareRoutes(api)
	m.claimRoutes(api)
	m.limitRoutes(api)
	m.refusedRoutes(api)
	m.giftCardRoutes(api)
	m.barcodeRoutes(api)
	m.testDataRoutes(api)
	m.rewardRoutes(api)
	m.fraudRoutes(api)
	m.manualRoutes(api)
	m.hookRoutes(api)
	m.explainRoutes(api)
	m.termsRoutes(api)
	m.siteLinksRoutes(api)
	m.commissionRoutes(api)
	m.payoutRoutes(api)
	m.rateRoutes(api)
	m.leaderRoutes(api)
}

type campaignsResult struct {
	Campaigns []referralapi.Campaign `json:"campaigns"`
}

func (m *Module) getCampaigns(ctx context.Context, _ *struct {
	SiteSlug string `query:"site_slug"`
}) (*web.OK[campaignsResult], error) {
	s := web.From(ctx).Site
	if _, err := m.catalog.of(ctx, s.ID); err != nil { // where they are shown
		return nil, err
	}
	list, err := campaignsOf(ctx, m.db, s.ID, m.now())
	if err != nil {
		return nil, err
	}
	out := campaignsResult{Campaigns: []referralapi.Campaign{}}
	for _, c := range list {
		out.Campaigns = append(out.Campaigns, m.presentCampaign(c, s.Zone))
	}
	return web.Answer(out), nil
}

type postCampaignInput struct{ Body campaignInput }

type campaignResult struct {
	Campaign campaignJSON `json:"campaign"`
}

func (m *Module) postCampaign(ctx context.Context, in *postCampaignInput) (*web.OK[campaignResult], error) {
	req := web.From(ctx)
	c, replayed, err := m.createCampaign(ctx, req.Site, in.Body, publication{KeyID: req.KeyID}, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(campaignResult{c}), nil
}

type campaignPath struct {
	ID int64 `path:"id"`
}

func (m *Module) getCampaign(ctx context.Context, in *campaignPath) (*web.OK[campaignResult], error) {
	c, err := m.readCampaign(ctx, m.db, web.From(ctx).Site.ID, in.ID, m.now())
	if err != nil {
		return nil, err
	}
	return web.Answer(campaignResult{c}), nil
}

type putCampaignInput struct {
	ID   int64 `path:"id"`
	Body campaignInput
}

func (m *Module) putCampaign(ctx context.Context, in *putCampaignInput) (*web.OK[campaignResult], error) {
	req := web.From(ctx)
	c, replayed, err := m.replaceCampaign(ctx, req.Site, in.ID, in.Body, publication{KeyID: req.KeyID}, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(campaignResult{c}), nil
}

type rewardsInput struct {
	SiteSlug    string `query:"site_slug"`
	VisitorUUID string `query:"visitor_uuid" required:"true" doc:"The visitor, as in tkbl_cvuuid"`
	Status      string `query:"status" default:"Paid" doc:"Paid, Unpaid, Voided or All"`
}

type rewardsResult struct {
	Rewards []referralapi.Reward `json:"rewards"`
}

func (m *Module) getRewards(ctx context.Context, in *rewardsInput) (*web.OK[rewardsResult], error) {
	status := in.Status
	states := []string{status}
	switch status {
	case rewardPaid, rewardVoided:
	case rewardUnpaid:
		states = append(states, rewardWaiting)
	case "All":
		states = nil
	default:
		return nil, fault.New(fault.Invalid, "invalid_status", "`status` must be Paid, Unpaid, Voided or All").At("query.status", "is none of them")
	}
	out := rewardsResult{Rewards: []referralapi.Reward{}}
	if v, ok := visitorOf(in.VisitorUUID); ok {
		s := web.From(ctx).Site
		list, err := rewardsOfVisitor(ctx, m.db, s.ID, v, states)
		if err != nil {
			return nil, err
		}
		for _, w := range list {
			out.Rewards = append(out.Rewards, w.present(m.now(), s.Zone))
		}
	}
	return web.Answer(out), nil
}
