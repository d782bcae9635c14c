package loyalty

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/finance"
	"github.com/talkable/talkable/internal/web"
)

func (m *Module) financeRoutes(api huma.API) {
	const path, worth = "/api/v2/loyalty/finance", "/api/v2/loyalty/programs/{id}/point_values"
	tags := []string{"Loyalty"}
	const forms = "`format`, or the header `Accept`, chooses JSON, CSV (`text/csv`) or Parquet (`" + parquetType + "`)"
	huma.Register(api, huma.Operation{OperationID: "createPointValue", Method: http.MethodPost, Path: worth, Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Say what points are worth in the books", Description: "Those of a wallet, from a day on, in the programme's currency, and how many of them are expected never to be spent. It changes nothing but what " +
			"finance reports say of days from then on; of several values the one that was set last counts of those that begin by a day. None is ever changed. " +
			"Takes `Idempotency-Key`. Errors: 404 `program_not_found`, 400 `invalid_point_value`, `wallet_not_found`, 409 `month_closed` for a day of a closed month, `too_many_point_values`."}, m.postPointValue)
	huma.Register(api, huma.Operation{OperationID: "listPointValues", Method: http.MethodGet, Path: worth, Tags: tags,
		Summary: "List what points were worth in the books", Description: "In the order in which they were set, at most 1,000 of all wallets together. Errors: 404 `program_not_found`, 400 `wallet_not_found`."}, m.listPointValues)
	huma.Register(api, huma.Operation{OperationID: "getFinanceDays", Method: http.MethodGet, Path: path + "/days", Tags: tags,
		Summary: "Read what points came to by day, and what is owed", Description: "Issued, clawed back, redeemed, expired, reinstated, adjusted and transferred points, breakage, the liability at the " +
			"end of each day, and their values where somebody has said what points are worth: a row for each day and wallet, the main one first. By when points were written, on days of the site, as far as the ledger is sealed: " +
			"a minute or two behind. At most 366 days; without a period it is the present month. " + forms + ". Errors: 400 `invalid_period`, `wallet_not_found`.",
		Responses: inForms[financeDaysAnswer](api, "The days", csvType, parquetType)}, m.getFinanceDays)
	huma.Register(api, huma.Operation{OperationID: "closeFinanceMonth", Method: http.MethodPost, Path: path + "/closings", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Close a month in the books", Description: "Freezes what points of all wallets came to in a month that is over, as a journal, with the place and the hash of the ledger's chain. The first may be any month, " +
			"what was before it is its opening; then they are closed one after the other. What is written later is booked in the next open month: a closed one is never changed, nor opened again. " +
			"Takes `Idempotency-Key`. Errors: 400 `invalid_period`, 404 `program_not_found`, 409 `month_not_over`, `month_closed`, `month_out_of_order`, `ledger_not_sealed`."}, m.postClosing)
	huma.Register(api, huma.Operation{OperationID: "listFinanceClosings", Method: http.MethodGet, Path: path + "/closings", Tags: tags,
		Summary: "List closed months with their journals", Description: "Newest first."}, m.listClosings)
	huma.Register(api, huma.Operation{OperationID: "getFinanceClosing", Method: http.MethodGet, Path: path + "/closings/{month}", Tags: tags,
		Summary: "Read a closed month's journal", Description: "Accounts with opening, debit, credit and closing, and a line for each account and kind of movement; debits and credits come to the same, in points " +
			"and in money, in each wallet by itself: the main one's stand in the journal, the others' in its `wallets`. " + forms + " of the lines, or `html` for a page to print. " +
			"Errors: 404 `month_not_closed`, 400 `wallet_not_found`.",
		Responses: inForms[closingAnswer](api, "The journal", csvType, parquetType, htmlType)}, m.getClosing)
}

const (
	csvType     = "text/csv"
	parquetType = "application/vnd.apache.parquet"
	htmlType    = "text/html"
)

// inForms describes an answer T that comes as JSON, and in other forms.
func inForms[T any](api huma.API, what string, others ...string) map[string]*huma.Response {
	content := map[string]*huma.MediaType{"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[web.Envelope[T]](), true, "")}}
	for _, other := range others {
		content[other] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return map[string]*huma.Response{"200": {Description: what, Content: content}}
}

// Form is which form of an answer is wanted.
type Form struct {
	Format string `query:"format" maxLength:"10" doc:"json, csv, parquet, or html where there is one; what the header Accept says when left out" example:"csv"`
	Accept string `header:"Accept" hidden:"true"`
}

// WalletFilter is of which wallet something is wanted.
type WalletFilter struct {
	Wallet string `query:"wallet" maxLength:"30" doc:"Key of a wallet of the programme, points is the main one; left out: all of them" example:""`
}

// formed is an answer in one of its forms. Bytes are answered as they are.
type formed struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Policy      string `header:"Content-Security-Policy"`
	Body        any
}

var errNoForm = fault.New(fault.Invalid, "invalid_format", "There is no such format of it.")

// in makes the form that is wanted of rows, or of all that is answered. The page of a form html may be nil.
func in[Row, T any](f Form, name string, rows []Row, answer T, page func() ([]byte, error)) (out *formed, err error) {
	forms := []string{"csv", "parquet", "html"}
	if page == nil {
		forms = forms[:2]
	}
	form, err := f.wanted(forms...)
	if err != nil {
		return nil, err
	}
	var body []byte
	switch form {
	case "json":
		return &formed{ContentType: "application/json", Body: web.Answer(answer).Body}, nil
	case "csv":
		body, err = finance.CSV(rows)
	case "parquet":
		body, err = finance.Parquet(rows)
	case "html":
		body, err = page()
	}
	return file(name, form, body), err
}

// media are the types of forms beside JSON.
var media = map[string]string{"csv": csvType, "parquet": parquetType, "html": htmlType}

// wanted is which of some forms is wanted, json when nothing is said.
func (f Form) wanted(forms ...string) (string, error) {
	if slices.Contains(append(forms, "json"), f.Format) {
		return f.Format, nil
	}
	if f.Format != "" {
		return "", errNoForm.At("query.format", "must be json or one of "+strings.Join(forms, ", "))
	}
	for _, form := range forms {
		if strings.Contains(f.Accept, media[form]) {
			return form, nil
		}
	}
	return "json", nil
}

// file is an answer that isn't JSON: a page to look at, or a file to keep.
func file(name, form string, body []byte) *formed {
	out := &formed{ContentType: media[form], Disposition: `attachment; filename="` + name + "." + form + `"`, Body: body}
	if form != "parquet" {
		out.ContentType += "; charset=utf-8"
	}
	if form == "html" {
		out.Disposition, out.Policy = "inline", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	}
	return out
}

type pointValueAnswer struct {
	PointValue finance.Value `json:"point_value"`
}

type pointValuesAnswer struct {
	PointValues []finance.Value `json:"point_values"`
}

type financeDaysAnswer struct {
	Days []finance.Day `json:"days"`
}

type closingAnswer struct {
	Closing finance.Journal `json:"closing"`
}

type closingsAnswer struct {
	Closings   []finance.Journal `json:"closings"`
	NextCursor *string           `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) postPointValue(ctx context.Context, in *struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		web.SiteBody
		Wallet   string `json:"wallet,omitempty" maxLength:"30" default:"points" doc:"Key of a wallet of the programme, whose points they are; left out: the main one" example:"points"`
		From     string `json:"from" maxLength:"10" doc:"The first day, in the site's zone" example:"2026-01-01"`
		Points   int64  `json:"points" minimum:"1" maximum:"1000000000" doc:"So many points" example:"100"`
		Amount   int64  `json:"amount" minimum:"0" maximum:"1000000000" doc:"are worth so much, in minor units" example:"100"`
		Breakage *int64 `json:"expected_breakage_bp,omitempty" nullable:"true" minimum:"0" maximum:"10000" doc:"Of points that are owed, so many in 10,000 are expected never to be spent; null: none is reckoned with" example:"1500"`
	}
}) (*web.OK[pointValueAnswer], error) {
	req := web.From(ctx)
	v := finance.Value{Wallet: in.Body.Wallet, From: in.Body.From, Points: in.Body.Points, Amount: in.Body.Amount, Breakage: in.Body.Breakage}
	out, replayed, err := m.setPointValue(ctx, req.Site, in.ID, v, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(pointValueAnswer{out}), nil
}

func (m *Module) listPointValues(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
	WalletFilter
}) (*web.OK[pointValuesAnswer], error) {
	site := web.From(ctx).Site.ID
	p, err := findProgram(ctx, m.db, site, in.ID)
	if err != nil {
		return nil, err
	}
	if _, ok := p.wallet(in.Wallet); !ok {
		return nil, errNoWallet
	}
	out, err := pointValues(ctx, m.db, site)
	if err != nil {
		return nil, err
	}
	if in.Wallet != "" {
		out = append([]finance.Value{}, finance.ValuesOf(out, in.Wallet)...)
	}
	return web.Answer(pointValuesAnswer{out}), nil
}

func (m *Module) getFinanceDays(ctx context.Context, want *struct {
	web.Days
	Form
	WalletFilter
}) (*formed, error) {
	s := web.From(ctx).Site
	from, to, err := want.Period(m.now().In(s.Zone))
	if err == nil {
		err = hasWallet(ctx, m.db, s.ID, walletNamed(want.Wallet))
	}
	if err != nil {
		return nil, err
	}
	days, err := m.financeOf(ctx, s, want.Wallet, from, to)
	if err != nil {
		return nil, err
	}
	return in(want.Form, "points-by-day", days, financeDaysAnswer{days}, nil)
}

func (m *Module) postClosing(ctx context.Context, in *struct {
	Body struct {
		web.SiteBody
		Month string `json:"month" maxLength:"7" doc:"In the site's zone" example:"2026-10"`
	}
}) (*web.OK[closingAnswer], error) {
	req := web.From(ctx)
	out, replayed, err := m.closeMonth(ctx, req.Site, in.Body.Month, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(closingAnswer{out}), nil
}

func (m *Module) listClosings(ctx context.Context, in *struct{ web.Page }) (*web.OK[closingsAnswer], error) {
	site := web.From(ctx).Site.ID
	var from struct {
		Month string `json:"month"`
	}
	const list = "closed months"
	if _, err := m.cursors.Decode(site, list, in.Cursor, &from); err != nil {
		return nil, err
	}
	found, err := closingsOf(ctx, m.db, site, from.Month, in.Limit+1)
	if err != nil {
		return nil, err
	}
	answer := closingsAnswer{Closings: append([]finance.Journal{}, found[:min(in.Limit, len(found))]...)}
	if len(found) > in.Limit {
		from.Month = found[in.Limit].Month + "-01"
		next := m.cursors.Encode(site, list, from)
		answer.NextCursor = &next
	}
	return web.Answer(answer), nil
}

func (m *Module) getClosing(ctx context.Context, want *struct {
	Month string `path:"month" maxLength:"7" doc:"As 2026-10" example:"2026-10"`
	Form
	WalletFilter
}) (*formed, error) {
	first, ok := monthOf(want.Month, time.UTC)
	if !ok {
		return nil, errNoClosing
	}
	site := web.From(ctx).Site.ID
	if err := hasWallet(ctx, m.db, site, walletNamed(want.Wallet)); err != nil {
		return nil, err
	}
	found, err := closingsOf(ctx, m.db, site, first.Format(time.DateOnly), 1)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 || found[0].Month != want.Month {
		return nil, errNoClosing
	}
	j, name := &found[0], "points-journal-"+want.Month
	if want.Wallet != "" {
		j, name = j.Only(want.Wallet), name+"-"+want.Wallet
	}
	return in(want.Form, name, j.AllLines(), closingAnswer{*j}, j.HTML)
}
