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
