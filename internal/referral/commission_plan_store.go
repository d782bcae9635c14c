package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
)

var errNoPlan = fault.New(fault.NotFound, "commission_plan_not_found", "No such commission plan.")

const planColumns = `p.site_id, p.id, p.version, p.name, p.active, p.terms, p.key_id, p.created_at, p.updated_at`

// plansByID reads plans of several sites.
func plansByID(ctx context.Context, q sqlx.QueryerContext, ids []key) (map[key]*commissionPlan, error) {
	out := map[key]*commissionPlan{}
	if len(ids) == 0 {
		return out, nil
	}
	sites, plans := make([]int64, len(ids)), make([]int64, len(ids))
	for i, k := range ids {
		sites[i], plans[i] = k.site, k.id
	}
	list, err := selectPlans(ctx, q, `
		from (select distinct s, i from unnest($1::bigint[], $2::bigint[]) u (s, i)) u
		join referral.commission_plan p on p.site_id = u.s and p.id = u.i`, pq.Array(sites), pq.Array(plans))
	for i := range list {
		out[key{list[i].SiteID, list[i].ID}] = &list[i]
	}
	return out, err
}

// plansBefore reads plans of a site, newest first, from below an id (0: the newest).
func plansBefore(ctx context.Context, q sqlx.QueryerContext, siteID, before int64, limit int) ([]commissionPlan, error) {
	return selectPlans(ctx, q, `from referral.commission_plan p where p.site_id = $1 and ($2::bigint = 0 or p.id < $2) order by p.id desc limit $3`,
		siteID, before, limit)
}

// planByID reads a plan; not found is a fault.
func planByID(ctx context.Context, q sqlx.QueryerContext, siteID, id int64) (commissionPlan, error) {
	list, err := plansByID(ctx, q, []key{{siteID, id}})
	if err != nil {
		return commissionPlan{}, err
	}
	if p := list[key{siteID, id}]; p != nil {
		return *p, nil
	}
	return commissionPlan{}, errNoPlan
}

func selectPlans(ctx context.Context, q sqlx.QueryerContext, from string, args ...any) ([]commissionPlan, error) {
	var out []commissionPlan
	if err := sqlx.SelectContext(ctx, q, &out, `select `+planColumns+` `+from, args...); err != nil {
		return nil, fmt.Errorf("commission plans: %w", err)
	}
	for i := range out {
		if err := json.Unmarshal([]byte(out[i].Terms), &out[i].terms); err != nil {
			return nil, fmt.Errorf("terms of commission plan %d: %w", out[i].ID, err)
		}
	}
	return out, nil
}

// savePlan writes a new plan, or the next version of one that has an id; not found is a fault.
func savePlan(ctx context.Context, tx *sqlx.Tx, now time.Time, p *commissionPlan) error {
	text, err := json.Marshal(p.terms)
	if err != nil {
		panic(err) // plain fields
	}
	var saved []struct {
		ID        int64     `db:"id"`
		Version   int       `db:"version"`
		CreatedAt time.Time `db:"created_at"`
	}
	if p.ID == 0 {
		err = tx.SelectContext(ctx, &saved, `
			insert into referral.commission_plan (site_id, version, name, active, terms, key_id, created_at, updated_at)
			values ($1, 1, $2, $3, $4, $5, $6, $6)
			returning id, version, created_at`, p.SiteID, p.Name, p.Active, string(text), p.KeyID, now)
	} else {
		err = tx.SelectContext(ctx, &saved, `
			update referral.commission_plan set version = version + 1, name = $3, active = $4, terms = $5, key_id = $6, updated_at = $7
			where site_id = $1 and id = $2
			returning id, version, created_at`, p.SiteID, p.ID, p.Name, p.Active, string(text), p.KeyID, now)
	}
	if err != nil {
		return fmt.Errorf("save commission plan: %w", err)
	}
	if len(saved) == 0 {
		return errNoPlan
	}
	p.ID, p.Version, p.CreatedAt, p.UpdatedAt = saved[0].ID, saved[0].Version, saved[0].CreatedAt, now
	return nil
}

// bindPlans checks that the plans of a campaign's incentives are the site's, each once: an order is paid for once by a plan.
func bindPlans(ctx context.Context, u *bus.Unit, c *campaign) error {
	var ids []key
	for _, i := range c.Incentives {
		if i.CommissionPlan != nil {
			ids = append(ids, key{c.SiteID, *i.CommissionPlan})
		}
	}
	plans, err := plansByID(ctx, u, ids)
	if err != nil {
		return err
	}
	var f findings
	seen := map[int64]bool{}
	for n, i := range c.Incentives {
		at, id := "/incentives/"+itoa(int64(n))+"/commission_plan_id", deref(i.CommissionPlan)
		switch {
		case i.CommissionPlan == nil:
		case plans[key{c.SiteID, id}] == nil:
			f.add(at, "must be a commission plan of this site")
		case seen[id]:
			f.add(at, "is there twice")
		case !i.Terms.IsZero() || i.SubtotalMin != nil:
			f.add(at, "says itself what it pays for: terms and subtotal_min don't go with it")
		}
		seen[id] = true
	}
	return f.err()
}
