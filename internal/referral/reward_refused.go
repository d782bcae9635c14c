package referral

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/web"
)

// refusedReward is a refusal as the API shows it.
type refusedReward struct {
	ID          int64           `json:"id" db:"id"`
	CampaignID  int64           `json:"campaign_id" db:"campaign_id"`
	IncentiveID int64           `json:"incentive_id" db:"incentive_id"`
	ReferralID  *int64          `json:"referral_id" db:"referral_id"`
	FriendOffer *int64          `json:"visitor_offer_id" db:"friend_offer_id"`
	ShareID     *int64          `json:"share_id" db:"share_id"`
	Milestone   *int64          `json:"milestone" db:"milestone"`
	OriginID    *int64          `json:"origin_id" db:"origin_id"`
	PersonID    *int64          `json:"person_id" db:"person_id"`
	Side        string          `json:"side" db:"side" enum:"advocate,friend"`
	Reason      string          `json:"reason" db:"reason" doc:"What it would have been for: referrer, referred, click, signup, shared"`
	Kind        string          `json:"kind" db:"kind"`
	Cause       string          `json:"cause" db:"cause" enum:"auto_approved,subtotal,new_customer,new_optin,referrals,friend_event_category,sharing_channel,self_referral,criteria,nothing,nobody,unverified,uniqueness,limit_30_days,limit_total,limit_friends,budget,budget_currency,hook" doc:"Why not"`
	Detail      string          `json:"detail" db:"detail" doc:"The merchant's own words, where the criteria gave some"`
	Explanation string          `json:"explanation" db:"-" doc:"Why not, in words"`
	Rule        json.RawMessage `json:"rule" db:"rule" doc:"The incentive and the campaign's version of then, and what they saw"`
	OccurredAt  time.Time       `json:"occurred_at" db:"occurred_at"`
	RefusedAt   time.Time       `json:"refused_at" db:"refused_at"`
}

func (m *Module) refusedRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "listRefusedRewards", Method: http.MethodGet, Path: "/api/v2/refused_rewards",
		Tags: []string{"Rewards"}, Summary: "List rewards that were not given",
		Description: "Every reward that a condition, a limit, a budget or its uniqueness refused, newest first, and why. May be narrowed to a campaign, a person, a referral or a cause."}, m.getRefused)
}

type refusedInput struct {
	web.Page
	SiteSlug   string `query:"site_slug"`
	CampaignID int64  `query:"campaign_id" minimum:"0"`
	PersonID   int64  `query:"person_id" minimum:"0"`
	ReferralID int64  `query:"referral_id" minimum:"0"`
	Cause      string `query:"cause" enum:"auto_approved,subtotal,new_customer,new_optin,referrals,friend_event_category,sharing_channel,self_referral,criteria,nothing,nobody,unverified,uniqueness,limit_30_days,limit_total,limit_friends,budget,budget_currency,hook"`
}

type refusedResult struct {
	RefusedRewards []refusedReward `json:"refused_rewards"`
	NextCursor     *string         `json:"next_cursor"`
}

func (m *Module) getRefused(ctx context.Context, in *refusedInput) (*web.OK[refusedResult], error) {
	siteID, before := web.From(ctx).Site.ID, int64(0)
	const name = "refused rewards"
	if _, err := m.cursors.Decode(siteID, name, in.Cursor, &before); err != nil {
		return nil, err
	}
	rows, err := refusedBefore(ctx, m.db, siteID, in, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := refusedResult{RefusedRewards: append([]refusedReward{}, rows[:min(len(rows), in.Limit)]...)}
	if len(rows) > in.Limit {
		next := m.cursors.Encode(siteID, name, rows[in.Limit-1].ID)
		out.NextCursor = &next
	}
	return web.Answer(out), nil
}
