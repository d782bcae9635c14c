package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// pointKeepers is what is asked about points beyond what Talkable has.
type pointKeepers interface {
	pointHolders
	pointGivers
	pools
	bulkAdjusters
	PreviewRefund(ctx context.Context, siteID, originID, part, whole int64) (loyaltyapi.RefundPreview, error)
	ExpirationsIn(ctx context.Context, siteID, personID int64, wallet string, after loyaltyapi.AfterExpiration, limit int) ([]loyaltyapi.Expiration, bool, error)
	BalanceIn(ctx context.Context, siteID, personID int64, wallet string, at time.Time) (loyaltyapi.Balance, error)
	ExtendIn(ctx context.Context, siteID, personID int64, wallet string, lots []int64, ends *time.Time, note string, key idempotency.Key) (out loyaltyapi.Extension, replayed bool, err error)
}

// pointRoutes lists what is done with points beyond what Talkable has.
func (c Composition) pointRoutes(api huma.API) {
	const member = "/api/v2/loyalty/members/{email}"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "previewRefund", Method: http.MethodGet, Path: "/api/v2/origins/{origin_slug}/refund_preview",
		Tags: tags, Summary: "See what a refund would do to points",
		Description: "Tells which points a refund of this amount would take back from the buyer, beside the refunds so far, and changes nothing. The slug is the order " +
			"number, or `category:number` of an event. What the order brought others, as rewards of a referral, is not shown. Errors: 404 `origin_not_found`, " +
			"`nothing_earned`; 400 `refund_exceeds`."}, c.previewRefund)
	huma.Register(api, huma.Operation{OperationID: "listExpirations", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: member + "/expirations", Tags: tags,
		Summary:     "List when a member's points expire",
		Description: "What is left of each earning, the next to expire first: in this order points are spent, too. Errors: 404 `member_not_found`; 400 `wallet_not_found`."}, c.listExpirations)
	huma.Register(api, huma.Operation{OperationID: "extendPoints", Method: http.MethodPost, Path: member + "/extensions", Tags: tags,
		Summary: "Set by hand when a member's points expire",
		Description: "Later or earlier, of some lots or of all. What has expired already stays so. Each change is kept with its note. Takes `Idempotency-Key`. Errors: " +
			"404 `member_not_found`, `lot_not_found`; 400 `invalid_extension`, `wallet_not_found`."}, c.extendPoints)
	huma.Register(api, huma.Operation{OperationID: "getPointsBalance", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: member + "/balance", Tags: tags,
		Summary:     "Read what a member had at a moment",
		Description: "By what was written by then, whenever it happened: the ledger is never rewritten, so the answer stays. Errors: 404 `member_not_found`; 400 `wallet_not_found`."}, c.getBalance)
	c.holdRoutes(api)
	c.rewardRoutes(api)
	c.transferRoutes(api)
	c.poolRoutes(api)
	c.bulkRoutes(api)
}

// member is whom an operation of our own is about.
func (c Composition) member(ctx context.Context, slug string) (personID int64, err error) {
	p, err := c.memberPerson(ctx, web.From(ctx).Site.ID, slug)
	return p.ID, unknownMember(err)
}

// unknownMember is how our own operations say what Talkable's say with 400.
func unknownMember(err error) error {
	if f, ok := fault.Of(err); ok && f.Code == errNoMember.Code {
		return fault.New(fault.NotFound, f.Code, "No such loyalty member.")
	}
	return err
}

type previewAnswer struct {
	Preview loyaltyapi.RefundPreview `json:"refund_preview"`
}

func (c Composition) previewRefund(ctx context.Context, in *struct {
	Slug   string `path:"origin_slug" doc:"Order number, or category:number of an event" example:"1001"`
	Amount int64  `query:"amount" minimum:"0" maximum:"9000000000000000" doc:"Of the refund, in minor units of the order's currency; 0: all that is left" example:"500"`
}) (*web.OK[previewAnswer], error) {
	site := web.From(ctx).Site.ID
	o, err := c.Customers.Origin(ctx, site, in.Slug)
	if fault.Is(err, fault.Invalid) {
		return nil, fault.New(fault.NotFound, "origin_not_found", "No such origin.")
	}
	if err != nil {
		return nil, err
	}
	left := o.Subtotal - o.RefundedTotal
	switch {
	case in.Amount == 0:
		in.Amount = left
	case in.Amount > left:
		return nil, fault.New(fault.Invalid, "refund_exceeds", "More than is left of the order.").At("query.amount", "is more than is left")
	}
	preview, err := c.Members.PreviewRefund(ctx, site, o.ID, o.RefundedTotal+in.Amount, o.Subtotal)
	if err != nil {
		return nil, err
	}
	return web.Answer(previewAnswer{preview}), nil
}

type expirationsAnswer struct {
	Expirations []loyaltyapi.Expiration `json:"expirations"`
	NextCursor  *string                 `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) listExpirations(ctx context.Context, in *walletEntriesInput) (*web.OK[expirationsAnswer], error) {
	page, next, err := memberList(ctx, c, in.list(), "expirations"+in.Wallet, inWallet(in.Wallet, c.Members.ExpirationsIn), func(last loyaltyapi.Expiration) loyaltyapi.AfterExpiration {
		return loyaltyapi.AfterExpiration{At: last.SortsAt, LotID: last.LotID}
	})
	if err != nil {
		return nil, err
	}
	return web.Answer(expirationsAnswer{page, next}), nil
}

type extensionAnswer struct {
	Extension loyaltyapi.Extension `json:"extension"`
}

func (c Composition) extendPoints(ctx context.Context, in *struct {
	MemberPath
	Body struct {
		web.SiteBody
		LotIDs    []int64    `json:"lot_ids,omitempty" maxItems:"1000" doc:"Of which points; none: of all that are left" example:"[61]"`
		ExpiresAt *time.Time `json:"expires_at" nullable:"true" doc:"null: never" example:"2199-12-31T00:00:00Z"`
		Note      string     `json:"note" doc:"1 to 500 characters: why" example:"Our shop was closed"`
		Wallet    string     `json:"wallet,omitempty" maxLength:"30" doc:"Whose points; left out: the main one's" example:""`
	}
}) (*web.OK[extensionAnswer], error) {
	req, body := web.From(ctx), in.Body
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	out, replayed, err := c.Members.ExtendIn(ctx, req.Site.ID, who, body.Wallet, body.LotIDs, body.ExpiresAt, body.Note, req.Idempotency)
	if err != nil {
		return nil, unknownMember(err)
	}
	req.MarkReplayed(replayed)
	return web.Answer(extensionAnswer{out}), nil
}

type balanceAnswer struct {
	Balance loyaltyapi.Balance `json:"balance"`
}

func (c Composition) getBalance(ctx context.Context, in *struct {
	MemberPath
	AsOf time.Time `query:"as_of" doc:"Now if left out" example:"2026-11-01T00:00:00Z"`
	WalletQuery
}) (*web.OK[balanceAnswer], error) {
	if in.AsOf.IsZero() {
		in.AsOf = c.Now()
	}
	if year := in.AsOf.Year(); year < 1 || year > 9999 {
		return nil, fault.New(fault.Invalid, "invalid_request", "The request doesn't fit this operation.").At("query.as_of", "is no such year")
	}
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	out, err := c.Members.BalanceIn(ctx, web.From(ctx).Site.ID, who, in.Wallet, in.AsOf)
	if err != nil {
		return nil, unknownMember(err)
	}
	return web.Answer(balanceAnswer{out}), nil
}
