package loyalty

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/timeline"
)

const module = "loyalty"

// Types of the timeline's entries.
const (
	typeJoined    = "member_joined"
	typeEarned    = "points_earned"
	typeClawed    = "points_clawed_back"
	typeExpired   = "points_expired"
	typeTier      = "tier_changed"
	typeState     = "member_status_changed"
	typeByHand    = "points_adjusted"
	typeSpent     = "points_redeemed"
	typeUnspent   = "redemption_cancelled"
	typeHeld      = "points_held"
	typeCommitted = "hold_committed"
	typeReleased  = "hold_released"
	typeRestored  = "points_restored"
	typeReturned  = "points_reinstated"
	typeActivated = "points_activated"
	typeGave      = "points_given_away"
	typeGot       = "points_received"
	typeMergeOut  = "points_left_by_merge"
	typeMergeIn   = "points_came_by_merge"
	typePoolOut   = "points_left_for_pool"
	typePoolIn    = "points_came_from_pool"
)

var typeOf = map[string]string{kindEarn: typeEarned, kindClawBack: typeClawed, kindExpire: typeExpired, kindAdjust: typeByHand,
	kindRedeem: typeSpent, kindCancel: typeUnspent, kindHold: typeHeld, kindCommit: typeCommitted, kindRelease: typeReleased, kindRestore: typeRestored, kindReinstate: typeReturned,
	kindActivate: typeActivated, kindTransferOut: typeGave, kindTransferIn: typeGot, kindMergeOut: typeMergeOut, kindMergeIn: typeMergeIn,
	kindPoolOut: typePoolOut, kindPoolIn: typePoolIn}

// Timeline reads what happened to a person here before a place, newest first. Points stand at the time of what they are for.
func (m *Module) Timeline(ctx context.Context, siteID, personID int64, before timeline.Place, limit int) ([]timeline.Entry, error) {
	r, err := memberOf(ctx, m.db, siteID, personID)
	if errors.Is(err, errNoMember) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := placeOf(before)
	txns, err := txnsBefore(ctx, m.db, siteID, r.ID, p, limit)
	if err != nil {
		return nil, err
	}
	changes, err := changesBefore(ctx, m.db, siteID, r.ID, p, limit)
	if err != nil {
		return nil, err
	}
	states, err := memberChangesBefore(ctx, m.db, siteID, r.ID, p, limit)
	if err != nil {
		return nil, err
	}
	all := make([]timeline.Entry, 0, len(txns)+len(changes)+len(states)+1)
	for _, t := range txns {
		all = append(all, t.entry())
	}
	for _, c := range changes {
		all = append(all, c.entry())
	}
	for _, c := range states {
		all = append(all, stateEntry(c))
	}
	joined := timeline.Entry{At: r.JoinedAt, Module: module, Type: typeJoined, ID: r.ID, Summary: "Joined the loyalty programme"}
	if r.Status != prospect && before.Older(joined) {
		all = append(all, joined)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Place().Older(all[j]) })
	return all[:min(limit, len(all))], nil
}

// place is a timeline.Place as the statements compare it: by time, type and id.
type place struct {
	at  time.Time
	typ string
	id  int64
}

// placeOf makes a place such that exactly our entries behind before are smaller.
func placeOf(before timeline.Place) place {
	switch {
	case before.At.IsZero():
		return place{at: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	case before.Module == module:
		return place{at: before.At, typ: before.Type, id: before.ID}
	case before.Module > module: // all of ours at that time come behind
		return place{at: before.At, typ: "~"}
	default: // none
		return place{at: before.At}
	}
}

func (t txnRow) entry() timeline.Entry {
	e := timeline.Entry{At: t.EffectiveAt, Module: module, Type: typeOf[t.Kind], ID: t.ID, Data: map[string]any{"points": t.Points, "reason": t.Reason}}
	thing := "a purchase"
	for _, d := range []struct {
		name string
		id   *int64
	}{{"origin_id", t.OriginID}, {"referral_id", t.ReferralID}, {"reward_id", t.RewardID}, {"redemption_id", t.redemption()}, {"hold_id", t.hold()}, {"transfer_id", t.transfer()}} {
		if d.id != nil {
			e.Data[d.name] = *d.id
		}
	}
	switch t.Reason {
	case loyaltyevent.ForReward:
		thing = "a referral's reward"
	case loyaltyevent.ForReferral:
		thing = "a referral"
	case loyaltyevent.ForJoin:
		thing = "joining"
	case loyaltyevent.ForTier:
		thing = "a new tier"
	case loyaltyevent.ForAchievement:
		thing = "an achievement"
	case loyaltyevent.ForDate:
		thing = "their day"
	case loyaltyevent.ForShare:
		thing = "sharing"
	}
	switch t.Kind {
	case kindEarn:
		e.Summary = fmt.Sprintf("Earned %s for %s", points(t.Points), thing)
	case kindClawBack:
		e.Summary = fmt.Sprintf("Lost %s earned for %s", points(t.Points), thing)
	case kindExpire:
		e.Summary = fmt.Sprintf("%s earned for %s expired", points(t.Points), thing)
		if t.Reason == forAdjustment {
			e.Summary = points(t.Points) + " given by hand expired"
		}
	case kindAdjust:
		if e.Summary = "Given " + points(t.Points) + " by hand"; t.Points < 0 {
			e.Summary = "Lost " + points(-t.Points) + " by hand"
		}
	case kindRedeem:
		e.Summary = "Spent " + points(t.Points)
	case kindCancel:
		e.Summary = "Got back " + points(t.Points) + " of a cancelled redemption"
	case kindHold:
		e.Summary = points(t.Points) + " are held for a checkout"
	case kindCommit:
		e.Summary = "Paid with " + points(t.Points)
	case kindRelease:
		e.Summary = "Got back " + points(t.Points) + " that were held"
	case kindActivate:
		e.Summary = fmt.Sprintf("Can spend %s earned for %s", points(t.Points), thing)
	case kindTransferOut:
		e.Summary = "Gave " + points(t.Points) + " to another member"
	case kindTransferIn:
		e.Summary = "Got " + points(t.Points) + " from another member"
	case kindReinstate:
		e.Summary = "Got back " + points(t.Points) + " that had expired"
	case kindMergeOut, kindMergeIn:
		e.Summary = mergeSummary(t)
	case kindPoolOut:
		e.Summary = points(t.Points) + " went to another member of the pool"
	case kindPoolIn:
		e.Summary = points(t.Points) + " came from another member of the pool"
	case kindRestore:
		e.Summary = "Got back " + points(t.Points) + " of a payment"
	}
	if t.Wallet != "" {
		e.Data["wallet"] = t.Wallet
		e.Summary += " (wallet " + t.Wallet + ")"
	}
	return e
}

func points(n int64) string {
	if n == 1 {
		return "1 point"
	}
	return fmt.Sprintf("%d points", n)
}

func (c changeRow) entry() timeline.Entry {
	e := timeline.Entry{At: c.ChangedAt, Module: module, Type: typeTier, ID: c.ID,
		Data: map[string]any{"from": c.From, "to": c.To, "earned": c.Earned, "cause": c.Cause}}
	switch {
	case c.To == "":
		e.Summary = fmt.Sprintf("Left tier %s", c.From)
	case c.From == "":
		e.Summary = fmt.Sprintf("Reached tier %s", c.To)
	default:
		e.Summary = fmt.Sprintf("Moved from tier %s to %s", c.From, c.To)
	}
	return e
}
