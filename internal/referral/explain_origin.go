package referral

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

// originExplanation is all that is kept about what a purchase or event came to.
type originExplanation struct {
	OriginID    int64            `json:"origin_id"`
	Attribution *attributionJSON `json:"attribution" doc:"The decision, and every link, code and claim that was considered; null: there is none, or it was made by hand"`
	Referral    *explanation     `json:"referral" doc:"The referral that counts for it, as its own explain shows it; null: there is none"`
	Commissions []commissionJSON `json:"commissions" doc:"What it earned an advocate; also an order of a friend who was referred before, where a plan goes on paying"`
	Unpaid      []followingJSON  `json:"unpaid_plans" doc:"Plans that went on paying for this friend's orders and didn't pay for this one, each with the reason"`
}

func (m *Module) explainRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "explainOrigin", Method: http.MethodGet, Path: "/api/v2/origins/{id}/explain", Tags: []string{"Referrals"},
		Summary: "Why a purchase or event has the referral and rewards that it has", Description: "How its advocate was found, or why there is none; what each fraud rule saw; every status of its referral and " +
			"who asked for it; what it earned, and what not, and why. All of it from what was kept at the time. 404 while there is nothing."}, m.getOriginExplanation)
}

// originPath names an origin as merchants know it: support has an order number, programs have the id.
type originPath struct {
	ID string `path:"id" maxLength:"1000" doc:"The origin's id; or its order number, or event_category:event_number. Plain digits are an id, unless by says otherwise" example:"21"`
	By string `query:"by" enum:"id,slug" doc:"slug: digits, too, are an order number" example:"slug"`
}

// origin finds the id.
func (m *Module) origin(ctx context.Context, siteID int64, in originPath) (int64, error) {
	id, err := strconv.ParseInt(in.ID, 10, 64)
	switch {
	case in.By == "" && err == nil, in.By == "id" && err == nil:
		return id, nil
	case in.By == "id":
		return 0, errNoOrigin
	case m.facts == nil:
		return 0, errFactsMissing
	}
	told, err := m.facts.ToldOrigin(ctx, siteID, in.ID)
	return told.OriginID, unknown(err, errNoOrigin)
}

func (m *Module) getOriginExplanation(ctx context.Context, in *originPath) (*web.OK[originExplanation], error) {
	siteID := web.From(ctx).Site.ID
	id, err := m.origin(ctx, siteID, *in)
	if err != nil {
		return nil, err
	}
	out := originExplanation{OriginID: id}
	a, err := attributionOf(ctx, m.db, siteID, id)
	if err != nil {
		return nil, err
	}
	if a != nil {
		shown := a.json()
		out.Attribution = &shown
	}
	r, err := referralOf(ctx, m.db, siteID, id)
	if err != nil {
		return nil, err
	}
	paid, err := commissionsOfOrigin(ctx, m.db, siteID, id)
	if err != nil {
		return nil, err
	}
	out.Commissions = make([]commissionJSON, len(paid))
	for i := range paid {
		out.Commissions[i] = paid[i].json()
	}
	if r == nil && a == nil {
		return nil, errNoAttribution
	}
	if out.Unpaid, err = m.unpaidBy(ctx, a); err != nil {
		return nil, err
	}
	if r != nil {
		e, err := m.explain(ctx, siteID, r.ID)
		if err != nil {
			return nil, err
		}
		e.Attribution, out.Referral = nil, &e // it stands beside it
	}
	return web.Answer(out), nil
}
