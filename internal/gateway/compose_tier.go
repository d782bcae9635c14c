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

// ranks is what is asked about members' tiers.
type ranks interface {
	MemberTier(ctx context.Context, siteID, personID int64) (loyaltyapi.MemberTier, error)
	TierChanges(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterTierChange, limit int) ([]loyaltyapi.TierChange, bool, error)
	CountTowards(ctx context.Context, siteID, personID int64, in loyaltyapi.TierCount, key idempotency.Key) (out loyaltyapi.TierCounted, replayed bool, err error)
}

// tierRoutes lists what is read and said of a member's tier.
func (c Composition) tierRoutes(api huma.API) {
	const member = "/api/v2/loyalty/members/{email}"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "getMemberTier", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: member + "/tier", Tags: tags,
		Summary: "Read a member's tier, and what is missing",
		Description: "Since and until when it is held, what counts in the window, what is missing to keep it and to reach the next, and the tier if nothing more counts. " +
			"It is as of this moment, also right after midnight or a change of the programme. Errors: 404 `member_not_found`."}, c.getMemberTier)
	huma.Register(api, huma.Operation{OperationID: "listTierChanges", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: member + "/tier_changes", Tags: tags,
		Summary: "List how a member moved between tiers", Description: "The latest first, each with its cause and what counted then. Errors: 404 `member_not_found`."}, c.listTierChanges)
	huma.Register(api, huma.Operation{OperationID: "countTowardsTier", Method: http.MethodPost, Path: member + "/tier_counts", Tags: tags,
		Summary: "Add to a member's own counter",
		Description: "For tiers that ask for `custom`: visits, reviews, whatever the shop counts. A source counts once for a member; the same again answers `counted` false. " +
			"Takes `Idempotency-Key`. Errors: 404 `member_not_found`; 400 `member_not_active`, `invalid_tier_count`; 409 `nothing_counts` when the programme's tiers never " +
			"asked for more than lifetime points, `source_used` when another amount was counted with this source."}, c.countTowardsTier)
}

type memberTierAnswer struct {
	Tier loyaltyapi.MemberTier `json:"member_tier"`
}

func (c Composition) getMemberTier(ctx context.Context, in *MemberPath) (*web.OK[memberTierAnswer], error) {
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	out, err := c.Members.MemberTier(ctx, web.From(ctx).Site.ID, who)
	if err != nil {
		return nil, unknownMember(err)
	}
	return web.Answer(memberTierAnswer{out}), nil
}

type tierChangesAnswer struct {
	Changes    []loyaltyapi.TierChange `json:"tier_changes"`
	NextCursor *string                 `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) listTierChanges(ctx context.Context, in *entriesInput) (*web.OK[tierChangesAnswer], error) {
	page, next, err := memberList(ctx, c, in, "tier changes", c.Members.TierChanges, func(last loyaltyapi.TierChange) loyaltyapi.AfterTierChange {
		return loyaltyapi.AfterTierChange{At: last.ChangedAt, ID: last.ID}
	})
	if err != nil {
		return nil, err
	}
	return web.Answer(tierChangesAnswer{page, next}), nil
}

func (c Composition) countTowardsTier(ctx context.Context, in *struct {
	MemberPath
	Body struct {
		web.SiteBody
		Source     string    `json:"source" doc:"Your own name of what is counted, 1 to 200 characters" example:"visit-77"`
		Amount     int64     `json:"amount" doc:"How much, below zero to take away; at most 1,000,000,000,000" example:"1"`
		OccurredAt time.Time `json:"occurred_at,omitempty" doc:"For which day it counts; default: now" example:"2026-03-01T12:00:00Z"`
	}
}) (*web.OK[loyaltyapi.TierCounted], error) {
	req, body := web.From(ctx), in.Body
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	out, replayed, err := c.Members.CountTowards(ctx, req.Site.ID, who, loyaltyapi.TierCount{Source: body.Source, Amount: body.Amount, At: body.OccurredAt}, req.Idempotency)
	if err != nil {
		return nil, unknownMember(err)
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}
