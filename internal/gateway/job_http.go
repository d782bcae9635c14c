package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/web"
)

// Routes lists the operations of batches.
func (b *Jobs) Routes(api huma.API) {
	for kind, id := range map[string]string{"affiliate_members": "createAffiliateMembers", "purchases": "createPurchases", "events": "createEvents"} {
		huma.Register(api, huma.Operation{OperationID: id, Method: http.MethodPost, Path: "/api/v2/origins/batch/" + kind, Tags: []string{"Origins"},
			Summary: "Tell what many did: " + kind,
			Description: "Takes 1 to 1000 rows, each as the data of POST /origins, and records them in the background, as verified and in their order. " +
				"A row that can't be recorded stops no other: GET /jobs/{id} lists it. Rows that are there already with the same data change " +
				"nothing. A site may have 100 batches waiting; more are answered 429."}, b.post(kind))
	}
	huma.Register(api, huma.Operation{OperationID: "getJob", Method: http.MethodGet, Path: "/api/v2/jobs/{id}", Tags: []string{"Origins"},
		Summary: "Read how far a batch is", Description: "Its state, its counts and the rows that could not be recorded, in their order. Kept for 30 days after its end."}, b.get)
}

// batchRow is kept as it came: what is wrong with it is found when its turn comes, and is that row's alone.
type batchRow json.RawMessage

// UnmarshalJSON keeps the bytes.
func (r *batchRow) UnmarshalJSON(raw []byte) error { *r = slices.Clone(raw); return nil }

// MarshalJSON writes them.
func (r batchRow) MarshalJSON() ([]byte, error) { return r, nil }

// Schema describes it to the API description.
func (batchRow) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "As data of POST /origins", Examples: []any{map[string]any{"email": "ann@shop.example", "order_number": "1001", "subtotal": 10.5}}}
}

type batchInput struct {
	Body struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Data         []batchRow `json:"data" minItems:"1" maxItems:"1000"`
		CreateOffers bool       `json:"create_offers,omitempty" doc:"Whether the people get offers to share, as with single origins"`
	}
}

type jobState struct {
	ID         int64      `json:"id"`
	Kind       string     `json:"kind" enum:"affiliate_members,purchases,events"`
	State      string     `json:"state" enum:"waiting,running,done,failed" doc:"failed: the service could not go on with it, through no fault of a row"`
	Total      int        `json:"total" doc:"Rows of the batch"`
	Done       int        `json:"done" doc:"Rows that were looked at"`
	Recorded   int        `json:"recorded" doc:"Rows that are in the books, now or since before"`
	Failed     int        `json:"failed" doc:"Rows that could not be recorded"`
	Offers     int        `json:"offers" doc:"Recorded rows whose people have an offer by it; with create_offers"`
	CreatedAt  time.Time  `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

func (j job) answer(now time.Time) jobState {
	out := jobState{ID: j.ID, Kind: j.Kind, State: j.State, Total: j.Total, Done: j.Done, Recorded: j.Recorded, Failed: j.Failed, Offers: j.Offers, CreatedAt: j.CreatedAt.UTC()}
	if j.State == "waiting" && (j.Done > 0 || j.LeasedUntil != nil && j.LeasedUntil.After(now)) {
		out.State = "running"
	}
	if j.FinishedAt != nil {
		at := j.FinishedAt.UTC()
		out.FinishedAt = &at
	}
	return out
}

type batchAnswer struct {
	Job jobState `json:"job"`
}

func (b *Jobs) post(kind string) func(context.Context, *batchInput) (*web.OK[batchAnswer], error) {
	return func(ctx context.Context, in *batchInput) (*web.OK[batchAnswer], error) {
		req := web.From(ctx)
		rows := make([][]byte, len(in.Body.Data))
		for i, r := range in.Body.Data {
			rows[i] = r
		}
		j := job{SiteID: req.Site.ID, Kind: kind, CreateOffers: in.Body.CreateOffers, State: "waiting", Total: len(rows),
			Body: "[" + string(bytes.Join(rows, []byte(","))) + "]", ClientIP: req.ClientIP, UserAgent: req.UserAgent}
		out, replayed, err := b.take(ctx, j, req.Idempotency)
		if err != nil {
			return nil, err
		}
		req.MarkReplayed(replayed)
		return web.Answer(batchAnswer{out}), nil
	}
}

// take keeps a batch for the worker.
func (b *Jobs) take(ctx context.Context, j job, k idempotency.Key) (out jobState, replayed bool, err error) {
	err = b.Outbox.InTx(ctx, func(u *bus.Unit) error {
		claim, err := idempotency.TakeOne(ctx, u.Tx, "gateway", u.Now, j.SiteID, k)
		if err != nil {
			return err
		}
		if replayed = claim.Replayed; replayed {
			return json.Unmarshal(claim.Answer, &out)
		}
		if n, err := waitingJobs(ctx, u, j.SiteID); err != nil {
			return err
		} else if n >= jobsWaiting {
			full := fault.New(fault.TooMany, "too_many_jobs", "The site has 100 batches waiting; please repeat the request when some of them are done.")
			full.Retry = 10 * time.Second
			return full
		}
		j.CreatedAt = u.Now
		if j.ID, err = insertJob(ctx, u.Tx, j); err != nil {
			return err
		}
		out = j.answer(u.Now)
		answer, err := json.Marshal(out)
		if err != nil {
			return err
		}
		return idempotency.KeepOne(ctx, u.Tx, "gateway", j.SiteID, k, answer)
	})
	if err == nil {
		select {
		case b.kick <- struct{}{}:
		default:
		}
	}
	return out, replayed, err
}

type jobAnswer struct {
	Job        jobState   `json:"job"`
	Errors     []jobError `json:"errors"`
	NextCursor *string    `json:"next_cursor" doc:"null on the last page of errors"`
}

func (b *Jobs) get(ctx context.Context, in *struct {
	ID     int64  `path:"id"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"25"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}) (*web.OK[jobAnswer], error) {
	siteID, after, list := web.From(ctx).Site.ID, -1, "errors of job "+itoa(int(in.ID))
	if _, err := b.Cursors.Decode(siteID, list, in.Cursor, &after); err != nil {
		return nil, err
	}
	j, err := jobByID(ctx, b.DB, siteID, in.ID)
	if err != nil {
		return nil, err
	}
	rows, err := jobErrors(ctx, b.DB, siteID, in.ID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := jobAnswer{Job: j.answer(b.Now()), Errors: rows[:min(len(rows), in.Limit)]}
	if len(rows) > in.Limit {
		next := b.Cursors.Encode(siteID, list, rows[in.Limit-1].Row)
		out.NextCursor = &next
	}
	return web.Answer(out), nil
}
