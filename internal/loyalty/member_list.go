package loyalty

import (
	"context"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/timeline"
)

// Memberships reads members of a state, and says whether more follow.
func (m *Module) Memberships(ctx context.Context, siteID int64, status string, after loyaltyapi.AfterMember, limit int) ([]loyaltyapi.Membership, bool, error) {
	if status != prospect && status != suspended && status != closed && status != erased {
		status = active
	}
	all, err := membershipsOf(ctx, m.db, siteID, status, after.ID, limit+1)
	return all[:min(limit, len(all))], len(all) > limit, err
}

// Membership reads the state of a person's membership.
func (m *Module) Membership(ctx context.Context, siteID, personID int64) (loyaltyapi.Membership, error) {
	r, err := memberOf(ctx, m.db, siteID, personID)
	if err != nil {
		return loyaltyapi.Membership{}, err
	}
	return membershipIn(ctx, m.db, siteID, r.ID)
}

// MemberChanges reads how a member came to its state, the latest change first, and says whether more follow.
func (m *Module) MemberChanges(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.MemberChange, bool, error) {
	r, err := memberOf(ctx, m.db, siteID, personID)
	if err != nil {
		return nil, false, err
	}
	all, err := memberChangesOf(ctx, m.db, siteID, r.ID, after.ID, limit+1)
	return all[:min(limit, len(all))], len(all) > limit, err
}

// stateEntry is a change of state in the timeline.
func stateEntry(c loyaltyapi.MemberChange) timeline.Entry {
	e := timeline.Entry{At: c.ChangedAt, Module: module, Type: typeState, ID: c.ID, Data: map[string]any{"from": c.From, "to": c.To, "cause": c.Cause}}
	if e.Summary = "Is a candidate of the loyalty programme"; c.From != nil {
		e.Summary = "Was " + *c.From + " in the loyalty programme, and is " + c.To
	}
	return e
}
