package referral

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// Periods of a budget.
const (
	budgetTotal = "total"
	budgetMonth = "month" // of UTC
)

const (
	budgetBegin = "2000-01-01" // of a total
	budgetNear  = 80           // percent at which it is told that the end is near
)

// budget is what a campaign's rewards may cost in a period. A reward that it has no room for is refused.
type budget struct {
	Amount   int64  `json:"amount" doc:"Minor units"`
	Currency string `json:"currency,omitempty" doc:"ISO 4217; the site's when left out. A reward in another currency is refused, unless its incentive says what it costs"`
	Period   string `json:"period,omitempty" doc:"month (of UTC) or total, the default"`
}

// since is the day on which the period of a moment began.
func (b budget) since(at time.Time) string {
	if b.Period == budgetMonth {
		return at.UTC().Format("2006-01") + "-01"
	}
	return budgetBegin
}

// periodBegan is when a period began, for people: nil of a total.
func periodBegan(since string) *string {
	if since == budgetBegin {
		return nil
	}
	return &since
}

// pot is what is spent of a budget in a period. Its row is locked.
type pot struct {
	potKey
	budget budget
	spent  int64
	told   int
	toldOf int64
	short  bool // something was refused
}

type potKey struct {
	site, campaign int64
	since          string
}

func (k potKey) compare(o potKey) int {
	return cmp.Or(cmp.Compare(k.site, o.site), cmp.Compare(k.campaign, o.campaign), cmp.Compare(k.since, o.since))
}

// take reserves a cost, if there is room.
func (p *pot) take(cost int64) bool {
	if cost > p.budget.Amount-p.spent {
		p.short = true
		return false
	}
	p.spent += cost
	return true
}

// reached is the percentage that is to be told now; 0 for none.
func (p *pot) reached() int {
	if p.toldOf != p.budget.Amount {
		p.told, p.toldOf = 0, p.budget.Amount
	}
	now := 0
	switch {
	case p.short || p.spent >= p.budget.Amount:
		now = 100
	case p.spent >= money.Percent(p.budget.Amount, budgetNear*100):
		now = budgetNear
	}
	if now <= p.told {
		return 0
	}
	p.told = now
	return now
}

// pots are the budgets that a transaction spends of.
type pots map[potKey]*pot

// potOf is where a reward's cost goes; false where there is no budget or no cost.
func (a *awards) potOf(w *reward, now time.Time) (potKey, budget, bool) {
	c := a.campaign(w)
	if c == nil || c.Limits.Budget == nil || w.cost == 0 {
		return potKey{}, budget{}, false
	}
	b := *c.Limits.Budget
	return potKey{w.SiteID, w.CampaignID, b.since(now)}, b, true
}

// afford refuses what budgets have no room for. It locks the budgets' rows, which charge writes.
func (m *Module) afford(ctx context.Context, u *bus.Unit, a *awards) (pots, error) {
	budgets := map[potKey]budget{}
	for i := range a.given {
		if k, b, ok := a.potOf(&a.given[i], u.Now); ok {
			budgets[k] = b
		}
	}
	if len(budgets) == 0 {
		return nil, nil
	}
	locked, err := lockPots(ctx, u.Tx, sortedPots(budgets), true)
	if err != nil {
		return nil, err
	}
	room := map[potKey]*pot{} // the rows are charged by what is really written
	for k, b := range budgets {
		locked[k].budget = b
		copied := *locked[k]
		room[k] = &copied
	}
	a.refuse(func(w *reward) string {
		k, b, ok := a.potOf(w, u.Now)
		switch {
		case !ok:
			return ""
		case w.costIn != "" && w.costIn != b.Currency:
			return refusedCurrency
		case !room[k].take(w.cost):
			locked[k].short = true
			return refusedBudget
		}
		return ""
	})
	return locked, nil
}

func sortedPots[V any](m map[potKey]V) []potKey {
	out := make([]potKey, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, potKey.compare)
	return out
}

// charge takes what the issued rewards cost out of the locked budgets, and tells how far those are.
func (m *Module) charge(ctx context.Context, u *bus.Unit, locked pots, issued []reward, a *awards) error {
	if len(locked) == 0 {
		return nil
	}
	var entries []budgetEntry
	for i := range issued {
		if k, _, ok := a.potOf(&issued[i], u.Now); ok {
			locked[k].spent += issued[i].cost
			entries = append(entries, budgetEntry{SiteID: k.site, RewardID: issued[i].ID, CampaignID: k.campaign, Period: k.since, Cost: issued[i].cost})
		}
	}
	m.tellBudgets(u, locked)
	if err := savePots(ctx, u.Tx, locked); err != nil {
		return err
	}
	return insertBudgetEntries(ctx, u.Tx, entries)
}

// tellBudgets tells how far locked budgets are, where that is news.
func (m *Module) tellBudgets(u *bus.Unit, locked pots) {
	for _, k := range sortedPots(locked) {
		p := locked[k]
		if percent := p.reached(); percent > 0 {
			u.Tell(k.site, "campaign:"+itoa(k.campaign), referralevent.BudgetReached{SiteID: k.site, CampaignID: k.campaign, Percent: int64(percent), Spent: p.spent,
				Amount: p.budget.Amount, Currency: p.budget.Currency, Period: p.budget.Period, Since: k.since, ReachedAt: u.Now})
			m.log.Info().Int64("site", k.site).Int64("campaign", k.campaign).Int("percent", percent).Msg("a campaign's budget is used")
		}
	}
}

// giveBack returns to the budgets what rewards have cost in the share that was taken back of them, each share once.
func (m *Module) giveBack(ctx context.Context, u *bus.Unit, clawed []reward) error {
	entries, err := budgetEntriesOf(ctx, u, clawed)
	if err != nil || len(entries) == 0 {
		return err
	}
	back := map[potKey]int64{}
	var changed []budgetEntry
	for i := range clawed {
		w := &clawed[i]
		e, ok := entries[key{w.SiteID, w.ID}]
		if !ok {
			continue
		}
		target := e.Cost
		if w.Status != rewardVoided {
			target = money.Share(e.Cost, w.Clawed, w.Points+w.Amount)
		}
		if target > e.Back {
			back[potKey{e.SiteID, e.CampaignID, e.Period}] += target - e.Back
			e.Back = target
			changed = append(changed, e)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	if err := m.spare(ctx, u, back); err != nil {
		return err
	}
	return saveBudgetEntries(ctx, u.Tx, changed)
}

// readLimits is what the API shows of a campaign's limits.
func (m *Module) readLimits(ctx context.Context, q sqlx.QueryerContext, siteID, id int64, now time.Time) (limitsJSON, error) {
	list, err := campaignsByID(ctx, q, []int64{siteID}, []int64{id}, now)
	if err != nil {
		return limitsJSON{}, err
	}
	c := list[key{siteID, id}]
	if c == nil {
		return limitsJSON{}, errNoCampaign
	}
	out := limitsJSON{Limits: c.Limits}
	if b := c.Limits.Budget; b != nil {
		spent, err := spentOf(ctx, q, potKey{siteID, id, b.since(now)})
		if err != nil {
			return limitsJSON{}, err
		}
		out.Spent = &spentJSON{Amount: spent, Left: max(b.Amount-spent, 0), Since: periodBegan(b.since(now))}
	}
	return out, nil
}
