package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
)

// rations are what the limits and budgets of campaigns leave for commissions of plans. A plan's own caps make a commission less; a limit or a
// budget that has no room for all of it refuses it, as it refuses any other reward: the rows that count are the same, and locked.
type rations struct {
	limits   map[key]limits // by campaign; only those that have any
	rewarded map[advocateKey]*rewardedReferrals
	counted  map[key]bool // referrals that are rewarded already: what else they earn isn't another referral
	pots     pots
	refused  []int // places in the list
}

// ration locks the rows that count what commissions in the list may take: tallies first, then budgets, as issue does.
func (m *Module) ration(ctx context.Context, u *bus.Unit, list []commission) (*rations, error) {
	r := &rations{counted: map[key]bool{}}
	var err error
	if r.limits, err = limitsOf(ctx, u, list); err != nil || len(r.limits) == 0 {
		return r, err
	}
	advocates, budgets := map[advocateKey]int64{}, map[potKey]bool{}
	var referrals []key
	for i := range list {
		c := &list[i]
		l, limited := r.limits[c.campaign()]
		if limited && (l.Advocate != nil || l.Advocate30 != nil) {
			advocates[c.advocate()] = 0
			referrals = append(referrals, key{c.SiteID, c.ReferralID})
		}
		if limited && l.Budget != nil {
			budgets[c.pot(*l.Budget, u.Now)] = true
		}
	}
	if len(advocates) > 0 {
		if _, _, err = lockTallies(ctx, u.Tx, sortedKeys(advocates)); err != nil {
			return nil, err
		}
		kin, err := m.kinOfAdvocates(ctx, u, sortedKeys(advocates))
		if err != nil {
			return nil, err
		}
		if r.rewarded, err = rewardedOf(ctx, u, sortedKeys(advocates), u.Now.Add(-limitWindow), kin); err != nil {
			return nil, err
		}
		if r.counted, err = rewardedAlready(ctx, u, referrals); err != nil {
			return nil, err
		}
	}
	if len(budgets) > 0 {
		if r.pots, err = lockPots(ctx, u.Tx, sortedPots(budgets), true); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (c *commission) campaign() key { return key{c.SiteID, c.CampaignID} }

func (c *commission) advocate() advocateKey {
	return advocateKey{c.SiteID, c.CampaignID, c.PersonID}
}

func (c *commission) pot(b budget, now time.Time) potKey {
	return potKey{c.SiteID, c.CampaignID, b.since(now)}
}

// grant takes what a commission costs out of the campaign's budget, or refuses it.
func (r *rations) grant(n int, c *commission, now time.Time) {
	l, limited := r.limits[c.campaign()]
	if !limited || c.Amount == 0 {
		return
	}
	if had := r.rewarded[c.advocate()]; had != nil && !r.counted[key{c.SiteID, c.ReferralID}] {
		if why := had.judge(c.ReferralID, l); why != "" {
			r.refuse(n, c, explainedRefusal{Cause: why})
			return
		}
	}
	if l.Budget == nil {
		return
	}
	b, k := *l.Budget, c.pot(*l.Budget, now)
	p := r.pots[k]
	p.budget = b
	spent := p.spent
	switch {
	case c.Currency != b.Currency:
		r.refuse(n, c, explainedRefusal{Cause: refusedCurrency, Currency: b.Currency})
	case !p.take(c.Amount):
		r.refuse(n, c, explainedRefusal{Cause: refusedBudget, Currency: b.Currency, Budget: b.Amount, Spent: spent, Since: k.since})
	default:
		c.BudgetSince = &k.since
	}
}

func (r *rations) refuse(n int, c *commission, why explainedRefusal) {
	e := c.explained()
	why.Amount, e.Refused = c.Amount, &why
	c.Amount, c.Held, c.HoldUntil, c.Explain = 0, false, nil, rawJSON(e.text())
	r.refused = append(r.refused, n)
}

// settle writes what is spent of the budgets by now, tells how far they are, and keeps why commissions were refused.
func (r *rations) settle(ctx context.Context, u *bus.Unit, m *Module, list []commission) error {
	if len(r.pots) > 0 {
		m.tellBudgets(u, r.pots)
		if err := savePots(ctx, u.Tx, r.pots); err != nil {
			return err
		}
	}
	if len(r.refused) == 0 {
		return nil
	}
	var sites, ids []int64
	for _, n := range r.refused {
		sites, ids = append(sites, list[n].SiteID), append(ids, list[n].CampaignID)
	}
	campaigns, err := campaignsByID(ctx, u, sites, ids, u.Now)
	if err != nil {
		return err
	}
	refusals := make([]refusal, len(r.refused))
	for i, n := range r.refused {
		c := list[n]
		why := c.explained().Refused
		c.Amount = why.Amount // that it would have been
		refusals[i] = refusal{reward: c.reward(campaigns[c.campaign()], provenance{}), Cause: why.Cause}
		m.metrics.Of(ctx).refused.WithLabelValues(why.Cause).Inc()
	}
	return insertRefusals(ctx, u.Tx, u.Now, refusals)
}

// spare returns to budgets what was taken back of commissions that they paid for, by pot.
func (m *Module) spare(ctx context.Context, u *bus.Unit, back map[potKey]int64) error {
	if len(back) == 0 {
		return nil
	}
	locked, err := lockPots(ctx, u.Tx, sortedPots(back), false)
	if err != nil {
		return err
	}
	for k, p := range locked {
		p.spent -= back[k]
	}
	return savePots(ctx, u.Tx, locked)
}

// limitsOf reads the limits of the campaigns of commissions; those without any are left out.
func limitsOf(ctx context.Context, q sqlx.QueryerContext, list []commission) (map[key]limits, error) {
	var sites, ids []int64
	for i := range list {
		sites, ids = append(sites, list[i].SiteID), append(ids, list[i].CampaignID)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	var found []struct {
		SiteID int64  `db:"site_id"`
		ID     int64  `db:"id"`
		Limits limits `db:"limits"`
	}
	err := sqlx.SelectContext(ctx, q, &found, `
		select c.site_id, c.id, c.limits
		from (select distinct s, i from unnest($1::bigint[], $2::bigint[]) u (s, i)) u
		join referral.campaign c on c.site_id = u.s and c.id = u.i and c.limits <> '{}'`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("limits of commissions: %w", err)
	}
	out := make(map[key]limits, len(found))
	for _, f := range found {
		out[key{f.SiteID, f.ID}] = f.Limits
	}
	return out, nil
}

// rewardedAlready says which referrals have a reward of their advocate's that still counts.
func rewardedAlready(ctx context.Context, q sqlx.QueryerContext, referrals []key) (map[key]bool, error) {
	sites, ids := split(referrals)
	var found []struct {
		SiteID     int64 `db:"site_id"`
		ReferralID int64 `db:"referral_id"`
	}
	err := sqlx.SelectContext(ctx, q, &found, `
		select distinct w.site_id, w.referral_id
		from unnest($1::bigint[], $2::bigint[]) u (s, r)
		join referral.reward w on w.site_id = u.s and w.referral_id = u.r and w.reason = 'referrer' and w.status <> 'Voided'`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("referrals rewarded already: %w", err)
	}
	out := make(map[key]bool, len(found))
	for _, f := range found {
		out[key{f.SiteID, f.ReferralID}] = true
	}
	return out, nil
}
