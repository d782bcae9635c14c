package gateway

import (
	"context"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// MemberPath says whose points an operation is about. It is exported because huma looks into no other embedded struct.
type MemberPath struct {
	Slug string `path:"email" doc:"E-mail address, phone number, customer id or username" example:"ann@shop.example"`
}

// loyaltyMember is a member in Talkable's shape, with our members behind it.
type loyaltyMember struct {
	Email            *string                 `json:"email"`
	PhoneNumber      *string                 `json:"phone_number"`
	PointsBalance    int64                   `json:"points_balance"`
	CustomProperties map[string]string       `json:"custom_properties"`
	MemberDates      []loyaltyapi.MemberDate `json:"member_dates"`

	ID           int64                `json:"id"`
	CustomerID   *string              `json:"customer_id"`
	PointsEarned int64                `json:"points_earned" doc:"In all, less what was taken back; decides the tier"`
	Tier         *string              `json:"tier" doc:"null below the first tier"`
	NextTier     *string              `json:"next_tier" doc:"null at the highest"`
	PointsToNext int64                `json:"points_to_next_tier"`
	JoinedAt     string               `json:"joined_at"`
	ExpiringNext *loyaltyapi.Expiring `json:"expiring_next" doc:"What of the balance expires next; null: nothing"`

	PointsPending  int64                `json:"points_pending" doc:"Earned, and not to be spent yet: not in the balance"`
	ActivatingNext *loyaltyapi.Expiring `json:"activating_next" doc:"What of the pending points can be spent next; null: nothing that has a date"`
}

type memberAnswer struct {
	Member loyaltyMember `json:"loyalty_member"`
}

// errNoMember is said of people that are unknown and of those that are no members alike.
var (
	errNoMember        = fault.New(fault.Invalid, "member_not_found", "Loyalty member not found")
	errMemberNotActive = fault.New(fault.Invalid, "member_not_active", "Loyalty member is not active")
)

func (c Composition) getMember(ctx context.Context, in *MemberPath) (*web.OK[memberAnswer], error) {
	req := web.From(ctx)
	p, err := c.memberPerson(ctx, req.Site.ID, in.Slug)
	if err != nil {
		return nil, err
	}
	m, err := c.Members.Member(ctx, req.Site.ID, p.ID)
	if err != nil {
		return nil, asNoMember(err)
	}
	if !m.Active {
		return nil, errMemberNotActive
	}
	return web.Answer(memberAnswer{memberJSON(p, m, req.Site)}), nil
}

func memberJSON(p customerapi.Person, m loyaltyapi.Member, s site.Site) loyaltyMember {
	out := loyaltyMember{Email: orNull(p.Email), PhoneNumber: orNull(p.Phone), PointsBalance: m.Balance, CustomProperties: p.CustomProperties,
		MemberDates: orEmpty(m.Dates), ID: m.ID, CustomerID: orNull(p.CustomerID), PointsEarned: m.Earned, Tier: orNull(m.Tier),
		NextTier: orNull(m.NextTier), PointsToNext: m.ToNext, JoinedAt: web.Talkable(m.JoinedAt, s.Zone), ExpiringNext: m.Expiring,
		PointsPending: m.Pending, ActivatingNext: m.Next}
	if out.CustomProperties == nil {
		out.CustomProperties = map[string]string{}
	}
	return out
}

// memberPerson is the person that a member's path names.
func (c Composition) memberPerson(ctx context.Context, siteID int64, slug string) (customerapi.Person, error) {
	if me := web.From(ctx).MemberID; me != 0 {
		return c.me(ctx, siteID, me, slug)
	}
	p, err := c.Customers.Person(ctx, siteID, slug)
	if fault.Is(err, fault.Invalid) {
		return p, errNoMember
	}
	return p, err
}

// asNoMember turns module loyalty's "not found" into Talkable's answer.
func asNoMember(err error) error {
	if fault.Is(err, fault.NotFound) {
		return errNoMember
	}
	return err
}

type entriesInput struct {
	MemberPath
	web.Page
}

type entriesAnswer struct {
	Entries    []loyaltyapi.Entry `json:"entries"`
	NextCursor *string            `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) listEntries(ctx context.Context, in *entriesInput) (*web.OK[entriesAnswer], error) {
	page, next, err := memberList(ctx, c, in, "entries", c.Members.Entries, func(last loyaltyapi.Entry) loyaltyapi.After { return loyaltyapi.After{Seq: last.Seq} })
	if err != nil {
		return nil, err
	}
	return web.Answer(entriesAnswer{page, next}), nil
}
