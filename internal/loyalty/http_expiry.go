package loyalty

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

func (m *Module) expiryRoutes(api huma.API) {
	const path = "/api/v2/loyalty/expiry_runs"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "previewExpiry", Method: http.MethodPost, Path: "/api/v2/loyalty/programs/{id}/expiry_preview", Tags: tags,
		Summary: "See what another expiry rule would do, before it goes live", Description: "Takes the points that members have, as if they had been earned under the rule that is sent: how much would end in which month, how much " +
			"would be past its date at once, and of whom, page by page. A change of the programme itself alters no date that was given before. Of a site with more than 100,000 members it looks at 20,000 from all " +
			"over, and says so (`complete`). Changes nothing. Takes `Idempotency-Key`. Errors: 404 `program_not_found`, 400 `invalid_program` for a rule that makes no sense, `wallet_not_found`, `invalid_cursor`."}, m.postExpiryPreview)
	huma.Register(api, huma.Operation{OperationID: "listExpiryRuns", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List the days on which points expired", Description: "Newest first, by days of the site: how much expired, of how many members, and what of it was taken back."}, m.listExpiryRuns)
	huma.Register(api, huma.Operation{OperationID: "getExpiryRun", Method: http.MethodGet, Path: path + "/{id}", Tags: tags,
		Summary: "Read what expired on a day", Description: "And how far a reversal is. Errors: 404 `expiry_run_not_found`."}, m.getExpiryRun)
	huma.Register(api, huma.Operation{OperationID: "reverseExpiryRun", Method: http.MethodPost, Path: path + "/{id}/reverse", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Give back what expired on a day", Description: "Because it was wrong: all of it, or only what expired of a member, was earned by a version of the programme, or by a rule. What expired on that day by now goes back to the same lots, each once, and is good for `grace_days` from now on, " +
			"unless its lot is good for longer. A debt that the member has made since is repaid first; what a refund has taken since of what had expired stays gone. It is done in the background, " +
			"in sets; `dry_run=true` says what it will come to. Takes `Idempotency-Key`. Errors: 404 `expiry_run_not_found`, 400 `invalid_reversal`, 409 `nothing_to_reverse`, `reversal_running`."}, m.postReversal)
}

type expiryRunAnswer struct {
	Run expiryRun `json:"expiry_run"`
}

type expiryRunsAnswer struct {
	Runs       []expiryRun `json:"expiry_runs"`
	NextCursor *string     `json:"next_cursor" doc:"null on the last page"`
}

type reversalAnswer struct {
	Reversal expiryReversal `json:"reversal"`
}

func (m *Module) postExpiryPreview(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
	web.Page
	Body struct {
		web.SiteBody
		Wallet string `json:"wallet,omitempty" maxLength:"30" doc:"Key of a wallet, whose points are looked at; left out: the main one" example:""`
		Rule   string `json:"expiry_rule,omitempty" default:"rolling" doc:"rolling, end_of_month, end_of_year, fixed_date or inactivity, as programmes have it" example:"end_of_year"`
		Days   *int   `json:"expires_after_days,omitempty" nullable:"true" doc:"null: never, where the rule can do without" example:"365"`
		Day    string `json:"expiry_day,omitempty" doc:"MM-DD, for fixed_date" example:""`
	}
}) (*web.OK[expiryAnswer], error) {
	req := web.From(ctx)
	rule := triedRule{Rule: in.Body.Rule, Days: in.Body.Days, Day: in.Body.Day, Wallet: walletNamed(in.Body.Wallet)}
	out, replayed, err := m.previewRule(ctx, req.Site, in.ID, rule, in.Cursor, in.Limit, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}

func (m *Module) listExpiryRuns(ctx context.Context, in *struct{ web.Page }) (*web.OK[expiryRunsAnswer], error) {
	s := web.From(ctx).Site
	after := struct {
		At time.Time `json:"at"`
	}{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	const list = "expiry runs"
	if _, err := m.cursors.Decode(s.ID, list, in.Cursor, &after); err != nil {
		return nil, err
	}
	runs, err := m.expiryRuns(ctx, s, after.At, in.Limit+1)
	if err != nil {
		return nil, err
	}
	answer := expiryRunsAnswer{Runs: runs[:min(in.Limit, len(runs))]}
	if len(runs) > in.Limit {
		after.At = runs[in.Limit-1].BeginsAt
		next := m.cursors.Encode(s.ID, list, after)
		answer.NextCursor = &next
	}
	return web.Answer(answer), nil
}

func (m *Module) getExpiryRun(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"10" doc:"The day" example:"2026-11-01"`
}) (*web.OK[expiryRunAnswer], error) {
	run, err := expiryRunOf(ctx, m.db, web.From(ctx).Site, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(expiryRunAnswer{run}), nil
}

func (m *Module) postReversal(ctx context.Context, in *struct {
	ID   string `path:"id" maxLength:"10" doc:"The day" example:"2026-11-01"`
	Body struct {
		web.SiteBody
		GraceDays int `json:"grace_days" minimum:"1" maximum:"3650" doc:"How long what is given back is good, from now on" example:"30"`
		ReversalPart
		Note string `json:"note" doc:"Why; 1 to 500 printable characters" example:"The rule was one month too short"`
	}
}) (*web.OK[reversalAnswer], error) {
	req := web.From(ctx)
	out, replayed, err := m.reverseRun(ctx, req.Site, in.ID, in.Body.GraceDays, in.Body.Note, in.Body.ReversalPart, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(reversalAnswer{out}), nil
}
