package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

// heldCoupon is a coupon of elsewhere, and the reward that it is.
type heldCoupon struct {
	referralapi.MovedReward
	code string
	list couponList
	reward
}

// TakeRewards takes in coupons that were issued elsewhere and that nobody used, as rewards of referrals that were taken in before. The earner has the code,
// so nobody is told, and no budget pays for it again.
func (m *Module) TakeRewards(ctx context.Context, s site.Site, source string, rows []referralapi.MovedReward) ([]taken, error) {
	var out []taken
	err := m.takeIn(ctx, source, func(u *bus.Unit) error {
		out = make([]taken, len(rows))
		return m.takeRewards(ctx, u, s, source, rows, out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (m *Module) takeRewards(ctx context.Context, u *bus.Unit, s site.Site, source string, rows []referralapi.MovedReward, out []taken) error {
	numbers, digests, of, lists := make([]string, len(rows)), make([]string, len(rows)), make([]string, len(rows)), make([]int64, len(rows))
	for i, in := range rows {
		numbers[i], digests[i], of[i], lists[i] = in.Number, digestOf([]any{in.Referral, in.Friend, codeOfCoupon(in.Code), in.ListID}), in.Referral, in.ListID
		if why := codeFault(codeOfCoupon(in.Code)); why != "" {
			out[i].Err = refused("invalid_coupon_code", "code", why)
		}
	}
	known, err := movedBefore(ctx, u, s.ID, source, movedReward, numbers)
	if err != nil {
		return err
	}
	todo := fresh(known, numbers, digests, out)
	made, err := movedReferrals(ctx, u, s.ID, source, of)
	if err != nil {
		return err
	}
	stock, err := shareCouponLists(ctx, u.Tx, s.ID, lists)
	if err != nil {
		return err
	}
	var sites, campaigns []int64
	var codes []string
	for _, i := range todo {
		codes = append(codes, codeOfCoupon(rows[i].Code))
		sites, campaigns = append(sites, s.ID), append(campaigns, made[rows[i].Referral].CampaignID)
	}
	there, err := ownersOfCodes(ctx, u, s.ID, codes)
	if err != nil {
		return err
	}
	found, err := campaignsByID(ctx, u, sites, campaigns, u.Now)
	if err != nil {
		return err
	}
	var list []heldCoupon
	var at []int
	for _, i := range todo {
		in, r := rows[i], made[rows[i].Referral]
		h := heldCoupon{MovedReward: in, code: codeOfCoupon(in.Code), list: stock[in.ListID]}
		_, exists := there[h.code]
		incentive := couponIncentive(found[key{s.ID, r.CampaignID}], in.Friend)
		switch {
		case r.ID == 0:
			out[i].Err = refused("referral_not_found", "referral_id", "is no referral that was taken in from "+source)
		case r.Status != referralevent.Approved:
			out[i].Err = refused("referral_not_approved", "referral_id", "is a referral that isn't approved; what it earns is given here when it is")
		case h.list.ID == 0 || h.list.Kind != singleUse:
			out[i].Err = refused("coupon_list_not_found", "coupon_list_id", "is no list of single-use coupons of this site")
		case exists:
			out[i].Err = refused("coupon_code_taken", "code", "is another coupon's here already")
		case incentive == nil:
			out[i].Err = refused("no_coupon_incentive", "side", "has no incentive in the campaign that gives coupons; the reward would be nobody's promise")
		default:
			there[h.code] = 0
			if h.reward, err = h.held(s, r, incentive, u.Now); err != nil {
				return err
			}
			list, at = append(list, h), append(at, i)
		}
	}
	return m.keepCoupons(ctx, u, s, source, list, at, digests, out)
}

// couponIncentive is the campaign's that gives coupons to a side; nil: none does.
func couponIncentive(c *campaign, friend bool) *incentive {
	if c == nil {
		return nil
	}
	action := actionReferrer
	if friend {
		action = actionReferred
	}
	if i := slices.IndexFunc(c.Incentives, func(i incentive) bool {
		return i.Active && i.Kind == referralevent.Coupon && i.Action == action && i.Terms.Milestone == 0
	}); i >= 0 {
		return &c.Incentives[i]
	}
	return nil
}

// held is the reward that a coupon is.
func (h heldCoupon) held(s site.Site, r referral, i *incentive, now time.Time) (reward, error) {
	rule, err := json.Marshal(rewardRule{Incentive: *i, Subtotal: r.Subtotal, Currency: r.Currency, Seen: map[string]any{"moved": h.Number}})
	if err != nil {
		return reward{}, fmt.Errorf("rule of a moved reward: %w", err)
	}
	w := reward{SiteID: s.ID, CampaignID: r.CampaignID, IncentiveID: i.ID, ReferralID: &r.ID, OriginID: &r.OriginID, PersonID: &r.AdvocateID, FriendID: &r.FriendID,
		Side: i.side(), Reason: i.Action, Kind: i.Kind, Status: rewardWaiting, CouponListID: &h.list.ID, Rule: string(rule), OccurredAt: r.OccurredAt}
	if h.Friend {
		w.PersonID = &r.FriendID
	}
	return w, nil
}

// keepCoupons writes the rewards with their coupons; one that the referral has already is left out.
func (m *Module) keepCoupons(ctx context.Context, u *bus.Unit, s site.Site, source string, list []heldCoupon, at []int, digests []string, out []taken) error {
	rewards := make([]reward, len(list))
	byKey := map[rewardKey]int{}
	for n := range list {
		if rewards[n] = list[n].reward; byKey[rewards[n].source()] == 0 {
			byKey[rewards[n].source()] = n + 1
		}
		out[at[n]].Err = refused("reward_exists", "referral_id", "has a reward of this kind here already")
	}
	if len(list) == 0 {
		return nil
	}
	written, err := insertRewards(ctx, u.Tx, u.Now, rewards)
	if err != nil {
		return err
	}
	var held []heldCoupon
	var moved []movedRow
	for _, w := range written {
		n := byKey[w.source()] - 1
		h := list[n]
		h.reward = w
		if h.MovedReward.IssuedAt.IsZero() || h.MovedReward.IssuedAt.After(u.Now) {
			h.MovedReward.IssuedAt = w.OccurredAt
		}
		held = append(held, h)
		moved = append(moved, movedRow{Number: h.Number, SubjectID: w.ID, Digest: digests[at[n]]})
		out[at[n]] = taken{Value: true}
	}
	if len(held) == 0 {
		return nil
	}
	if err := insertHeldCoupons(ctx, u.Tx, u.Now, held); err != nil {
		return err
	}
	if err := insertMoved(ctx, u.Tx, u.Now, s.ID, source, movedReward, moved); err != nil {
		return err
	}
	return m.noteMove(ctx, u, s.ID, "rewards.moved", source, map[string]int{"coupons": len(held)})
}
