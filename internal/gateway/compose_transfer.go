package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// pointGivers is what is asked about points that can't be spent yet, and about those that members give to each other.
type pointGivers interface {
	PendingIn(ctx context.Context, siteID, personID int64, wallet string, after loyaltyapi.AfterExpiration, limit int) ([]loyaltyapi.Pending, bool, error)
	TransferIn(ctx context.Context, siteID int64, wallet string, from, to, points int64, note string, key idempotency.Key) (out loyaltyapi.Transfer, replayed bool, err error)
}

func (c Composition) transferRoutes(api huma.API) {
	const member = "/api/v2/loyalty/members/{email}"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "listPendingPoints", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: member + "/pending_points", Tags: tags,
		Summary:     "List a member's points that can't be spent yet",
		Description: "Those that can be spent next first; those that wait for somebody's word last. Errors: 404 `member_not_found`, 400 `wallet_not_found`."}, c.listPending)
	huma.Register(api, huma.Operation{OperationID: "transferPoints", Method: http.MethodPost, Path: member + "/transfers", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Give points of a member to another",
		Description: "Those that expire next first, and they keep their dates: what was to live by the giver's activity ends when it would have ended. They count for no tier, " +
			"and are no activity of either member. If the order is refunded that earned them, its buyer pays as for points that were spent. Takes `Idempotency-Key`. Errors: 404 `member_not_found`; " +
			"400 `receiver_not_found`, `same_member`, `member_not_active`, `receiver_not_active`, `no_program`, `not_enough_points`, `points_pending` when the rest can't be spent yet, " +
			"`transfer_limit`, `transfer_daily_limit`, `too_many_lots`, `invalid_transfer`, `wallet_not_found`, `wallet_not_transferable`."}, c.transferPoints)
}

type transferAnswer struct {
	Transfer loyaltyapi.Transfer `json:"transfer"`
}

func (c Composition) transferPoints(ctx context.Context, in *struct {
	MemberPath
	Body struct {
		web.SiteBody
		To     string `json:"to" doc:"Who gets them: e-mail address, phone number, customer id or username" example:"bob@shop.example"`
		Points int64  `json:"points" doc:"1 to 1,000,000,000,000" example:"10"`
		Note   string `json:"note,omitempty" doc:"At most 500 characters, for both members' histories" example:"Happy birthday"`
		Wallet string `json:"wallet,omitempty" maxLength:"30" doc:"Whose points, into the same of the other; left out: the main one" example:""`
	}
}) (*web.OK[transferAnswer], error) {
	req, body := web.From(ctx), in.Body
	from, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	to, err := c.memberPerson(ctx, req.Site.ID, body.To)
	if f, ok := fault.Of(err); ok && f.Code == errNoMember.Code {
		return nil, fault.New(fault.Invalid, "receiver_not_found", "Who is to get the points is no member.").At("/to", "is no member")
	}
	if err != nil {
		return nil, err
	}
	out, replayed, err := c.Members.TransferIn(ctx, req.Site.ID, body.Wallet, from, to.ID, body.Points, body.Note, req.Idempotency)
	if err != nil {
		return nil, unknownMember(err)
	}
	req.MarkReplayed(replayed)
	return web.Answer(transferAnswer{out}), nil
}

type pendingAnswer struct {
	Points     []loyaltyapi.Pending `json:"pending_points"`
	NextCursor *string              `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) listPending(ctx context.Context, in *walletEntriesInput) (*web.OK[pendingAnswer], error) {
	page, next, err := memberList(ctx, c, in.list(), "pending points"+in.Wallet, inWallet(in.Wallet, c.Members.PendingIn), func(last loyaltyapi.Pending) loyaltyapi.AfterExpiration {
		return loyaltyapi.AfterExpiration{At: last.SortsAt, LotID: last.TransactionID}
	})
	if err != nil {
		return nil, err
	}
	return web.Answer(pendingAnswer{page, next}), nil
}
