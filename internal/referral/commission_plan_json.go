package referral

import (
	"context"
	"encoding/json"
	"time"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
)

// commissionPlanJSON is a plan in our own shape.
type commissionPlanJSON struct {
	ID        int64                `json:"id"`
	Version   int                  `json:"version" doc:"Counts the changes; commissions keep the terms that they were made by"`
	Name      string               `json:"name"`
	Active    bool                 `json:"active"`
	Currency  *string              `json:"currency" doc:"null: each order's"`
	Default   commissionRateJSON   `json:"default"`
	PerOrder  *int64               `json:"per_order" doc:"Minor units"`
	Rules     []commissionRuleJSON `json:"rules"`
	Caps      commissionCapsJSON   `json:"caps"`
	Recurring *recurringJSON       `json:"recurring" doc:"null: the referred order only"`
	HoldDays  int                  `json:"hold_days"`
	CreatedAt time.Time            `json:"created_at"`
	UpdatedAt time.Time            `json:"updated_at"`
}

type commissionRateJSON struct {
	Percent json.RawMessage `json:"percent" doc:"Number or null"`
	PerItem *int64          `json:"per_item" doc:"Minor units"`
}

type commissionRuleJSON struct {
	ProductID *string         `json:"product_id"`
	Category  *string         `json:"category"`
	Percent   json.RawMessage `json:"percent" doc:"Number or null"`
	PerItem   *int64          `json:"per_item" doc:"Minor units"`
}

type commissionCapsJSON struct {
	Order  *int64 `json:"order" doc:"Minor units"`
	Friend *int64 `json:"friend"`
	Month  *int64 `json:"month"`
}

type recurringJSON struct {
	Months *int `json:"months" doc:"null: no end"`
	Orders *int `json:"orders" doc:"null: no end"`
}

func (r commissionRate) json() commissionRateJSON {
	out := commissionRateJSON{Percent: number(money.Rate(r.BasisPoints)), PerItem: orNull(r.PerItem)}
	if r.PerItem > 0 {
		out.Percent = number("")
	}
	return out
}

func (p *commissionPlan) json() commissionPlanJSON {
	t := p.terms
	out := commissionPlanJSON{ID: p.ID, Version: p.Version, Name: p.Name, Active: p.Active, Currency: orNull(t.Currency), Default: t.Default.json(),
		PerOrder: orNull(t.PerOrder), Rules: []commissionRuleJSON{}, Caps: commissionCapsJSON{orNull(t.Caps.Order), orNull(t.Caps.Friend), orNull(t.Caps.Month)},
		HoldDays: t.HoldDays, CreatedAt: p.CreatedAt.UTC(), UpdatedAt: p.UpdatedAt.UTC()}
	for _, r := range t.Rules {
		rate := r.json()
		out.Rules = append(out.Rules, commissionRuleJSON{orNull(r.ProductID), orNull(r.Category), rate.Percent, rate.PerItem})
	}
	if t.Recurs.Orders > 1 {
		if out.Recurring = (&recurringJSON{orNull(t.Recurs.Months), &t.Recurs.Orders}); t.Recurs.Orders == everyOrder {
			out.Recurring.Orders = nil
		}
	}
	return out
}

// saveCommissionPlan makes a plan (id 0) or changes one; replayed says that the Idempotency-Key had done it before.
func (m *Module) saveCommissionPlan(ctx context.Context, s site.Site, keyID, id int64, in commissionPlanInput, k idempotency.Key) (out commissionPlanJSON, replayed bool, err error) {
	p, err := in.plan(s.Currency)
	if err != nil {
		return out, false, err
	}
	p.SiteID, p.KeyID = s.ID, keyID
	replayed, err = m.once(ctx, s.ID, k, &out, func(u *bus.Unit) error {
		p.ID = id
		a := audit.Change{KeyID: keyID, Action: "commission_plan.created", Subject: aboutPlan}
		if id != 0 {
			was, err := plansByID(ctx, u, []key{{s.ID, id}})
			if err != nil {
				return err
			}
			if old := was[key{s.ID, id}]; old != nil {
				a.Action, a.Before = "commission_plan.changed", old.json()
			}
		}
		if err := savePlan(ctx, u.Tx, u.Now, &p); err != nil {
			return err
		}
		out = p.json()
		a.SubjectID, a.After = p.ID, out
		return writeAudit(ctx, u.Tx, u.Now, s.ID, a)
	})
	return out, replayed, err
}

// once does the work of a request in one transaction, unless its Idempotency-Key was there before: then answer is that of then.
func (m *Module) once(ctx context.Context, siteID int64, k idempotency.Key, answer any, work func(u *bus.Unit) error) (replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, siteID, k, answer, func() error { return work(u) })
		return err
	})
	return replayed, err
}
