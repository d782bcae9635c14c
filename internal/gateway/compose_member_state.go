package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// registrars is what is asked about who is a member, and in which state.
type registrars interface {
	Enrol(ctx context.Context, siteID, personID int64, in loyaltyapi.Enrolment, key idempotency.Key) (out loyaltyapi.Enrolled, replayed bool, err error)
	Turn(ctx context.Context, siteID, personID int64, t loyaltyapi.Turn, key idempotency.Key) (out loyaltyapi.Membership, replayed bool, err error)
	Membership(ctx context.Context, siteID, personID int64) (loyaltyapi.Membership, error)
	Memberships(ctx context.Context, siteID int64, status string, after loyaltyapi.AfterMember, limit int) ([]loyaltyapi.Membership, bool, error)
	MemberChanges(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.MemberChange, bool, error)
}

// memberStateRoutes lists how people become members, and what becomes of members.
func (c Composition) memberStateRoutes(api huma.API) {
	const members = "/api/v2/loyalty/members"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "enrolLoyaltyMember", Method: http.MethodPost, Path: members, Tags: tags, Summary: "Make somebody a member",
		Description: "Whom nobody knows becomes a person, if the name is an e-mail address or a phone number. A candidate becomes a member; who is one already stays as they are, and `joined` is false. " +
			"With `candidate` the person can't spend anything until this is asked without it. Takes `Idempotency-Key`. Errors: 400 `no_program`, `invalid_note`; 404 `person_not_found`; " +
			"409 `invitation_needed` where the programme takes members by invitation only, `member_status` for who is suspended, closed or erased; 422 `validation_failed`."}, c.enrolMember)
	huma.Register(api, huma.Operation{OperationID: "listLoyaltyMembers", Method: http.MethodGet, Path: members, Tags: tags,
		Summary: "List members by their state", Description: "By their ids. Who was merged into another is in no list."}, c.listMembers)
	huma.Register(api, huma.Operation{OperationID: "getMembership", Method: http.MethodGet, Path: members + "/{email}/membership", Tags: tags,
		Summary:     "Read the state of a membership",
		Description: "Also of who is not active, of whom GET /loyalty/members/{email} says only that. Errors: 404 `member_not_found`."}, c.getMembership)
	huma.Register(api, huma.Operation{OperationID: "listMemberChanges", Method: http.MethodGet, Path: members + "/{email}/status_changes", Tags: tags,
		Summary: "List how a membership changed", Description: "The latest change first: from which state to which, why, and which API key asked. Who became an active member at once has none. " +
			"Errors: 404 `member_not_found`."}, c.listMemberChanges)
	for _, o := range []struct{ turn, verb, summary, says string }{
		{"suspended", "suspend", "Suspend a member", "Nothing can be spent, held or given away from now on; points stay, and end at their dates. Whether more are earned is the programme's `suspended_earning`. Holds that there are can be committed."},
		{"reactivated", "reactivate", "Let a member go on", "Who was suspended, closed or a candidate is an active member again, with the points that are left."},
		{"closed", "close", "Close a membership", "Nothing can be earned or spent from now on. What becomes of the points is the programme's `closed_points`; `forfeits_at` says when they end."},
	} {
		huma.Register(api, huma.Operation{OperationID: o.verb + "LoyaltyMember", Method: http.MethodPost, Path: members + "/{email}/" + o.verb, Tags: tags, Summary: o.summary,
			Description: o.says + " To ask for the state that there is changes nothing. Takes `Idempotency-Key`. Errors: 404 `member_not_found`; 400 `invalid_note`; 409 `member_status` in a state from which that can't be."}, c.turnMember(o.turn))
	}
}

// membership is a member's state, with who it is.
type membership struct {
	Email       *string `json:"email"`
	PhoneNumber *string `json:"phone_number"`
	CustomerID  *string `json:"customer_id"`
	loyaltyapi.Membership
}

func membershipJSON(p customerapi.Person, m loyaltyapi.Membership) membership {
	return membership{Email: orNull(p.Email), PhoneNumber: orNull(p.Phone), CustomerID: orNull(p.CustomerID), Membership: m}
}

type membershipAnswer struct {
	Member membership `json:"member"`
}

type enrolAnswer struct {
	Member membership `json:"member"`
	Joined bool       `json:"joined" doc:"false: was one already, and nothing changed"`
}

func (c Composition) enrolMember(ctx context.Context, in *struct {
	Body struct {
		web.SiteBody
		Person    string `json:"person" doc:"E-mail address, phone number, customer id or username" example:"ann@shop.example"`
		Candidate bool   `json:"candidate,omitempty" doc:"Not a member yet: earns by the programme's candidate_earning, and can't spend"`
		Note      string `json:"note,omitempty" doc:"At most 500 characters" example:"Asked for it at the till"`
	}
}) (*web.OK[enrolAnswer], error) {
	req, body := web.From(ctx), in.Body
	p, err := c.personOrNew(ctx, req.Site.ID, body.Person)
	if err != nil {
		return nil, err
	}
	out, replayed, err := c.Members.Enrol(ctx, req.Site.ID, p.ID, loyaltyapi.Enrolment{Candidate: body.Candidate, Note: body.Note, KeyID: req.KeyID}, req.Idempotency)
	if err != nil {
		return nil, unknownMember(err)
	}
	req.MarkReplayed(replayed)
	return web.Answer(enrolAnswer{membershipJSON(p, out.Membership), !out.Known}), nil
}

// personOrNew is a person by a name of theirs; an address or a phone number that nobody has makes one.
func (c Composition) personOrNew(ctx context.Context, siteID int64, slug string) (customerapi.Person, error) {
	p, err := c.Customers.Person(ctx, siteID, slug)
	if fault.Is(err, fault.Invalid) {
		p, _, err = c.Customers.UpdatePerson(ctx, siteID, slug, customerapi.PersonUpdate{})
	}
	switch {
	case fault.Is(err, fault.Invalid):
		return p, fault.New(fault.NotFound, "person_not_found", "Nobody has this name, and it is neither an e-mail address nor a phone number.").At("/person", "is nobody's")
	case err == nil && p.AnonymizedAt != nil:
		return p, errForgotten
	}
	return p, err
}

type turnInput struct {
	MemberPath
	Body struct {
		web.SiteBody
		Note string `json:"note,omitempty" doc:"At most 500 characters: why" example:"Asked for it by mail"`
	}
}

func (c Composition) turnMember(turn string) func(context.Context, *turnInput) (*web.OK[membershipAnswer], error) {
	return func(ctx context.Context, in *turnInput) (*web.OK[membershipAnswer], error) {
		req := web.From(ctx)
		p, err := c.memberPerson(ctx, req.Site.ID, in.Slug)
		if err != nil {
			return nil, unknownMember(err)
		}
		out, replayed, err := c.Members.Turn(ctx, req.Site.ID, p.ID, loyaltyapi.Turn{Turn: turn, Note: in.Body.Note, KeyID: req.KeyID}, req.Idempotency)
		if err != nil {
			return nil, unknownMember(err)
		}
		req.MarkReplayed(replayed)
		return web.Answer(membershipAnswer{membershipJSON(p, out)}), nil
	}
}

func (c Composition) getMembership(ctx context.Context, in *MemberPath) (*web.OK[membershipAnswer], error) {
	req := web.From(ctx)
	p, err := c.memberPerson(ctx, req.Site.ID, in.Slug)
	if err != nil {
		return nil, unknownMember(err)
	}
	out, err := c.Members.Membership(ctx, req.Site.ID, p.ID)
	if err != nil {
		return nil, unknownMember(err)
	}
	return web.Answer(membershipAnswer{membershipJSON(p, out)}), nil
}

type membersAnswer struct {
	Members    []membership `json:"members"`
	NextCursor *string      `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) listMembers(ctx context.Context, in *struct {
	Status string `query:"status" enum:"candidate,active,suspended,closed,erased" default:"active"`
	web.Page
}) (*web.OK[membersAnswer], error) {
	page, next, err := siteList(ctx, c, in.Page, in.Status+" members", func(ctx context.Context, siteID int64, after loyaltyapi.AfterMember, limit int) ([]loyaltyapi.Membership, bool, error) {
		return c.Members.Memberships(ctx, siteID, in.Status, after, limit)
	}, func(last loyaltyapi.Membership) loyaltyapi.AfterMember {
		return loyaltyapi.AfterMember{ID: last.MemberID}
	})
	if err != nil {
		return nil, err
	}
	out := make([]membership, len(page))
	err = c.whose(ctx, len(page), func(i int) int64 { return page[i].PersonID }, func(i int, p customerapi.Person) { out[i] = membershipJSON(p, page[i]) })
	if err != nil {
		return nil, err
	}
	return web.Answer(membersAnswer{out, next}), nil
}

type memberChangesAnswer struct {
	Changes    []loyaltyapi.MemberChange `json:"status_changes"`
	NextCursor *string                   `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) listMemberChanges(ctx context.Context, in *entriesInput) (*web.OK[memberChangesAnswer], error) {
	page, next, err := memberList(ctx, c, in, "status changes", c.Members.MemberChanges, func(last loyaltyapi.MemberChange) loyaltyapi.AfterID { return loyaltyapi.AfterID{ID: last.ID} })
	if err != nil {
		return nil, err
	}
	return web.Answer(memberChangesAnswer{page, next}), nil
}
