package referral

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) commissionRoutes(api huma.API) {
	tags := []string{"Commissions"}
	huma.Register(api, huma.Operation{OperationID: "listCommissionPlans", Method: http.MethodGet, Path: "/api/v2/commission_plans", Tags: tags,
		Summary: "List commission plans", Description: "Newest first."}, m.getPlans)
	huma.Register(api, huma.Operation{OperationID: "createCommissionPlan", Method: http.MethodPost, Path: "/api/v2/commission_plans", Tags: tags,
		Summary: "Create a commission plan", DefaultStatus: http.StatusCreated,
		Description: "Says what advocates are paid for their friends' orders: percentages or amounts by product, category and order, caps, later orders, and how long " +
			"payouts wait. An incentive of kind commission names it by `commission_plan_id`. Takes an Idempotency-Key. 400 with a pointer to each place that is wrong."}, m.postPlan)
	huma.Register(api, huma.Operation{OperationID: "getCommissionPlan", Method: http.MethodGet, Path: "/api/v2/commission_plans/{id}", Tags: tags,
		Summary: "Read a commission plan", Description: "404 if the site has no such plan."}, m.getPlan)
	huma.Register(api, huma.Operation{OperationID: "replaceCommissionPlan", Method: http.MethodPut, Path: "/api/v2/commission_plans/{id}", Tags: tags,
		Summary: "Change a commission plan",
		Description: "Replaces the terms and counts the version up. Orders that came before keep theirs; for how long a friend's orders are paid was decided at the first. " +
			"Takes an Idempotency-Key. 404 if the site has no such plan."}, m.putPlan)
	huma.Register(api, huma.Operation{OperationID: "listCommissions", Method: http.MethodGet, Path: "/api/v2/commissions", Tags: tags,
		Summary: "List commissions", Description: "Newest first: of the site, or of a person; in a status, or in any."}, m.getCommissions)
	huma.Register(api, huma.Operation{OperationID: "explainCommission", Method: http.MethodGet, Path: "/api/v2/commissions/{id}", Tags: tags,
		Summary: "Why a commission is what it is",
		Description: "The terms and the order as they were seen: each line with its rule, the exchange rate, the caps that were hit; its entries in the account, and the payout " +
			"that took it; of a plan that pays for later orders, whether it goes on, or why it stopped. 404 if the site has no such commission."}, m.getCommission)
	huma.Register(api, huma.Operation{OperationID: "holdCommission", Method: http.MethodPost, Path: "/api/v2/commissions/{id}/hold", Tags: tags,
		Summary: "Keep a commission from payouts", Description: "Until it is released. Takes an Idempotency-Key. 404 if the site has no such commission, 409 if it isn't earned or a payout " +
			"has taken it."}, m.postHold)
	huma.Register(api, huma.Operation{OperationID: "releaseCommission", Method: http.MethodPost, Path: "/api/v2/commissions/{id}/release", Tags: tags,
		Summary: "End a commission's hold", Description: "The next payout takes it. One that isn't on hold stays as it is. Takes an Idempotency-Key. 404 if the site has no such commission."}, m.postRelease)
	huma.Register(api, huma.Operation{OperationID: "getCommissionAccount", Method: http.MethodGet, Path: "/api/v2/commission_accounts/{person_id}", Tags: tags,
		Summary: "Read what a person has earned", Description: "By currency: the balance, what is on hold, what a payout has reserved, what the next one takes, and what waits for an exchange " +
			"rate. 404 if nobody of the site is known by this id to have earned."}, m.getAccount)
	huma.Register(api, huma.Operation{OperationID: "listAccountEntries", Method: http.MethodGet, Path: "/api/v2/commission_accounts/{person_id}/entries", Tags: tags,
		Summary: "Read the history of a person's account", Description: "All entries in a currency, newest first, each with the balance after it. 404 as for the account."}, m.getEntries)
	huma.Register(api, huma.Operation{OperationID: "adjustAccount", Method: http.MethodPost, Path: "/api/v2/commission_accounts/{person_id}/adjustments", Tags: tags,
		Summary: "Give or take money of a person's account", DefaultStatus: http.StatusCreated,
		Description: "Adds an entry with a note. Takes an Idempotency-Key. 404 if the site has no such person."}, m.postAdjustment)
}

type plansResult struct {
	Plans      []commissionPlanJSON `json:"commission_plans"`
	NextCursor *string              `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) getPlans(ctx context.Context, in *struct{ web.Page }) (*web.OK[plansResult], error) {
	siteID := web.From(ctx).Site.ID
	list, next, err := listPage(m, siteID, "commission plans", in.Page, func(before int64, limit int) ([]commissionPlan, error) {
		return plansBefore(ctx, m.db, siteID, before, limit)
	}, func(p *commissionPlan) (int64, commissionPlanJSON) { return p.ID, p.json() })
	if err != nil {
		return nil, err
	}
	return web.Answer(plansResult{list, next}), nil
}

// listPage is a page of a list that goes from new to old by ids.
func listPage[T, J any](m *Module, siteID int64, name string, p web.Page, read func(before int64, limit int) ([]T, error), show func(*T) (int64, J)) (out []J, next *string, err error) {
	before := int64(0)
	if _, err := m.cursors.Decode(siteID, name, p.Cursor, &before); err != nil {
		return nil, nil, err
	}
	rows, err := read(before, p.Limit+1)
	if err != nil {
		return nil, nil, err
	}
	out = []J{}
	for i := range rows[:min(len(rows), p.Limit)] {
		id, one := show(&rows[i])
		if out = append(out, one); i == p.Limit-1 && len(rows) > p.Limit {
			c := m.cursors.Encode(siteID, name, id)
			next = &c
		}
	}
	return out, next, nil
}

// replay answers, and says whether the answer is an earlier one.
func replay[T any](ctx context.Context, out T, replayed bool, err error) (*web.OK[T], error) {
	if err != nil {
		return nil, err
	}
	web.From(ctx).MarkReplayed(replayed)
	return web.Answer(out), nil
}

type planResult struct {
	Plan commissionPlanJSON `json:"commission_plan"`
}

func (m *Module) postPlan(ctx context.Context, in *struct{ Body commissionPlanInput }) (*web.OK[planResult], error) {
	req := web.From(ctx)
	p, replayed, err := m.saveCommissionPlan(ctx, req.Site, req.KeyID, 0, in.Body, req.Idempotency)
	return replay(ctx, planResult{p}, replayed, err)
}

type planPath struct {
	ID int64 `path:"id"`
}

func (m *Module) getPlan(ctx context.Context, in *planPath) (*web.OK[planResult], error) {
	p, err := planByID(ctx, m.db, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(planResult{p.json()}), nil
}

func (m *Module) putPlan(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body commissionPlanInput
}) (*web.OK[planResult], error) {
	req := web.From(ctx)
	if in.ID <= 0 {
		return nil, errNoPlan
	}
	p, replayed, err := m.saveCommissionPlan(ctx, req.Site, req.KeyID, in.ID, in.Body, req.Idempotency)
	return replay(ctx, planResult{p}, replayed, err)
}

type commissionsResult struct {
	Commissions []commissionJSON `json:"commissions"`
	NextCursor  *string          `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) getCommissions(ctx context.Context, in *struct {
	PersonID int64  `query:"person_id" minimum:"0" doc:"Who earned"`
	Status   string `query:"status" doc:"pending, waiting, earned or voided"`
	web.Page
}) (*web.OK[commissionsResult], error) {
	siteID := web.From(ctx).Site.ID
	if err := checkCommissionStatus(in.Status); err != nil {
		return nil, err
	}
	var people []int64
	if in.PersonID != 0 {
		var err error
		if people, err = m.idsOf(ctx, siteID, in.PersonID); err != nil {
			return nil, err
		}
	}
	name := "commissions " + in.Status + itoa(in.PersonID)
	list, next, err := listPage(m, siteID, name, in.Page, func(before int64, limit int) ([]commission, error) {
		return commissionsBefore(ctx, m.db, siteID, people, in.Status, before, limit)
	}, func(c *commission) (int64, commissionJSON) { return c.ID, c.json() })
	if err != nil {
		return nil, err
	}
	return web.Answer(commissionsResult{list, next}), nil
}

type commissionPath struct {
	ID int64 `path:"id"`
}

func (m *Module) getCommission(ctx context.Context, in *commissionPath) (*web.OK[explainedCommission], error) {
	out, err := m.explainCommission(ctx, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(out), nil
}

type commissionResult struct {
	Commission commissionJSON `json:"commission"`
}

type commissionReason struct {
	ID   int64 `path:"id"`
	Body reasonInput
}

func (m *Module) postHold(ctx context.Context, in *commissionReason) (*web.OK[commissionResult], error) {
	req := web.From(ctx)
	c, replayed, err := m.holdOne(ctx, req.Site.ID, req.KeyID, in.ID, in.Body, req.Idempotency)
	return replay(ctx, commissionResult{c}, replayed, err)
}

func (m *Module) postRelease(ctx context.Context, in *commissionReason) (*web.OK[commissionResult], error) {
	req := web.From(ctx)
	c, replayed, err := m.releaseOne(ctx, req.Site.ID, req.KeyID, in.ID, in.Body, req.Idempotency)
	return replay(ctx, commissionResult{c}, replayed, err)
}

type accountPath struct {
	PersonID int64 `path:"person_id"`
}

type accountResult struct {
	PersonID int64         `json:"person_id"`
	Accounts []accountJSON `json:"accounts" doc:"One for each currency"`
}

func (m *Module) getAccount(ctx context.Context, in *accountPath) (*web.OK[accountResult], error) {
	list, err := m.accountsOf(ctx, web.From(ctx).Site.ID, in.PersonID)
	if err != nil {
		return nil, err
	}
	return web.Answer(accountResult{in.PersonID, list}), nil
}

type entriesResult struct {
	Entries    []entryJSON `json:"entries"`
	NextCursor *string     `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) getEntries(ctx context.Context, in *struct {
	PersonID int64  `path:"person_id"`
	Currency string `query:"currency" required:"true" example:"USD"`
	web.Page
}) (*web.OK[entriesResult], error) {
	siteID := web.From(ctx).Site.ID
	if _, err := m.accountsOf(ctx, siteID, in.PersonID); err != nil {
		return nil, err
	}
	people, err := m.idsOf(ctx, siteID, in.PersonID)
	if err != nil {
		return nil, err
	}
	name := "account entries of " + itoa(in.PersonID) + in.Currency
	list, next, err := listPage(m, siteID, name, in.Page, func(before int64, limit int) ([]entry, error) {
		return entriesBefore(ctx, m.db, siteID, people, in.Currency, before, limit)
	}, func(e *entry) (int64, entryJSON) { return e.ID, e.json() })
	if err != nil {
		return nil, err
	}
	return web.Answer(entriesResult{list, next}), nil
}

type adjustmentResult struct {
	Account accountJSON `json:"account" doc:"After the adjustment"`
}

func (m *Module) postAdjustment(ctx context.Context, in *struct {
	PersonID int64 `path:"person_id"`
	Body     adjustmentInput
}) (*web.OK[adjustmentResult], error) {
	req := web.From(ctx)
	a, replayed, err := m.adjust(ctx, req.Site.ID, req.KeyID, in.PersonID, in.Body, req.Idempotency)
	return replay(ctx, adjustmentResult{a}, replayed, err)
}
