package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// decision is what was decided about something that might earn points.
type decision struct {
	Source        string          `db:"source" json:"source"`
	Outcome       string          `db:"outcome" json:"outcome" enum:"earned,refused"`
	Points        int64           `db:"points" json:"points"`
	Reason        string          `db:"reason" json:"reason" doc:"What for; or why not: currency, below_one_point, paused, too_many_points, no_rule"`
	TransactionID *int64          `db:"transaction_id" json:"transaction_id" doc:"That posted the points"`
	PersonID      int64           `db:"person_id" json:"person_id"`
	Rule          loyaltyapi.Rule `db:"rule" json:"rule" doc:"The rule and its version that decided, with the values it saw; where rules of earning did, its trace says what became of each"`
	EffectiveAt   time.Time       `db:"effective_at" json:"effective_at"`
	RecordedAt    time.Time       `db:"recorded_at" json:"recorded_at"`
}

type decisionAnswer struct {
	Decision decision `json:"decision"`
}

func (m *Module) earningRoutes(api huma.API) {
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "explainEarning", Method: http.MethodGet, Path: "/api/v2/loyalty/decisions/{source}", Tags: tags,
		Summary: "Explain why something earned points, or did not",
		Description: "By what it is: `origin:17` for a purchase or event, `referral:5`, `reward:9`; a transaction's `source` is such a name. What it earned in another wallet than the main one is `origin:17:stars`. What no rule spoke of was not " +
			"decided about, and is answered like what is unknown. Errors: 404 `decision_not_found`."}, m.explainEarning)
	huma.Register(api, huma.Operation{OperationID: "listRuleBudgets", Method: http.MethodGet, Path: "/api/v2/loyalty/programs/{id}/budgets", Tags: tags,
		Summary:     "List what rules with a budget have given",
		Description: "Of the rules of the version in force that have a budget, in their order. Errors: 404 `program_not_found`."}, m.listBudgets)
	huma.Register(api, huma.Operation{OperationID: "tryEarningRules", Method: http.MethodPost, Path: "/api/v2/loyalty/programs/{id}/trial", Tags: tags,
		Summary: "Try rules of earning on an order",
		Description: "Says what an order or event would earn by the programme's rules, or by others that are sent, and what each rule says of it. Nothing is posted; " +
			"limits, cooldowns and budgets, and what conditions ask of the person beyond the order and the `history` that is sent, are not looked at. Takes `Idempotency-Key`. Errors: 404 `program_not_found`, 400 `invalid_program` " +
			"for rules, 400 `invalid_trial` for the order, with a finding for each place."}, m.postTrial)
}

func (m *Module) explainEarning(ctx context.Context, in *struct {
	Source string `path:"source" minLength:"1" maxLength:"200" example:"origin:17"`
}) (*web.OK[decisionAnswer], error) {
	d, err := decisionOf(ctx, m.db, web.From(ctx).Site.ID, in.Source)
	if err != nil {
		return nil, err
	}
	return web.Answer(decisionAnswer{d}), nil
}

// ruleBudget is how far a budget has been spent.
type ruleBudget struct {
	Rule   string `json:"rule" doc:"Its key"`
	Budget int64  `json:"budget"`
	Spent  int64  `json:"spent" doc:"Less what was taken back; above the budget where that was lowered"`
}

type budgetsAnswer struct {
	Budgets    []ruleBudget `json:"budgets"`
	NextCursor *string      `json:"next_cursor" doc:"Always null: all are on this page"`
}

func (m *Module) listBudgets(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*web.OK[budgetsAnswer], error) {
	p, err := findProgram(ctx, m.db, web.From(ctx).Site.ID, in.ID)
	if err == nil {
		p, err = complete(ctx, m.db, p)
	}
	if err != nil {
		return nil, err
	}
	spent, err := budgetsOf(ctx, m.db, p.SiteID, p.ID)
	if err != nil {
		return nil, err
	}
	answer := budgetsAnswer{Budgets: []ruleBudget{}}
	if p.Earning != nil {
		for _, r := range p.Earning.Rules {
			if r.Budget != nil {
				answer.Budgets = append(answer.Budgets, ruleBudget{r.Key, *r.Budget, spent[r.Key]})
			}
		}
	}
	return web.Answer(answer), nil
}

// decisionOf reads what was decided about a source; it is decided about once.
func decisionOf(ctx context.Context, db sqlx.QueryerContext, site int64, source string) (d decision, err error) {
	err = sqlx.GetContext(ctx, db, &d, `
		select t.source, 'earned' as outcome, t.points, t.reason, t.id as transaction_id, m.person_id, coalesce(nullif(t.rule, ''), '{}') as rule, t.effective_at, t.recorded_at
		from loyalty.txn t join loyalty.member m on m.site_id = t.site_id and m.id = t.member_id
		where t.site_id = $1 and t.kind = 'earn' and t.source = $2
		union all
		select r.source, 'refused', 0, r.reason, null, r.person_id, coalesce(nullif(r.rule, ''), '{}'), r.effective_at, r.recorded_at
		from loyalty.refusal r
		where r.site_id = $1 and r.source = $2
		limit 1`, site, source)
	if errors.Is(err, sql.ErrNoRows) {
		return d, fault.New(fault.NotFound, "decision_not_found", "Nothing was decided about it.")
	}
	if err != nil {
		return d, fmt.Errorf("read decision: %w", err)
	}
	return d, nil
}
