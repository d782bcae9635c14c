package referral

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) testDataRoutes(api huma.API) {
	const path = "/api/v2/campaigns/{id}/test_data"
	huma.Register(api, huma.Operation{OperationID: "getTestData", Method: http.MethodGet, Path: path, Tags: []string{"Campaigns"},
		Summary: "Read what a test campaign has made", Description: "How many offers, referrals and rewards there are that dropTestData would drop, and how far the last such drop is. " +
			"404 if the site has no such campaign."}, m.getTestData)
	huma.Register(api, huma.Operation{OperationID: "dropTestData", Method: http.MethodPost, Path: path + "/drop", Tags: []string{"Campaigns"},
		Summary: "Drop what a test campaign has made", Description: "In the background, a set at a time: its referrals are voided and superseded, so their friends are free and their orders are " +
			"nobody's; what they and sharing or signing up earned is taken back; its offers end with their links and codes, and whoever comes again gets a new one. The answer " +
			"says what there was; with `dry_run=true` nothing is done. Nothing of another campaign is touched, and a campaign that was ever open to others is refused. A coupon that a friend " +
			"got for a click stays the friend's, and a payout that was made stays made. Asked again while it goes on, nothing changes. Takes an Idempotency-Key. 404 if the site has no such campaign, 409 " +
			"`campaign_not_test` if it is not in Test, or was anything else before."}, m.postTestDrop)
}

type testDataResult struct {
	TestData testData `json:"test_data"`
}

func (m *Module) getTestData(ctx context.Context, in *campaignPath) (*web.OK[testDataResult], error) {
	out, err := testDataOf(ctx, m.db, web.From(ctx).Site.ID, in.ID, m.now())
	if err != nil {
		return nil, err
	}
	return web.Answer(testDataResult{out}), nil
}

func (m *Module) postTestDrop(ctx context.Context, in *struct {
	ID   int64         `path:"id"`
	Body *web.SiteBody `required:"false"`
}) (*web.OK[testDataResult], error) {
	req := web.From(ctx)
	out, replayed, err := m.askTestDrop(ctx, req.Site.ID, in.ID, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(testDataResult{out}), nil
}
