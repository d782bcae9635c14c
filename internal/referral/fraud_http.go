package referral

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) fraudRoutes(api huma.API) {
	fraud, referrals := []string{"Fraud"}, []string{"Referrals"}
	huma.Register(api, huma.Operation{OperationID: "listFraudProfiles", Method: http.MethodGet, Path: "/api/v2/fraud/profiles", Tags: fraud,
		Summary: "List fraud rules and profiles", Description: "Every rule with its exact definition, and every named profile with what it does about each."}, m.getProfiles)
	huma.Register(api, huma.Operation{OperationID: "getFraudPolicy", Method: http.MethodGet, Path: "/api/v2/fraud/policy", Tags: fraud,
		Summary: "Read the site's fraud policy", Description: "The profile, what is done about each rule, thresholds and lists. Where nothing was set the profile is basic."}, m.getSitePolicy)
	huma.Register(api, huma.Operation{OperationID: "replaceFraudPolicy", Method: http.MethodPut, Path: "/api/v2/fraud/policy", Tags: fraud,
		Summary: "Set the site's fraud policy", Description: "Takes an Idempotency-Key. Replaces all of it; what is left out is as the profile has it, or empty. It holds for " +
			"purchases from now on (in other processes within five seconds); verdicts that were given stay, with the version they were given under. " +
			"Rules that compare IP addresses, devices, shipping addresses, phones and cards know what was told while such a rule was set, or `observe` was. " +
			"400 with a pointer to each place that is wrong."}, m.putSitePolicy)
	huma.Register(api, huma.Operation{OperationID: "getCampaignFraudPolicy", Method: http.MethodGet, Path: "/api/v2/campaigns/{id}/fraud_policy", Tags: fraud,
		Summary: "Read a campaign's fraud policy", Description: "Profile `site` means that the site's holds. 404 if the site has no such campaign."}, m.getCampaignPolicy)
	huma.Register(api, huma.Operation{OperationID: "replaceCampaignFraudPolicy", Method: http.MethodPut, Path: "/api/v2/campaigns/{id}/fraud_policy", Tags: fraud,
		Summary: "Set a campaign's fraud policy", Description: "Takes an Idempotency-Key. As for the site, which keeps the lists; with profile `site` the campaign has none " +
			"of its own. 404 if the site has no such campaign."}, m.putCampaignPolicy)
	huma.Register(api, huma.Operation{OperationID: "tryFraudPolicy", Method: http.MethodPost, Path: "/api/v2/fraud/what_if", Tags: fraud,
		Summary: "What another fraud policy would have said", Description: "Judges past referrals, the newest first, by another profile, other settings and other thresholds, from the " +
			"evidence that was kept with them, and shows who would get another verdict. Changes nothing. A rule that was skipped then can only be tried where the policy " +
			"had `observe`; `unmeasured` counts the others. Takes an Idempotency-Key."}, m.postWhatIf)
	huma.Register(api, huma.Operation{OperationID: "listReferrals", Method: http.MethodGet, Path: "/api/v2/referrals", Tags: referrals,
		Summary: "List referrals", Description: "Newest first, by their orders' times. Of a status, a campaign, or some days, or of all; `status=flagged` is the queue of what waits for a person. " +
			"`from` and `to` are days of the orders, at most 366, in the site's zone; without either all days count. Another site's campaign has none."}, m.getReferrals)
	huma.Register(api, huma.Operation{OperationID: "resolveReferral", Method: http.MethodPost, Path: "/api/v2/referrals/{id}/resolution", Tags: referrals,
		Summary: "Approve, void, block or unblock a referral", Description: "Takes an Idempotency-Key. Flagged and pending referrals can be approved, voided and blocked; blocked ones " +
			"unblocked, which makes them pending: from then on they go on as the campaign approves. " +
			"Approved and voided are final. The reason and the key are kept in the history. The status that it has changes nothing. " +
			"404 if the site has no such referral, 400 if it can't go there."}, m.postResolution)
	huma.Register(api, huma.Operation{OperationID: "explainReferral", Method: http.MethodGet, Path: "/api/v2/referrals/{id}/explain", Tags: referrals,
		Summary: "Why a referral is what it is", Description: "What each fraud rule saw and said when the referral was made, every status since with who asked for it and why, and how " +
			"the advocate was found. Evidence names persons, origins and visitors by their ids. 404 if the site has no such referral."}, m.getExplanation)
	huma.Register(api, huma.Operation{OperationID: "getReferralGraph", Method: http.MethodGet, Path: "/api/v2/referrals/{id}/graph", Tags: referrals,
		Summary: "Who shares what around a referral", Description: "The people within three steps of the advocate and the friend who were seen with the same browsers, IP addresses, " +
			"devices, shipping addresses, phones or cards, and the shortest path that links the two. Things are named by fingerprints. What more than ten people were seen " +
			"with is marked as common and links nobody. Of a person the last 25 visitors and the last 25 other things count. 404 if the site has no such referral."}, m.getGraph)
}

type profilesResult struct {
	Rules    []ruleJSON    `json:"rules"`
	Profiles []profileJSON `json:"profiles"`
	Usual    thresholds    `json:"thresholds" doc:"Where none are set"`
}

type ruleJSON struct {
	Rule       string `json:"rule"`
	Label      string `json:"label"`
	Version    int    `json:"version"`
	Definition string `json:"definition"`
}

type profileJSON struct {
	Profile     string            `json:"profile"`
	Description string            `json:"description"`
	Rules       map[string]string `json:"rules"`
}

func (m *Module) getProfiles(context.Context, *struct{}) (*web.OK[profilesResult], error) {
	out := profilesResult{Usual: usualThresholds}
	for _, r := range rules {
		out.Rules = append(out.Rules, ruleJSON{r.Name, r.Label, r.Version, r.Definition})
	}
	for _, p := range profiles {
		out.Profiles = append(out.Profiles, profileJSON{p.Name, p.Description, (&policy{Settings: p.Settings}).shown()})
	}
	return web.Answer(out), nil
}

type policyResult struct {
	Policy policyJSON `json:"policy"`
}

func (m *Module) getSitePolicy(ctx context.Context, _ *struct{}) (*web.OK[policyResult], error) {
	p, err := readPolicy(ctx, m.db, web.From(ctx).Site.ID, 0)
	if err != nil {
		return nil, err
	}
	return web.Answer(policyResult{p}), nil
}

func (m *Module) putSitePolicy(ctx context.Context, in *struct{ Body sitePolicyInput }) (*web.OK[policyResult], error) {
	return m.putPolicy(ctx, 0, policyInput{in.Body.RulesBody, in.Body.ListsBody})
}

func (m *Module) putPolicy(ctx context.Context, campaignID int64, in policyInput) (*web.OK[policyResult], error) {
	req := web.From(ctx)
	p, replayed, err := m.replacePolicy(ctx, req.Site, campaignID, req.KeyID, in, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(policyResult{p}), nil
}

func (m *Module) getCampaignPolicy(ctx context.Context, in *campaignPath) (*web.OK[policyResult], error) {
	if in.ID <= 0 {
		return nil, errNoCampaign
	}
	p, err := readPolicy(ctx, m.db, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(policyResult{p}), nil
}

func (m *Module) putCampaignPolicy(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body campaignPolicyInput
}) (*web.OK[policyResult], error) {
	if in.ID <= 0 {
		return nil, errNoCampaign
	}
	return m.putPolicy(ctx, in.ID, policyInput{RulesBody: in.Body.RulesBody})
}

type referralPath struct {
	ID int64 `path:"id"`
}

type referralResult struct {
	Referral referralJSON `json:"referral"`
}

func (m *Module) postResolution(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body resolutionInput
}) (*web.OK[referralResult], error) {
	req := web.From(ctx)
	r, replayed, err := m.resolve(ctx, req.Site, in.ID, req.KeyID, in.Body, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(referralResult{r}), nil
}

func (m *Module) getExplanation(ctx context.Context, in *referralPath) (*web.OK[explanation], error) {
	out, err := m.explain(ctx, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(out), nil
}

func (m *Module) postWhatIf(ctx context.Context, in *struct{ Body whatIfInput }) (*web.OK[whatIf], error) {
	req := web.From(ctx)
	out, replayed, err := m.tryPolicy(ctx, req.Site, in.Body, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}

func (m *Module) getGraph(ctx context.Context, in *referralPath) (*web.OK[graphJSON], error) {
	out, err := m.graph(ctx, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(out), nil
}
