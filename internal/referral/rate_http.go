package referral

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/web"
)

const maxRates = 1000

func (m *Module) rateRoutes(api huma.API) {
	tags := []string{"Commissions"}
	huma.Register(api, huma.Operation{OperationID: "putExchangeRates", Method: http.MethodPut, Path: "/api/v2/exchange_rates/{day}", Tags: tags,
		Summary: "Tell a day's exchange rates",
		Description: "Commissions in another currency than an order's are converted by the rate of the order's day (UTC), and wait until it is told. A rate holds in its " +
			"direction only. Rates that are there already are changed; what was converted keeps its rate. Takes an Idempotency-Key."}, m.putRates)
	huma.Register(api, huma.Operation{OperationID: "getExchangeRates", Method: http.MethodGet, Path: "/api/v2/exchange_rates/{day}", Tags: tags,
		Summary: "Read a day's exchange rates", Description: "All that were told for the day (UTC); an empty list if none were."}, m.getRates)
}

type ratesBody struct {
	web.SiteBody
	Rates []rateInput `json:"rates" doc:"1 to 1000"`
}

type rateInput struct {
	From string       `json:"from" example:"EUR"`
	To   string       `json:"to" example:"USD"`
	Rate money.Number `json:"rate" doc:"What one unit of from is worth in to; at most 10 decimals" example:"1.0834"`
}

type rateJSON struct {
	From string `json:"from"`
	To   string `json:"to"`
	Rate string `json:"rate"`
}

type ratesResult struct {
	Day   string     `json:"day"`
	Rates []rateJSON `json:"rates"`
}

// checkDay reads a day of a path.
func checkDay(text string) error {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil || at.Year() < 1970 || at.Year() > 9999 {
		return fault.New(fault.Invalid, "invalid_day", "The day must be like 2026-11-23.").At("path.day", "is no day")
	}
	return nil
}

func (in ratesBody) rows(day string) ([]rateRow, error) {
	var f findings
	if len(in.Rates) < 1 || len(in.Rates) > maxRates {
		f.add("/rates", "must be 1 to %d", maxRates)
		return nil, f.refusal("invalid_exchange_rates", "exchange rates")
	}
	var out []rateRow
	seen := map[rateRow]bool{}
	for n, r := range in.Rates {
		at, row := "/rates/"+itoa(int64(n)), rateRow{Day: day, Source: r.From, Target: r.To}
		if _, ok := money.Digits(r.From); !ok {
			f.add(at+"/from", "must be an ISO 4217 code")
		}
		if _, ok := money.Digits(r.To); !ok {
			f.add(at+"/to", "must be an ISO 4217 code")
		}
		if r.From == r.To || seen[row] {
			f.add(at+"/to", "must be another currency, and each pair there once")
		}
		seen[row] = true
		if row.Rate = rateOf(string(r.Rate)); row.Rate == 0 {
			f.add(at+"/rate", "must be a plain decimal of more than 0 and less than 100000000, with at most 10 decimals")
		}
		out = append(out, row)
	}
	return out, f.refusal("invalid_exchange_rates", "exchange rates")
}

func (m *Module) readRates(ctx context.Context, siteID int64, day string) (ratesResult, error) {
	list, err := ratesOfDay(ctx, m.db, siteID, day)
	return showRates(day, list), err
}

func showRates(day string, list []rateRow) ratesResult {
	out := ratesResult{Day: day, Rates: []rateJSON{}}
	for _, r := range list {
		out.Rates = append(out.Rates, rateJSON{r.Source, r.Target, rateText(r.Rate)})
	}
	return out
}

func (m *Module) saveDay(ctx context.Context, siteID, keyID int64, day string, list []rateRow, k idempotency.Key) (out ratesResult, replayed bool, err error) {
	replayed, err = m.once(ctx, siteID, k, &out, func(u *bus.Unit) error {
		if err := saveRates(ctx, u.Tx, u.Now, siteID, keyID, list); err != nil {
			return err
		}
		now, err := ratesOfDay(ctx, u, siteID, day)
		out = showRates(day, now)
		return err
	})
	return out, replayed, err
}

func (m *Module) putRates(ctx context.Context, in *struct {
	Day  string `path:"day" example:"2026-11-23"`
	Body ratesBody
}) (*web.OK[ratesResult], error) {
	req := web.From(ctx)
	if err := checkDay(in.Day); err != nil {
		return nil, err
	}
	list, err := in.Body.rows(in.Day)
	if err != nil {
		return nil, err
	}
	out, replayed, err := m.saveDay(ctx, req.Site.ID, req.KeyID, in.Day, list, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}

func (m *Module) getRates(ctx context.Context, in *struct {
	Day string `path:"day" example:"2026-11-23"`
}) (*web.OK[ratesResult], error) {
	if err := checkDay(in.Day); err != nil {
		return nil, err
	}
	out, err := m.readRates(ctx, web.From(ctx).Site.ID, in.Day)
	if err != nil {
		return nil, err
	}
	return web.Answer(out), nil
}
