package referral

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) personalRoutes(api huma.API) {
	tags, path := []string{"Coupons"}, "/api/v2/offers/{code}/personal_coupons"
	huma.Register(api, huma.Operation{OperationID: "listPersonalCoupons", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List the codes of an advocate's own", Description: "All codes that an offer ever had, the newest first, and how often each was used. They all work, until they " +
			"expire or are ended. 404 if the site has no such offer."}, m.getPersonal)
	huma.Register(api, huma.Operation{OperationID: "makePersonalCoupon", Method: http.MethodPost, Path: path, Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Give an offer another code of the advocate's own", Description: "The offer shows it from now on; the codes before go on working. Codes are compared without the case of ASCII " +
			"letters and are unique over all coupons of the site. An order with the code is a referral by the offer's advocate, as the campaign's `attribution` says. " +
			"The shop has to be told of the code. Takes an Idempotency-Key. 404 if the site has no such offer; 409 if its campaign has no `personal_coupons`, if the code is " +
			"taken, and when the offer has 20."}, m.postPersonal)
	huma.Register(api, huma.Operation{OperationID: "endCoupon", Method: http.MethodPost, Path: "/api/v2/coupons/{code}/expire", Tags: tags,
		Summary: "End a coupon", Description: "It expires now: permission is refused, orders with it are no referral, and a list hands it out no more. " +
			"One that has ended stays as it is. A code with slashes is escaped. Takes an Idempotency-Key. 404 if the site has no such coupon."}, m.postEndCoupon)
}

// personalJSON is a code of an offer.
type personalJSON struct {
	ID           int64      `json:"id"`
	Code         string     `json:"code"`
	OfferID      int64      `json:"offer_id"`
	CouponListID int64      `json:"coupon_list_id"`
	Current      bool       `json:"current" doc:"The offer shows this one"`
	Chosen       bool       `json:"chosen" doc:"In somebody's own words, not drawn"`
	Usages       int64      `json:"usages" doc:"Orders that came with it"`
	ExpiresAt    *time.Time `json:"expires_at"`
	MadeAt       time.Time  `json:"made_at"`
}

func showPersonal(c personalCoupon, current string, usages int64, expires *time.Time) personalJSON {
	return personalJSON{ID: c.ID, Code: c.Code, OfferID: c.OfferID, CouponListID: c.ListID, Current: c.Code == current, Chosen: c.Chosen, Usages: usages,
		ExpiresAt: instant(expires), MadeAt: c.MadeAt.UTC()}
}

type personalListResult struct {
	PersonalCoupons []personalJSON `json:"personal_coupons"`
}

func (m *Module) getPersonal(ctx context.Context, in *struct {
	Code string `path:"code"`
}) (*web.OK[personalListResult], error) {
	s := web.From(ctx).Site
	o, _, err := m.knownOffer(ctx, s, in.Code)
	if err != nil {
		return nil, err
	}
	rows, err := personalOf(ctx, m.db, s.ID, o.ID)
	if err != nil {
		return nil, err
	}
	out := personalListResult{PersonalCoupons: []personalJSON{}}
	for _, r := range rows {
		out.PersonalCoupons = append(out.PersonalCoupons, showPersonal(r.personalCoupon, o.CouponCode, r.Usages, r.ExpiresAt))
	}
	return web.Answer(out), nil
}

type personalResult struct {
	PersonalCoupon personalJSON `json:"personal_coupon"`
}

func (m *Module) postPersonal(ctx context.Context, in *struct {
	Code string `path:"code"`
	Body chooseInput
}) (*web.OK[personalResult], error) {
	req := web.From(ctx)
	c, replayed, err := m.choose(ctx, req.Site, in.Code, in.Body, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(personalResult{c}), nil
}

type endedResult struct {
	Coupon endedCoupon `json:"coupon"`
}

func (m *Module) postEndCoupon(ctx context.Context, in *struct {
	Code string `path:"code"`
	Body web.SiteBody
}) (*web.OK[endedResult], error) {
	req := web.From(ctx)
	c, replayed, err := m.endCoupon(ctx, req.Site.ID, req.KeyID, in.Code, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(endedResult{c}), nil
}
