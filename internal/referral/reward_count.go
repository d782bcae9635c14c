package referral

import (
	"context"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// advocateKey is an advocate in a campaign.
type advocateKey struct{ site, campaign, person int64 }

func (k advocateKey) compare(o advocateKey) int {
	return slices.Compare([]int64{k.site, k.campaign, k.person}, []int64{o.site, o.campaign, o.person})
}

// tally counts an advocate's approved referrals in a campaign, without those that were refunded entirely. Its row is locked.
type tally struct {
	advocateKey
	approved int64
	moved    int64           // of them, those that were rewarded elsewhere, with every milestone up to them
	rewarded map[string]bool // milestones that are rewarded, by incentive and number
}

// count adds a referral that was just approved. One that was refunded before then is no referral any more.
func (t *tally) count(r *referral) {
	if !r.RefundedFull {
		t.approved++
	}
}

// reach says whether the advocate has reached the incentive's milestone and isn't rewarded for it yet; it says so once.
func (t *tally) reach(i incentive, r *referral) bool {
	k := milestoneOf(i.ID, i.Terms.Milestone)
	if t.approved < i.Terms.Milestone || t.moved >= i.Terms.Milestone || t.rewarded[k] || r.RefundedFull {
		return false
	}
	t.rewarded[k] = true
	return true
}

func milestoneOf(incentive, referrals int64) string { return itoa(incentive) + ":" + itoa(referrals) }

// counts says whether the campaign's rewards depend on how many referrals an advocate has, or on how many were rewarded.
func (c *campaign) counts() bool {
	return c.Limits.Advocate30 != nil || c.Limits.Advocate != nil ||
		slices.ContainsFunc(c.Incentives, func(i incentive) bool { return i.Active && i.counts() })
}

// tally locks the tallies of the advocates of referrals that were just approved, as they were before. Campaigns that don't count
// have none; the first time that one counts, it finds out how many there have been.
func (m *Module) tally(ctx context.Context, u *bus.Unit, list []referral, campaigns map[key]*campaign) (map[advocateKey]*tally, error) {
	now := map[advocateKey]int64{}
	for i := range list {
		r := &list[i]
		if c := campaigns[key{r.SiteID, r.OfferID}]; c != nil && c.counts() {
			k := advocateKey{r.SiteID, r.CampaignID, r.AdvocateID}
			if now[k] += 0; !r.RefundedFull {
				now[k]++
			}
		}
	}
	if len(now) == 0 {
		return nil, nil
	}
	k, err := m.advocatesAsOne(ctx, u, list)
	if err != nil {
		return nil, err
	}
	tallies, fresh, err := lockTallies(ctx, u.Tx, sortedKeys(now))
	if err != nil {
		return nil, err
	}
	if len(fresh) > 0 {
		if err := countReferrals(ctx, u.Tx, tallies, fresh, k); err != nil {
			return nil, err
		}
		for _, k := range fresh {
			tallies[k].approved -= now[k] // they are approved already
		}
	}
	if err := countMoved(ctx, u, tallies, k); err != nil {
		return nil, err
	}
	return tallies, milestonesRewarded(ctx, u, tallies, k)
}

func sortedKeys(m map[advocateKey]int64) []advocateKey {
	out := make([]advocateKey, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, advocateKey.compare)
	return out
}

// uncount takes approved referrals that were just refunded entirely out of their advocates' tallies, and takes back the milestones that
// are no longer reached. Where nobody counted there is nothing to do.
func (m *Module) uncount(ctx context.Context, u *bus.Unit, emptied []referral) error {
	kin, err := m.advocatesAsOne(ctx, u, emptied)
	if err != nil {
		return err
	}
	less, by := map[advocateKey]int64{}, map[advocateKey]*referral{}
	for i := range emptied {
		k := advocateKey{emptied[i].SiteID, emptied[i].CampaignID, emptied[i].AdvocateID}
		less[k]++
		by[k] = &emptied[i]
	}
	if len(less) == 0 {
		return nil
	}
	tallies, err := lockKnownTallies(ctx, u.Tx, sortedKeys(less))
	if err != nil || len(tallies) == 0 {
		return err
	}
	var fresh []advocateKey // to be counted anew, since a merge
	for k, t := range tallies {
		if t.approved < 0 {
			fresh = append(fresh, k)
		}
		t.approved = max(t.approved-less[k], 0)
	}
	if err := countReferrals(ctx, u.Tx, tallies, fresh, kin); err != nil {
		return err
	}
	if err := saveTallies(ctx, u.Tx, tallies); err != nil {
		return err
	}
	lost, err := milestonesLost(ctx, u.Tx, tallies, kin)
	if err != nil || len(lost) == 0 {
		return err
	}
	return m.takeBack(ctx, u, lost, func(w *reward) *referralevent.RewardClawedBack {
		r := by[advocateKey{w.SiteID, w.CampaignID, kin.one(w.SiteID, deref(w.PersonID))}]
		return w.clawBack(&referral{SiteID: r.SiteID, ID: r.ID, RefundedFull: true}, u.Now)
	})
}

// asks says whether a condition of the campaign looks at people.
func (c *campaign) asks(actions ...string) bool {
	return slices.ContainsFunc(c.Incentives, func(i incentive) bool {
		if !i.Active || !slices.Contains(actions, i.Action) {
			return false
		}
		if i.Terms.NewOptin != nil || i.Action == actionClick && (i.Terms.NewCustomer != nil || i.Terms.SelfReferral != nil) {
			return true
		}
		condition := i.Terms.condition()
		return condition != nil && (condition.Uses("friend") || condition.Uses("advocate") || condition.Uses("person") || condition.Uses("click"))
	})
}

// campaignFacts are what conditions may ask of the campaign.
func (c *campaign) facts() criteria.Campaign {
	return criteria.Campaign{ID: c.ID, Name: c.Name, Tags: c.Tags}
}
