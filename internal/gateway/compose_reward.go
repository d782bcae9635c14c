package gateway

import (
	"context"
	"net/http"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// rewarders is what is asked about the rewards that a member can have.
type rewarders interface {
	Rewards(ctx context.Context, siteID, personID int64) ([]loyaltyapi.Reward, error)
	RedeemFor(ctx context.Context, siteID, personID, batchID, points int64, reference, source string, key idempotency.Key) (loyaltyapi.Action, error)
}

// rewardRoutes lists what of our own a member does with redemption batches.
func (c Composition) rewardRoutes(api huma.API) {
	const member = "/api/v2/loyalty/members/{email}"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "listMemberRewards", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: member + "/rewards", Tags: tags,
		Summary: "List what a member can redeem now, and why not the others",
		Description: "All active redemption batches of the programme by position, each with what its limits leave the member, and every reason why it can't be had at this moment. Errors: 404 " +
			"`member_not_found`; 400 `member_not_active`, `no_program`."}, c.listRewards)
	huma.Register(api, huma.Operation{OperationID: "redeemReward", Metadata: forMembers(mayRedeem), Method: http.MethodPost, Path: member + "/redemptions", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Redeem a reward",
		Description: "As Talkable's redeem_actions, with an answer that doesn't wait for the coupon; and payments, which take `points`. With `dry_run=true` it says whether it would work. Takes `Idempotency-Key`. " +
			"Errors: 404 `member_not_found`, `redemption_batch_not_found`; 400 `member_not_active`, `no_program`, `invalid_redemption`, `reward_not_started`, `reward_over`, `reward_tier_required`, `reward_condition_unmet`, " +
			"`reward_out_of_stock`, `reward_limit_reached`, `reward_balance_too_low`, `not_enough_points`."}, c.redeemReward)
}

type rewardsAnswer struct {
	Rewards    []loyaltyapi.Reward `json:"rewards"`
	NextCursor *string             `json:"next_cursor" doc:"Always null: all are on this page"`
}

type redeemedAnswer struct {
	Redemption loyaltyapi.Redemption `json:"redemption"`
	Balance    int64                 `json:"balance" doc:"The member's, after it"`
}

func (c Composition) listRewards(ctx context.Context, in *MemberPath) (*web.OK[rewardsAnswer], error) {
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	all, err := c.Members.Rewards(ctx, web.From(ctx).Site.ID, who)
	if err != nil {
		return nil, unknownMember(err)
	}
	return web.Answer(rewardsAnswer{Rewards: orEmpty(all)}), nil
}

func (c Composition) redeemReward(ctx context.Context, in *struct {
	MemberPath
	Body struct {
		web.SiteBody
		BatchID   int64  `json:"redemption_batch_id" minimum:"1" example:"7"`
		Points    int64  `json:"points,omitempty" minimum:"0" maximum:"1000000000000" doc:"Of a payment: how many, in steps of the batch's points_cost" example:"500"`
		Reference string `json:"reference,omitempty" doc:"Your own: the order that is paid, at most 200 characters" example:"order-77"`
		Source    string `json:"traffic_source,omitempty" default:"api" doc:"At most 255 characters" example:"api"`
	}
}) (*web.OK[redeemedAnswer], error) {
	req, body := web.From(ctx), in.Body
	bad := fault.New(fault.Invalid, "invalid_redemption", "The redemption is not valid.")
	if utf8.RuneCountInString(body.Reference) > 200 {
		bad = bad.At("/reference", "must have at most 200 characters")
	}
	if utf8.RuneCountInString(body.Source) > 255 {
		bad = bad.At("/traffic_source", "must have at most 255 characters")
	}
	if err := bad.Pointed(); err != nil {
		return nil, err
	}
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	done, err := c.Members.RedeemFor(ctx, req.Site.ID, who, body.BatchID, body.Points, body.Reference, body.Source, req.Idempotency)
	if err != nil {
		return nil, unknownMember(unknownBatch(err))
	}
	req.MarkReplayed(done.Replayed)
	return web.Answer(redeemedAnswer{*done.Redemption, done.Balance}), nil
}

// unknownBatch is how our own operations say what Talkable's say with 400.
func unknownBatch(err error) error {
	if f, ok := fault.Of(err); ok && f.Code == "redemption_batch_not_found" {
		return fault.New(fault.NotFound, f.Code, "No such redemption batch, or it is archived.")
	}
	return err
}
