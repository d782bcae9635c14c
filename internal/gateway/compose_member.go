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

	Wallets []loyaltyapi.WalletBalance `json:"wallets,omitempty" doc:"Beside the main one, whose points all others of these fields are; left out: the programme has none"`

	Pool        *memberPool `json:"pool" doc:"Of members who may spend each other's points; null: the member is in none"`
	PoolBalance *int64      `json:"pool_balance" doc:"What its members have together; null without a pool"`
}

// memberPool is a pool as one of its members has it.
type memberPool struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Spending string `json:"spending" enum:"all,owner" doc:"Who may spend the others' points"`
	Owner    bool   `json:"owner" doc:"Whether it is this member's"`
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
		return nil, memberNotActive(m.Status)
	}
	return web.Answer(memberAnswer{memberJSON(p, m, req.Site)}), nil
}

// memberNotActive is Talkable's answer, with the state in which the member is.
func memberNotActive(status string) error { return errMemberNotActive.At("path.email", "is "+status) }

func memberJSON(p customerapi.Person, m loyaltyapi.Member, s site.Site) loyaltyMember {
	out := loyaltyMember{Email: orNull(p.Email), PhoneNumber: orNull(p.Phone), PointsBalance: m.Balance, CustomProperties: p.CustomProperties,
		MemberDates: orEmpty(m.Dates), ID: m.ID, CustomerID: orNull(p.CustomerID), PointsEarned: m.Earned, Tier: orNull(m.Tier),
		NextTier: orNull(m.NextTier), PointsToNext: m.ToNext, JoinedAt: web.Talkable(m.JoinedAt, s.Zone), ExpiringNext: m.Expiring,
		PointsPending: m.Pending, ActivatingNext: m.Next, Wallets: m.Wallets}
	if p := m.Pool; p != nil {
		out.Pool, out.PoolBalance = &memberPool{ID: p.ID, Name: p.Name, Spending: p.Spending, Owner: p.OwnerID == m.ID}, &p.Balance
	}
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

// WalletQuery is which wallet is read. It is exported because huma looks into no other embedded struct.
type WalletQuery struct {
	Wallet string `query:"wallet" maxLength:"30" doc:"Key of a wallet of the programme; left out: the main one" example:""`
}

type walletEntriesInput struct {
	MemberPath
	web.Page
	WalletQuery
}

func (in *walletEntriesInput) list() *entriesInput { return &entriesInput{in.MemberPath, in.Page} }

// inWallet has a list of a member's read one of the wallets.
func inWallet[T, A any](wallet string, read func(ctx context.Context, siteID, personID int64, wallet string, after A, limit int) ([]T, bool, error)) func(context.Context, int64, int64, A, int) ([]T, bool, error) {
	return func(ctx context.Context, siteID, personID int64, after A, limit int) ([]T, bool, error) {
		return read(ctx, siteID, personID, wallet, after, limit)
	}
}

type entriesAnswer struct {
	Entries    []loyaltyapi.Entry `json:"entries"`
	NextCursor *string            `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) listEntries(ctx context.Context, in *walletEntriesInput) (*web.OK[entriesAnswer], error) {
	page, next, err := memberList(ctx, c, in.list(), "entries"+in.Wallet, inWallet(in.Wallet, c.Members.EntriesIn), func(last loyaltyapi.Entry) loyaltyapi.After { return loyaltyapi.After{Seq: last.Seq} })
	if err != nil {
		return nil, err
	}
	return web.Answer(entriesAnswer{page, next}), nil
}
