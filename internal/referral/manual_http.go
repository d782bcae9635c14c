package referral

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) manualRoutes(api huma.API) {
	referrals := []string{"Referrals"}
	huma.Register(api, huma.Operation{OperationID: "createReferral", Method: http.MethodPost, Path: "/api/v2/referrals", Tags: referrals, DefaultStatus: http.StatusCreated,
		Summary: "Make a referral by hand", Description: "For a purchase or event that no link led to. The fraud rules judge it like any other, and the campaign says when it is approved; " +
			"`force` overrules both the rules and a campaign that wasn't live, and keeps what they said. The same again changes nothing. Takes an Idempotency-Key. " +
			"404 for an unknown person, purchase, event or campaign; 400 if nobody is known to have done it, only a browser told of it, it was refunded, or " +
			"the advocate did it; 409 if it has made a referral already, or the friend has another in this campaign."}, m.postReferral)
	huma.Register(api, huma.Operation{OperationID: "reattributeReferral", Method: http.MethodPost, Path: "/api/v2/referrals/{id}/reattribution", Tags: referrals,
		Summary: "Give a referral to another advocate", Description: "The referral is voided, also if it was approved, and all that it earned is taken back; another one is made for the same purchase or event, " +
			"judged by the fraud rules like any other (`force` overrules them). Takes an Idempotency-Key. 404 for an unknown referral or person, 409 if another " +
			"one has taken its place already, 400 as when one is made by hand."}, m.postReattribution)
	huma.Register(api, huma.Operation{OperationID: "listAudit", Method: http.MethodGet, Path: "/api/v2/audit", Tags: []string{"Audit"},
		Summary: "List what was decided and changed by hand", Description: "Every decision about referrals, and every change of campaigns (versions, links, limits), fraud " +
			"policies, decision hooks, commission plans, placements, sharing channels, and of the site's settings and look: which key asked for it, why, and what was before and after, " +
			"in short where it is long: all that a version changed stands in the campaign's versions. Newest first; nothing in it is ever changed."}, m.getAudit)
}

func (m *Module) postReferral(ctx context.Context, in *struct{ Body manualInput }) (*web.OK[referralResult], error) {
	req := web.From(ctx)
	r, replayed, err := m.referByHand(ctx, req.Site, req.KeyID, in.Body, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(referralResult{r}), nil
}

func (m *Module) postReattribution(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body reattributionInput
}) (*web.OK[referralResult], error) {
	req := web.From(ctx)
	r, replayed, err := m.reattribute(ctx, req.Site, in.ID, req.KeyID, in.Body, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(referralResult{r}), nil
}

type auditResult struct {
	Audit      []auditLine `json:"audit"`
	NextCursor *string     `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) getAudit(ctx context.Context, in *struct {
	Subject   string `query:"subject" doc:"As in the answer; any when left out"`
	SubjectID int64  `query:"subject_id" default:"-1" doc:"The referral, the campaign or the commission plan; 0 for what is the site's"`
	Action    string `query:"action" doc:"As referral.approved"`
	web.Page
}) (*web.OK[auditResult], error) {
	f := auditFilter{subject: in.Subject, action: in.Action}
	if in.SubjectID != -1 {
		f.subjectID = &in.SubjectID
	}
	list, next, err := m.audits(ctx, web.From(ctx).Site.ID, f, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	return web.Answer(auditResult{list, next}), nil
}
