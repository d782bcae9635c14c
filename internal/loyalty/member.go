package loyalty

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// errNoMember has Talkable's words.
var errNoMember = fault.New(fault.NotFound, "member_not_found", "Loyalty member not found")

// Member reads a person's membership. The tier is that of the tiers in force, also while the timer has not brought the member
// up to a change of them yet. A balance below zero is a debt: claw-backs took more than was left.
func (m *Module) Member(ctx context.Context, siteID, personID int64) (loyaltyapi.Member, error) {
	return memberIn(ctx, m.db, siteID, personID, m.now())
}

func memberIn(ctx context.Context, db sqlx.QueryerContext, siteID, personID int64, now time.Time) (loyaltyapi.Member, error) {
	r, err := memberOf(ctx, db, siteID, personID)
	if err != nil {
		return loyaltyapi.Member{}, err
	}
	programs, err := programsOf(ctx, db, siteID)
	if err != nil {
		return loyaltyapi.Member{}, err
	}
	dates, err := datesOf(ctx, db, siteID, r.ID)
	if err != nil {
		return loyaltyapi.Member{}, err
	}
	next, err := expiringNext(ctx, db, siteID, r.AccountID)
	if err != nil {
		return loyaltyapi.Member{}, err
	}
	var activating *loyaltyapi.Expiring
	if r.Pending > 0 {
		if activating, err = activatingNext(ctx, db, siteID, r.ID); err != nil {
			return loyaltyapi.Member{}, err
		}
	}
	var pool *loyaltyapi.PoolSummary
	if len(programs) > 0 && programs[0].PoolSize > 0 {
		if pool, err = poolOfMember(ctx, db, siteID, r.PersonID); err != nil {
			return loyaltyapi.Member{}, err
		}
	}
	out := loyaltyapi.Member{Pool: pool, Pending: r.Pending, Next: activating, Dates: dates, Expiring: next, ID: r.ID, PersonID: r.PersonID, Active: r.Status == active, Status: r.Status, Balance: r.Balance, Earned: r.Earned, JoinedAt: r.JoinedAt}
	for _, p := range programs {
		if len(p.Wallets) > 0 {
			had, err := walletRows(ctx, db, siteID, r.ID)
			if err != nil {
				return loyaltyapi.Member{}, err
			}
			out.Wallets = p.shown(had)
		}
		s, err := standingOf(ctx, db, p, r, now)
		if err != nil {
			return loyaltyapi.Member{}, err
		}
		out.Tier = p.nameOf(s.level)
		out.NextTier, out.ToNext = s.above()
	}
	return out, nil
}

// lockActive locks a person's membership, which must be an active one, behind the site's programme.
func lockActive(ctx context.Context, u *bus.Unit, who person) (*holder, program, error) {
	programs, err := sharePrograms(ctx, u, []int64{who.site})
	if err != nil {
		return nil, program{}, err
	}
	holders, err := lockHolders(ctx, u, []person{who})
	switch h := holders[who]; {
	case err != nil:
		return nil, program{}, err
	case h == nil:
		return nil, program{}, errNoMember
	case h.Status != active:
		return nil, program{}, notActive(h.Status)
	default:
		return h, programs[who.site], nil
	}
}

// Entries reads a member's account, newest first, and says whether older entries follow.
func (m *Module) Entries(ctx context.Context, siteID, personID int64, after loyaltyapi.After, limit int) ([]loyaltyapi.Entry, bool, error) {
	return m.EntriesIn(ctx, siteID, personID, "", after, limit)
}

// EntriesIn is Entries of one of the member's wallets.
func (m *Module) EntriesIn(ctx context.Context, siteID, personID int64, wallet string, after loyaltyapi.After, limit int) ([]loyaltyapi.Entry, bool, error) {
	r, err := walletOf(ctx, m.db, siteID, personID, wallet)
	if err != nil {
		return nil, false, err
	}
	entries, err := entriesOf(ctx, m.db, siteID, r.AccountID, after.Seq, limit+1)
	if err != nil {
		return nil, false, err
	}
	if len(entries) > limit {
		return entries[:limit], true, nil
	}
	return entries, false, nil
}
