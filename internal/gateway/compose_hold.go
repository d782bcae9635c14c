package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// pointHolders is what is asked about points that checkouts keep for themselves.
type pointHolders interface {
	HoldIn(ctx context.Context, siteID, personID int64, wallet string, batchID, points int64, reference string, lasts time.Duration, key idempotency.Key) (loyaltyapi.Action, error)
	Holds(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.Hold, bool, error)
}

// holdRoutes lists how a checkout gets a hold. What it does with it is module loyalty's.
func (c Composition) holdRoutes(api huma.API) {
	const holds = "/api/v2/loyalty/members/{email}/holds"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "holdPoints", Method: http.MethodPost, Path: holds, Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Keep points for a checkout",
		Description: "Takes points off the balance, those that expire next, until the order is placed (commit) or not (release), or the time is over: then they go back by themselves. " +
			"Meanwhile nobody else can spend them, and they don't expire. Takes `Idempotency-Key`. Errors: 404 `member_not_found`; 400 `member_not_active`, `no_program`, " +
			"`not_enough_points`, `invalid_hold`, `wallet_not_found`, `wallet_not_spendable`; for a payment also 404 `redemption_batch_not_found`, 400 `invalid_redemption` and those of its terms, as for redemptions."}, c.holdPoints)
	huma.Register(api, huma.Operation{OperationID: "listHolds", Method: http.MethodGet, Path: holds, Tags: tags,
		Summary: "List a member's holds", Description: "Newest first, whatever became of them. Errors: 404 `member_not_found`."}, c.listHolds)
}

type holdAnswer struct {
	Hold    loyaltyapi.Hold `json:"hold"`
	Balance int64           `json:"balance" doc:"What is left to spend"`
}

func (c Composition) holdPoints(ctx context.Context, in *struct {
	MemberPath
	Body struct {
		web.SiteBody
		Points    int64  `json:"points" doc:"1 to 1,000,000,000,000" example:"10"`
		Reference string `json:"reference" doc:"Your own: the cart or order, 1 to 200 characters" example:"cart-77"`
		BatchID   int64  `json:"redemption_batch_id,omitempty" minimum:"1" doc:"The payment that the points are for: its terms hold, and say what they are worth. Left out: for none"`
		Seconds   int    `json:"seconds,omitempty" default:"900" doc:"How long, at most 7 days" example:"900"`
		Wallet    string `json:"wallet,omitempty" maxLength:"30" doc:"Whose points; left out: the main one's, or those of the payment's wallet" example:""`
	}
}) (*web.OK[holdAnswer], error) {
	req, body := web.From(ctx), in.Body
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	lasts := time.Duration(min(max(body.Seconds, 0), 1_000_000)) * time.Second
	done, err := c.Members.HoldIn(ctx, req.Site.ID, who, body.Wallet, body.BatchID, body.Points, body.Reference, lasts, req.Idempotency)
	if err != nil {
		return nil, unknownMember(unknownBatch(err))
	}
	req.MarkReplayed(done.Replayed)
	return web.Answer(holdAnswer{*done.Hold, done.Balance}), nil
}

type holdsAnswer struct {
	Holds      []loyaltyapi.Hold `json:"holds"`
	NextCursor *string           `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) listHolds(ctx context.Context, in *entriesInput) (*web.OK[holdsAnswer], error) {
	page, next, err := memberList(ctx, c, in, "holds", c.Members.Holds, func(last loyaltyapi.Hold) loyaltyapi.AfterID { return loyaltyapi.AfterID{ID: last.ID} })
	if err != nil {
		return nil, err
	}
	return web.Answer(holdsAnswer{page, next}), nil
}
