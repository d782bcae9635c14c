package referral

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) couponRoutes(api huma.API) {
	tags := []string{"Coupons"}
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	huma.Register(api, huma.Operation{OperationID: "listCouponLists", Method: http.MethodGet, Path: "/api/v2/coupon_lists", Tags: tags,
		Summary: "List coupon lists", Description: "Newest first, with their stock."}, m.getCouponLists)
	huma.Register(api, huma.Operation{OperationID: "createCouponList", Method: http.MethodPost, Path: "/api/v2/coupon_lists", Tags: tags,
		Summary: "Create a coupon list", DefaultStatus: http.StatusCreated,
		Description: "Makes an empty list. Takes an Idempotency-Key. 400 with a pointer to each place that is wrong."}, m.postCouponList)
	huma.Register(api, huma.Operation{OperationID: "getCouponList", Method: http.MethodGet, Path: "/api/v2/coupon_lists/{id}", Tags: tags,
		Summary: "Read a coupon list with its stock", Description: "And with a forecast: how long the stock will do. 404 if the site has no such list."}, m.getCouponList)
	huma.Register(api, huma.Operation{OperationID: "replaceCouponList", Method: http.MethodPut, Path: "/api/v2/coupon_lists/{id}", Tags: tags,
		Summary: "Change a coupon list", Description: "Takes an Idempotency-Key. Replaces the settings; the kind stays. Dates that were counted from a coupon's hand-out stay too, " +
			"all else holds for coupons that were handed out before. 404 if the site has no such list."}, m.putCouponList)
	huma.Register(api, huma.Operation{OperationID: "listCouponListLog", Method: http.MethodGet, Path: "/api/v2/coupon_lists/{id}/log", Tags: tags,
		Summary: "Read what was done to a coupon list", Description: "Newest first: which key made and changed it, delivered or generated codes, and when. " +
			"A delivery stands there in parts. 404 if the site has no such list."}, m.getCouponListLog)
	huma.Register(api, huma.Operation{OperationID: "uploadCouponCodes", Method: http.MethodPost, Path: "/api/v2/coupon_lists/{id}/codes", Tags: tags,
		Summary: "Deliver codes to a coupon list", RequestBody: &huma.RequestBody{Required: true, Description: "A code a line. In CSV a header may name the column `code`; " +
			"in NDJSON a line is a text or an object with a `code`.", Content: map[string]*huma.MediaType{plainText: text, csvText: text, ndjson: text}},
		Description: "The body may be of any size; it is taken in parts of some thousand lines. Codes are kept in upper case and are unique over all lists of the " +
			"site. Codes that the list has already are counted and change nothing, so a delivery that broke off is sent again. An `Idempotency-Key` is " +
			"neither needed nor kept: the answer to a repetition counts as `known` what came before. Lines that can't be taken are reported with their " +
			"number and the reason; the others are taken. Rewards and redemptions that wait are served at once, in their order. " +
			"404 if the site has no such list, 415 for other media types."}, m.postCodes)
	huma.Register(api, huma.Operation{OperationID: "generateCouponCodes", Method: http.MethodPost, Path: "/api/v2/coupon_lists/{id}/generate", Tags: tags,
		Summary: "Generate codes for a coupon list", DefaultStatus: http.StatusCreated,
		Description: "Takes an Idempotency-Key. The shop has to be told of the codes. Rewards and redemptions that wait are served at once. " +
			"404 if the site has no such list."}, m.postGenerate)
}

type couponListsResult struct {
	CouponLists []couponListJSON `json:"coupon_lists"`
	NextCursor  *string          `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) getCouponLists(ctx context.Context, in *struct{ web.Page }) (*web.OK[couponListsResult], error) {
	siteID, before := web.From(ctx).Site.ID, int64(0)
	if _, err := m.cursors.Decode(siteID, "coupon lists", in.Cursor, &before); err != nil {
		return nil, err
	}
	rows, err := couponListsBefore(ctx, m.db, siteID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := couponListsResult{CouponLists: []couponListJSON{}}
	for i := range rows[:min(len(rows), in.Limit)] {
		out.CouponLists = append(out.CouponLists, rows[i].json())
	}
	if len(rows) > in.Limit {
		next := m.cursors.Encode(siteID, "coupon lists", rows[in.Limit-1].ID)
		out.NextCursor = &next
	}
	return web.Answer(out), nil
}

type couponListResult struct {
	CouponList couponListJSON `json:"coupon_list"`
}

func (m *Module) postCouponList(ctx context.Context, in *struct{ Body couponListInput }) (*web.OK[couponListResult], error) {
	req := web.From(ctx)
	l, replayed, err := m.createCouponList(ctx, req.Site, req.KeyID, in.Body, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(couponListResult{l}), nil
}

type couponListPath struct {
	ID int64 `path:"id"`
}

type couponListStockResult struct {
	CouponList couponListJSON `json:"coupon_list"`
	Forecast   *forecast      `json:"forecast" doc:"null: a multi-use list, which hands nothing out"`
}

func (m *Module) getCouponList(ctx context.Context, in *couponListPath) (*web.OK[couponListStockResult], error) {
	l, err := stockOf(ctx, m.db, key{web.From(ctx).Site.ID, in.ID}, m.now().AddDate(0, 0, -lowDays))
	if err != nil {
		return nil, err
	}
	return web.Answer(couponListStockResult{l.json(), l.forecast()}), nil
}

type putCouponListInput struct {
	ID   int64 `path:"id"`
	Body couponListInput
}

func (m *Module) putCouponList(ctx context.Context, in *putCouponListInput) (*web.OK[couponListResult], error) {
	req := web.From(ctx)
	l, replayed, err := m.replaceCouponList(ctx, req.Site, req.KeyID, in.ID, in.Body, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(couponListResult{l}), nil
}

type couponListLogResult struct {
	Log        []couponListLogEntry `json:"log"`
	NextCursor *string              `json:"next_cursor" doc:"null on the last page"`
}

type couponListLogEntry struct {
	ID     int64           `json:"id"`
	KeyID  int64           `json:"key_id" doc:"The API key that did it"`
	Action string          `json:"action" enum:"created,changed,uploaded,generated,ended"`
	Detail json.RawMessage `json:"detail"`
	At     time.Time       `json:"at"`
}

func (m *Module) getCouponListLog(ctx context.Context, in *struct {
	ID int64 `path:"id"`
	web.Page
}) (*web.OK[couponListLogResult], error) {
	siteID, before, name := web.From(ctx).Site.ID, int64(0), "log of coupon list "+itoa(in.ID)
	if _, err := m.cursors.Decode(siteID, name, in.Cursor, &before); err != nil {
		return nil, err
	}
	if _, err := readCouponList(ctx, m.db, siteID, in.ID); err != nil {
		return nil, err
	}
	rows, err := couponListHistory(ctx, m.db, siteID, in.ID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := couponListLogResult{Log: []couponListLogEntry{}}
	for _, r := range rows[:min(len(rows), in.Limit)] {
		out.Log = append(out.Log, couponListLogEntry{r.ID, r.KeyID, r.Action, json.RawMessage(r.Detail), r.At.UTC()})
	}
	if len(rows) > in.Limit {
		next := m.cursors.Encode(siteID, name, rows[in.Limit-1].ID)
		out.NextCursor = &next
	}
	return web.Answer(out), nil
}

// uploadInput hands on the body unread.
type uploadInput struct {
	ID     int64 `path:"id"`
	format string
	body   io.Reader
}

// Resolve implements huma.Resolver.
func (in *uploadInput) Resolve(ctx huma.Context) []error {
	in.format, in.body = ctx.Header("Content-Type"), ctx.BodyReader()
	return nil
}

func (m *Module) postCodes(ctx context.Context, in *uploadInput) (*web.OK[delivery], error) {
	req := web.From(ctx)
	format, err := formatOf(in.format)
	if err != nil {
		return nil, err
	}
	d, err := m.deliver(ctx, req.Site.ID, req.KeyID, in.ID, format, in.body)
	if err != nil {
		return nil, err
	}
	return web.Answer(d), nil
}

func (m *Module) postGenerate(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body generateInput
}) (*web.OK[generated], error) {
	req := web.From(ctx)
	out, replayed, err := m.generateCodes(ctx, req.Site, req.KeyID, in.ID, in.Body, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}
