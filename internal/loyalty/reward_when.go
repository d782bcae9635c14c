package loyalty

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

const conditionUnmet = "reward_condition_unmet"

// errWho says that a reward's condition looks at the person, whom nobody has asked about yet. It ends the transaction: nobody is asked in one.
var errWho = errors.New("the reward's condition looks at the person")

// unmet says why a batch's condition refuses a member; nil: it doesn't. whom has what conditions may ask of the person; nil: nobody has asked.
func (b *redemptionBatch) unmet(ctx context.Context, now time.Time, who criteria.Member, whom *criteria.Facts) (*string, error) {
	if b.Terms.RewardPlan == nil || b.Terms.When == "" {
		return nil, nil
	}
	when, err := criteria.Compile(b.Terms.When)
	if err != nil {
		return nil, fmt.Errorf("condition of redemption batch %d: %w", b.ID, err)
	}
	facts := criteria.Facts{Now: now, Today: criteria.DateOf(now.In(zoneNamed(b.Terms.Zone))), Member: who}
	if looksOf(when) != (looks{}) {
		if whom == nil {
			return nil, errWho
		}
		facts.Person, facts.History = whom.Person, whom.History
		facts.Member.Birthday, facts.Member.Dates = whom.Member.Birthday, whom.Member.Dates
	}
	v, err := when.Ask(ctx, facts)
	switch {
	case err != nil:
		return nil, fmt.Errorf("condition of redemption batch %d: %w", b.ID, err)
	case v.Met:
		return nil, nil
	case v.Reason == "":
		v.Reason = "The member doesn't meet the reward's condition."
	}
	return &v.Reason, nil
}

// known is what conditions may ask of a member.
func (h *holder) known() criteria.Member {
	return criteria.Member{ID: h.MemberID, Tier: h.Tier, Earned: h.Earned, Status: h.Status, JoinedAt: h.JoinedAt,
		Birthday: h.dates[birthday], Dates: h.dates}
}

// ask asks the condition of the batch that an action spends points on.
func (d *desk) ask(ctx context.Context, h *holder, a *action) (err error) {
	b := d.batches[siteID{a.site, a.id}]
	if h == nil || b == nil || b.Terms.RewardPlan == nil || a.kind != kindRedeem && a.kind != kindHold {
		return nil
	}
	d.settleTier(h, d.programs[h.SiteID])
	a.unmet, err = b.unmet(ctx, d.now, h.known(), a.whom)
	return err
}

// spend spends a member's points on a batch, or holds them for it. Who the person is, is asked before, where the batch's condition is known to
// look at it; else it turns out in the transaction, which is tried again.
func (m *Module) spend(ctx context.Context, a action) (out loyaltyapi.Action, err error) {
	batch := siteID{a.site, a.id}
	if m.curious.Contains(batch) {
		if a.whom, err = m.whom(ctx, a.site, a.person); err != nil {
			return out, err
		}
	}
	out, err = m.actions.Do(ctx, a)
	if a.whom != nil || !errors.Is(err, errWho) {
		return out, err
	}
	m.curious.Add(batch, true)
	if a.whom, err = m.whom(ctx, a.site, a.person); err != nil {
		return out, err
	}
	return m.actions.Do(ctx, a)
}

// whom is what conditions may ask of a person, and of what they did before.
func (m *Module) whom(ctx context.Context, site, id int64) (*criteria.Facts, error) {
	o := occasion{at: m.now(), facts: criteria.Facts{Person: criteria.Person{ID: id}}}
	dates, err := datesByPerson(ctx, m.db, site, []int64{id})
	if err != nil {
		return nil, err
	}
	o.facts.Member.Birthday, o.facts.Member.Dates = dates[id][birthday], dates[id]
	if m.people == nil {
		return &o.facts, nil
	}
	known, err := m.people.People(ctx, site, []int64{id})
	if err != nil {
		return nil, fmt.Errorf("ask who they are: %w", err)
	}
	if p, ok := known[id]; ok {
		o.meet(p)
	}
	programs, err := programsOf(ctx, m.db, site)
	if err != nil {
		return nil, err
	}
	if len(programs) > 0 { // a site has one
		o.by = programs[0]
	}
	pasts, err := m.people.Pasts(ctx, site, []customerapi.Moment{o.moment()})
	if err != nil {
		return nil, fmt.Errorf("ask what they did before: %w", err)
	}
	o.recall(pasts[0])
	return &o.facts, nil
}
