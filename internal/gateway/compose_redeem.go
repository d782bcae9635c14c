package gateway

import (
	"context"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// spenders is what is asked about points that are moved by hand, and about those that are spent.
type spenders interface {
	AdjustIn(ctx context.Context, siteID, personID int64, wallet string, points int64, description string, forTier bool, key idempotency.Key) (loyaltyapi.Action, error)
	Adjustments(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.Adjustment, bool, error)
	Batches(ctx context.Context, siteID, personID int64) ([]loyaltyapi.RedemptionBatch, error)
	Redeem(ctx context.Context, siteID, personID, batchID int64, source string, key idempotency.Key) (loyaltyapi.Action, error)
	Redemptions(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.Redemption, bool, error)
}

// couponHands is what is asked about coupon lists, and about the coupons that are handed out for points.
type couponHands interface {
	CouponLists(ctx context.Context, siteID int64, ids []int64) (map[int64]referralapi.CouponList, error)
	Coupons(ctx context.Context, s site.Site, ids []int64) (map[int64]referralapi.Coupon, error)
	RedemptionCoupon(ctx context.Context, s site.Site, redemptionID int64) (*referralapi.Coupon, error)
}

// redeemRoutes lists what is done with a member's points.
func (c Composition) redeemRoutes(api huma.API) {
	const member = "/api/v2/loyalty/members/{email}"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "listManualAdjustments", Method: http.MethodGet, Path: member + "/manual_adjustment_actions", Tags: tags,
		Summary: "List how a member's points were moved by hand", Description: "Newest first. Errors: 400 `member_not_found`."}, c.listAdjustments)
	huma.Register(api, huma.Operation{OperationID: "adjustPoints", Method: http.MethodPost, Path: member + "/manual_adjustment_actions", Tags: tags,
		Summary: "Move a member's points by hand",
		Description: "Points that are given expire like points earned today; points that are taken come from those that expire next. Tiers don't move, unless `counts_for_tier` says that the points count as earned. " +
			"Takes `Idempotency-Key`. Errors: 400 `member_not_found`; 422 `invalid_adjustment` when the balance would be below zero or above the programme's " +
			"`adjustment_limit`, or what counts for tiers below zero."}, c.adjustPoints)
	huma.Register(api, huma.Operation{OperationID: "listRedeemActions", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: member + "/redeem_actions", Tags: tags,
		Summary:     "List what a member spent points on",
		Description: "Newest first, with coupons. Errors: 400 `member_not_found`, `member_not_active`, `no_program`."}, c.listRedeems)
	huma.Register(api, huma.Operation{OperationID: "redeemPoints", Metadata: forMembers(mayRedeem), Method: http.MethodPost, Path: member + "/redeem_actions", Tags: tags,
		Summary: "Spend a member's points",
		Description: "Takes what the redemption batch costs from the points that expire next, and hands out one of its coupons. The answer waits some seconds for " +
			"the coupon; if it isn't there by then, `coupon` is null and the redemption's `status` is `waiting`: GET /loyalty/redemptions/{id} shows it later. " +
			"Takes `Idempotency-Key`. Errors: 400 `member_not_found`, `member_not_active`, `no_program`, `redemption_batch_not_found`, `not_enough_points`; by the batch's terms also " +
			"`reward_not_started`, `reward_over`, `reward_tier_required`, `reward_condition_unmet`, `reward_out_of_stock`, `reward_limit_reached`, `reward_balance_too_low`."}, c.redeemPoints)
	huma.Register(api, huma.Operation{OperationID: "listRedemptionBatches", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: member + "/redemption_batches", Tags: tags,
		Summary:     "List what a member can spend points on",
		Description: "By position. Errors: 400 `member_not_found`, `member_not_active`, `no_program`."}, c.listBatches)
}

// talkableAction is something done with points, in Talkable's shape; behind it what Talkable doesn't have.
type talkableAction struct {
	Type         string                `json:"type" doc:"manual_adjustment, redeem, or the identifier of the action that was collected"`
	Points       int64                 `json:"points" doc:"Below zero: taken"`
	CreatedAt    string                `json:"created_at"`
	ActionConfig *talkableActionConfig `json:"action_config" doc:"Of what was collected"`
	Coupon       *referralapi.Coupon   `json:"coupon" doc:"Of a redemption; null while it waits, or where the merchant hands out what was bought"`
	Event        *struct{}             `json:"event" doc:"null"`
	User         *struct{}             `json:"user" doc:"null: who has the site's key"`

	ID           int64   `json:"id" doc:"Of the transaction"`
	Description  *string `json:"description"`
	RedemptionID *int64  `json:"redemption_id"`
	Status       *string `json:"status" doc:"Of a redemption: waiting, fulfilled or cancelled"`
	Wallet       string  `json:"wallet,omitempty" doc:"That the points are of; left out: the main one"`
}

type talkableActionConfig struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Points      int64  `json:"points"`
}

type actionsAnswer struct {
	Actions    []talkableAction `json:"actions"`
	NextCursor *string          `json:"next_cursor" doc:"null on the last page"`
}

type actionAnswer struct {
	Action talkableAction `json:"action"`
	Member loyaltyMember  `json:"loyalty_member"`
}

type actionsInput struct {
	MemberPath
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"100"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}

type adjustInput struct {
	MemberPath
	Body struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Data adjustData `json:"data"`
	}
}

type adjustData struct {
	_           struct{} `json:"-" additionalProperties:"true"`
	Points      optional `json:"points,omitempty" doc:"Whole number, below zero to take points; required" example:"\"-50\""`
	Description optional `json:"description,omitempty" example:"\"Sorry for the delay\""`
	ForTier     bool     `json:"counts_for_tier,omitempty" doc:"The points count for tiers as earned ones do" example:"false"`
	Wallet      string   `json:"wallet,omitempty" maxLength:"30" doc:"Of the programme's; left out: the main one" example:""`
}

type redeemInput struct {
	MemberPath
	Body struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Data redeemData `json:"data"`
	}
}

type redeemData struct {
	_             struct{} `json:"-" additionalProperties:"true"`
	BatchID       optional `json:"redemption_batch_id,omitempty" doc:"Required" example:"\"7\""`
	TrafficSource optional `json:"traffic_source,omitempty" doc:"Default: api"`
}

func (c Composition) listAdjustments(ctx context.Context, in *actionsInput) (*web.OK[actionsAnswer], error) {
	req := web.From(ctx)
	return actionsPage(ctx, c, in, "adjustments", c.Members.Adjustments, func(all []loyaltyapi.Adjustment) ([]talkableAction, error) {
		out := make([]talkableAction, len(all))
		for i, a := range all {
			out[i] = adjustment(a.TransactionID, a.Points, a.Description, a.Wallet, a.At, req.Site)
		}
		return out, nil
	})
}

func (c Composition) listRedeems(ctx context.Context, in *actionsInput) (*web.OK[actionsAnswer], error) {
	req := web.From(ctx)
	return actionsPage(ctx, c, in, "redemptions", c.Members.Redemptions, func(all []loyaltyapi.Redemption) ([]talkableAction, error) {
		return c.redeems(ctx, req.Site, all)
	})
}

// actionsPage answers a page of a member's list.
func actionsPage[T any](ctx context.Context, c Composition, in *actionsInput, what string,
	read func(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterID, limit int) ([]T, bool, error),
	show func([]T) ([]talkableAction, error)) (*web.OK[actionsAnswer], error) {
	req := web.From(ctx)
	p, err := c.memberPerson(ctx, req.Site.ID, in.Slug)
	if err != nil {
		return nil, err
	}
	var after loyaltyapi.AfterID
	list := what + " of " + strconv.FormatInt(p.ID, 10)
	if _, err := c.Cursors.Decode(req.Site.ID, list, in.Cursor, &after); err != nil {
		return nil, err
	}
	page, more, err := read(ctx, req.Site.ID, p.ID, after, in.Limit)
	if err != nil {
		return nil, asNoMember(err)
	}
	answer := actionsAnswer{}
	if answer.Actions, err = show(page); err != nil {
		return nil, err
	}
	if more {
		next := c.Cursors.Encode(req.Site.ID, list, loyaltyapi.AfterID{ID: answer.Actions[len(answer.Actions)-1].ID})
		answer.NextCursor = &next
	}
	return web.Answer(answer), nil
}

func (c Composition) adjustPoints(ctx context.Context, in *adjustInput) (*web.OK[actionAnswer], error) {
	req, data := web.From(ctx), in.Body.Data
	points, err := whole(data.Points, "points")
	if err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(string(data.Description)) > 1000 {
		return nil, fault.New(fault.Unprocessable, "invalid_adjustment", "Validation failed: Description is too long (maximum is 1000 characters)").
			At("/data/description", "must have at most 1000 characters")
	}
	p, err := c.memberPerson(ctx, req.Site.ID, in.Slug)
	if err != nil {
		return nil, err
	}
	a, err := c.Members.AdjustIn(ctx, req.Site.ID, p.ID, data.Wallet, points, string(data.Description), data.ForTier, req.Idempotency)
	if err != nil {
		return nil, asNoMember(err)
	}
	req.MarkReplayed(a.Replayed)
	return c.acted(ctx, req.Site, p, a, adjustment(a.TransactionID, a.Points, a.Description, a.Wallet, a.At, req.Site))
}

func (c Composition) redeemPoints(ctx context.Context, in *redeemInput) (*web.OK[actionAnswer], error) {
	req, data := web.From(ctx), in.Body.Data
	batch, err := whole(data.BatchID, "redemption_batch_id")
	if err != nil {
		return nil, err
	}
	source := string(data.TrafficSource)
	if source == "" {
		source = "api"
	}
	if utf8.RuneCountInString(source) > 255 {
		return nil, fault.New(fault.Invalid, "invalid_request", "`traffic_source` is too long").At("/data/traffic_source", "must have at most 255 characters")
	}
	p, err := c.memberPerson(ctx, req.Site.ID, in.Slug)
	if err != nil {
		return nil, err
	}
	a, err := c.Members.Redeem(ctx, req.Site.ID, p.ID, batch, source, req.Idempotency)
	if f, ok := fault.Of(err); ok && f.Code == "redemption_batch_not_found" {
		err = f.At("/data/redemption_batch_id", "is none of the programme's, or archived")
	}
	if err != nil {
		return nil, asNoMember(err)
	}
	req.MarkReplayed(a.Replayed)
	shown, err := c.redeems(ctx, req.Site, []loyaltyapi.Redemption{*a.Redemption})
	if err != nil {
		return nil, err
	}
	if a.Redemption.CouponListID != nil {
		coupon, err := c.Referrals.RedemptionCoupon(ctx, req.Site, a.Redemption.ID)
		switch {
		case err != nil: // it comes later: the points are spent, and the answer says so
			web.Log(ctx).Warn().Err(err).Int64("redemption.id", a.Redemption.ID).Msg("a redemption is answered without its coupon")
		case coupon != nil:
			fulfilled := "fulfilled"
			shown[0].Coupon, shown[0].Status = coupon, &fulfilled
		}
	}
	return c.acted(ctx, req.Site, p, a, shown[0])
}

// whole reads a whole number that the operation cannot do without.
func whole(sent optional, name string) (int64, error) {
	if sent == "" {
		return 0, fault.New(fault.Invalid, "invalid_request", "`"+name+"` is required").At("/data/"+name, "is required")
	}
	n, err := strconv.ParseInt(string(sent), 10, 64)
	if err != nil {
		return 0, fault.New(fault.Invalid, "invalid_request", "`"+name+"` is invalid").At("/data/"+name, "must be a whole number")
	}
	return n, nil
}

func adjustment(id, points int64, description, wallet string, at time.Time, s site.Site) talkableAction {
	return talkableAction{Type: "manual_adjustment", Points: points, CreatedAt: web.Talkable(at, s.Zone), ID: id, Description: orNull(description), Wallet: wallet}
}
