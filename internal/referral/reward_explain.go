package referral

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

var errNoReward = fault.New(fault.NotFound, "reward_not_found", "No such reward.")

// States of a reward as Talkable's portal names them; what is refused stands in a list of its own.
var portalStates = map[string]string{rewardPaid: "given", rewardUnpaid: "pending", rewardVoided: "voided", rewardWaiting: "waiting_for_coupon"}

// explainedReward is a reward with all that is kept about it.
type explainedReward struct {
	ID          int64           `json:"id"`
	CampaignID  int64           `json:"campaign_id"`
	IncentiveID int64           `json:"incentive_id"`
	Identifier  string          `json:"incentive" doc:"Identifier of the incentive"`
	ReferralID  *int64          `json:"referral_id"`
	FriendOffer *int64          `json:"visitor_offer_id" doc:"Of a click"`
	ShareID     *int64          `json:"share_id" doc:"Of sharing"`
	Milestone   *int64          `json:"milestone" doc:"How many approved referrals it is for"`
	OriginID    *int64          `json:"origin_id"`
	PersonID    *int64          `json:"person_id" doc:"Who earned it"`
	FriendID    *int64          `json:"friend_id"`
	Side        string          `json:"side" enum:"advocate,friend"`
	Reason      string          `json:"reason" enum:"referrer,referred,click,signup,shared"`
	Kind        string          `json:"kind" enum:"points,commission,coupon,other,store_credit,gift_card"`
	State       string          `json:"state" enum:"pending,waiting_for_coupon,given,voided"`
	Points      int64           `json:"points"`
	Amount      int64           `json:"amount" doc:"Minor units"`
	Currency    *string         `json:"currency"`
	CouponCode  *string         `json:"coupon_code"`
	Explanation string          `json:"explanation" doc:"What the state comes from, in words"`
	Clawed      int64           `json:"clawed_back" doc:"Of the points or the amount, by refunds"`
	Rule        json.RawMessage `json:"rule" doc:"The incentive and the campaign's version of then, and what they saw"`
	OccurredAt  time.Time       `json:"occurred_at"`
	IssuedAt    time.Time       `json:"issued_at"`
}

// explained shows a reward; r is its referral, nil where it has none.
func (w *reward) explained(r *referral) explainedReward {
	return explainedReward{ID: w.ID, CampaignID: w.CampaignID, IncentiveID: w.IncentiveID, Identifier: w.rule().Incentive.Identifier, ReferralID: w.ReferralID,
		FriendOffer: w.FriendOfferID, ShareID: w.ShareID, Milestone: w.Milestone, OriginID: w.OriginID, PersonID: w.PersonID, FriendID: w.FriendID,
		Side: w.Side, Reason: w.Reason, Kind: w.Kind, State: portalStates[w.Status], Explanation: w.explanation(r), Points: w.Points, Amount: w.Amount, Currency: orNull(w.Currency),
		CouponCode: orNull(w.CouponCode), Clawed: w.Clawed, Rule: json.RawMessage(w.Rule), OccurredAt: w.OccurredAt.UTC(), IssuedAt: w.IssuedAt.UTC()}
}

// rewardExplanation is why a reward is what it is.
type rewardExplanation struct {
	Reward   explainedReward `json:"reward"`
	Budget   *budgetShare    `json:"budget" doc:"What it took from its campaign's budget; null if nothing"`
	GiftCard *giftCardJSON   `json:"gift_card" doc:"Of a gift card: its order; null otherwise"`
}

type budgetShare struct {
	Cost  int64   `json:"cost" doc:"Minor units"`
	Back  int64   `json:"back" doc:"Of these, since it was taken back"`
	Since *string `json:"since" format:"date" doc:"The day on which the budget's period began, UTC; null of one without periods"`
}

func (m *Module) rewardRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "explainReward", Method: http.MethodGet, Path: "/api/v2/rewards/{id}/explain",
		Tags: []string{"Rewards"}, Summary: "Why a reward is what it is",
		Description: "A reward with the rule that it was issued under and the values which that saw, its state in the portal's words, what it took from the campaign's budget, and " +
			"the order of its gift card. What was not given is in listRefusedRewards. 404 if the site has no such reward."}, m.getRewardExplanation)
}

func (m *Module) getRewardExplanation(ctx context.Context, in *struct {
	ID int64 `path:"id"`
}) (*web.OK[rewardExplanation], error) {
	out, err := m.explainReward(ctx, web.From(ctx).Site.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(out), nil
}

func (m *Module) explainReward(ctx context.Context, siteID, id int64) (out rewardExplanation, err error) {
	list, err := rewardsByID(ctx, m.db, []int64{siteID}, []int64{id})
	if err != nil {
		return out, err
	}
	w := list[key{siteID, id}]
	if w == nil {
		return out, errNoReward
	}
	var r *referral
	if w.ReferralID != nil {
		if r, err = referralByID(ctx, m.db, siteID, *w.ReferralID); err != nil {
			return out, err
		}
	}
	out.Reward = w.explained(r)
	entries, err := budgetEntriesOf(ctx, m.db, []reward{*w})
	if err != nil {
		return out, err
	}
	if e, ok := entries[key{siteID, id}]; ok {
		out.Budget = &budgetShare{e.Cost, e.Back, periodBegan(e.Period)}
	}
	card, err := giftCardOf(ctx, m.db, siteID, id)
	if err == nil && card != nil {
		shown := card.json()
		out.GiftCard = &shown
	}
	return out, err
}

// rewarded is what a referral earned, and what it didn't.
func (m *Module) rewarded(ctx context.Context, r *referral) (given []explainedReward, refused []refusedReward, err error) {
	list, err := rewardsOfReferrals(ctx, m.db, []int64{r.SiteID}, []int64{r.ID})
	if err != nil {
		return nil, nil, err
	}
	given = []explainedReward{}
	for i := range list {
		given = append(given, list[i].explained(r))
	}
	refused, err = refusedBefore(ctx, m.db, r.SiteID, &refusedInput{ReferralID: r.ID}, 0, 100)
	return given, append([]refusedReward{}, refused...), err
}
