package loyalty

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/loyalty/hindsight"
	"github.com/talkable/talkable/internal/web"
)

func (m *Module) backtestRoutes(api huma.API) {
	const path = "/api/v2/loyalty/backtests"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "createBacktest", Method: http.MethodPost, Path: path, Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Play past orders by another loyalty programme", Description: "What the site's people bought, returned and redeemed is played by the programme that is sent, beside the one in force, or by two " +
			"that are sent: points, tiers, multipliers, redemptions, refunds and expiry, as they would have been decided. In the background, in memory; nothing of the site is changed. A site has one at a time, of at most " +
			"1,000,000 orders and events; after ten minutes it fails. Reports are kept for 30 days, the last 50 of a site. `docs/backtest.md` says what is taken for granted. Takes `Idempotency-Key`. " +
			"Errors: 400 `invalid_backtest` with a finding for each place, 409 `backtest_running`."}, m.postBacktest)
	huma.Register(api, huma.Operation{OperationID: "listBacktests", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List backtests", Description: "Newest first."}, m.listBacktests)
	huma.Register(api, huma.Operation{OperationID: "getBacktest", Method: http.MethodGet, Path: path + "/{id}", Tags: tags,
		Summary: "Read how far a backtest is", Description: "Errors: 404 `backtest_not_found`."}, m.getBacktest)
	huma.Register(api, huma.Operation{OperationID: "cancelBacktest", Method: http.MethodPost, Path: path + "/{id}/cancel", Tags: tags,
		Summary: "Cancel a backtest", Description: "One that waits or is played: it ends within seconds, without a report. One that is over stays as it ended. Takes `Idempotency-Key`. Errors: 404 `backtest_not_found`."}, m.postCancelBacktest)
	huma.Register(api, huma.Operation{OperationID: "getBacktestReport", Method: http.MethodGet, Path: path + "/{id}/report", Tags: tags,
		Summary: "Read what came of a backtest", Description: "Cost, liability by month, breakage, tiers, and who would win and lose. `format`, or the header `Accept`, chooses JSON, CSV (`text/csv`) of the months, or `html` " +
			"for a page with charts. It is an estimate of cost, not a forecast. Errors: 404 `backtest_not_found`, 409 `backtest_not_done`.",
		Responses: inForms[backtestReportAnswer](api, "The report", csvType, htmlType)}, m.getBacktestReport)
	huma.Register(api, huma.Operation{OperationID: "getBacktestPeople", Method: http.MethodGet, Path: path + "/{id}/people", Tags: tags,
		Summary: "Read where each person is at the end of a backtest", Description: "As CSV, by the platform's number of the person: points earned, redeemed, expired, left and pending by each programme, and the tier. " +
			"Up to 200,000 people are listed. Errors: 404 `backtest_not_found`, 409 `backtest_not_done`, `too_many_people`.",
		Responses: map[string]*huma.Response{"200": {Description: "The people", Content: map[string]*huma.MediaType{csvType: {Schema: &huma.Schema{Type: huma.TypeString}}}}}}, m.getBacktestPeople)
}

type backtestAnswer struct {
	Backtest backtestView `json:"backtest"`
}

type backtestsAnswer struct {
	Backtests  []backtestView `json:"backtests"`
	NextCursor *string        `json:"next_cursor" doc:"null on the last page"`
}

type backtestReportAnswer struct {
	Report hindsight.Report `json:"report"`
}

func (m *Module) postBacktest(ctx context.Context, in *struct {
	Body struct {
		web.SiteBody
		Programmes []programBody `json:"programmes" minItems:"1" maxItems:"2" doc:"One, which is compared with the programme in force, or two"`
		BacktestAsk
	}
}) (*web.OK[backtestAnswer], error) {
	req := web.From(ctx)
	drafts, err := askedWith(in.Body.Programmes, in.Body.BacktestAsk, req.Site)
	if err != nil {
		return nil, err
	}
	out, replayed, err := m.askBacktest(ctx, req.Site, drafts, in.Body.BacktestAsk, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(backtestAnswer{out}), nil
}

func (m *Module) listBacktests(ctx context.Context, in *struct{ web.Page }) (*web.OK[backtestsAnswer], error) {
	site := web.From(ctx).Site.ID
	const list = "backtests"
	from := struct {
		ID int64 `json:"id"`
	}{math.MaxInt64}
	if _, err := m.cursors.Decode(site, list, in.Cursor, &from); err != nil {
		return nil, err
	}
	found, err := backtestsOf(ctx, m.db, site, from.ID, in.Limit+1)
	if err != nil {
		return nil, err
	}
	answer := backtestsAnswer{Backtests: []backtestView{}}
	for i, b := range found {
		if i == in.Limit {
			from.ID = found[i-1].ID
			next := m.cursors.Encode(site, list, from)
			answer.NextCursor = &next
			break
		}
		v, err := b.view()
		if err != nil {
			return nil, err
		}
		answer.Backtests = append(answer.Backtests, v)
	}
	return web.Answer(answer), nil
}

func (m *Module) getBacktest(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*web.OK[backtestAnswer], error) {
	b, err := backtestOf(ctx, m.db, web.From(ctx).Site.ID, in.ID, "")
	if err != nil {
		return nil, err
	}
	v, err := b.view()
	if err != nil {
		return nil, err
	}
	return web.Answer(backtestAnswer{v}), nil
}

func (m *Module) postCancelBacktest(ctx context.Context, in *struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct{ web.SiteBody }
}) (*web.OK[backtestAnswer], error) {
	req := web.From(ctx)
	out, replayed, err := m.cancelBacktest(ctx, req.Site.ID, in.ID, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(backtestAnswer{out}), nil
}

// reportPart reads a part of the report of a backtest that is done.
func (m *Module) reportPart(ctx context.Context, site, id int64, name string) ([]byte, error) {
	b, err := backtestOf(ctx, m.db, site, id, "")
	switch {
	case err != nil:
		return nil, err
	case b.State != testDone:
		return nil, errTestNotDone
	case name == partPeople && !b.Listed:
		return nil, errNotListed
	}
	return reportFile(ctx, m.db, site, id, name)
}

func (m *Module) getBacktestReport(ctx context.Context, want *struct {
	ID int64 `path:"id" minimum:"1"`
	Form
}) (*formed, error) {
	form, err := want.wanted("csv", "html")
	if err != nil {
		return nil, err
	}
	part := map[string]string{"json": partJSON, "csv": partMonths, "html": partHTML}[form]
	body, err := m.reportPart(ctx, web.From(ctx).Site.ID, want.ID, part)
	if err != nil {
		return nil, err
	}
	if form != "json" {
		return file(fmt.Sprintf("backtest-%d", want.ID), form, body), nil
	}
	var r hindsight.Report
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("report of backtest %d: %w", want.ID, err)
	}
	return &formed{ContentType: "application/json", Body: web.Answer(backtestReportAnswer{r}).Body}, nil
}

func (m *Module) getBacktestPeople(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*formed, error) {
	body, err := m.reportPart(ctx, web.From(ctx).Site.ID, in.ID, partPeople)
	if err != nil {
		return nil, err
	}
	return file(fmt.Sprintf("backtest-%d-people", in.ID), "csv", body), nil
}
