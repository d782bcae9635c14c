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

// inviters is what is asked about who was asked to become a member.
type inviters interface {
	Invite(ctx context.Context, siteID int64, in loyaltyapi.Invite, key idempotency.Key) (out []loyaltyapi.Invited, replayed bool, err error)
	Invitations(ctx context.Context, siteID int64, status string, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.Invitation, bool, error)
}

func (c Composition) invitationRoutes(api huma.API) {
	const path = "/api/v2/loyalty/invitations"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "createLoyaltyInvitations", Method: http.MethodPost, Path: path, Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Invite people to become members",
		Description: "One address, or up to 1,000. Whom nobody knows becomes a person; who is no member becomes a candidate; who left may come back. Each has one invitation at a time: who has one gets no other. " +
			"The answer has a row for each address, in their order. Who is invited is written to where the site sends that (`PUT /mails/member_invited`), with the link of a page that takes the answer; the webhook `member.invited` tells of each with its code. Takes `Idempotency-Key`. " +
			"Errors: 400 `invalid_invitation`, `no_program`."}, c.createInvitations)
	huma.Register(api, huma.Operation{OperationID: "listLoyaltyInvitations", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List invitations", Description: "The latest first. They are forgotten 400 days after they were accepted, revoked or lapsed."}, c.listInvitations)
}

// invitationRow is an invitation, with who it is for.
type invitationRow struct {
	Email *string `json:"email"`
	loyaltyapi.Invitation
}

type invitedRow struct {
	Email      string                 `json:"email" doc:"As it was sent"`
	Result     string                 `json:"result" enum:"invited,already_invited,active,suspended,erased" doc:"Or the state of who can't be invited"`
	Invitation *loyaltyapi.Invitation `json:"invitation" doc:"null: none is open"`
}

type invitedAnswer struct {
	Invitations []invitedRow `json:"invitations"`
}

func (c Composition) createInvitations(ctx context.Context, in *struct {
	Body struct {
		web.SiteBody
		Emails []string `json:"emails" minItems:"1" maxItems:"1000" doc:"E-mail addresses" example:"[\"ann@shop.example\"]"`
		Days   int      `json:"expires_in_days,omitempty" default:"30" doc:"1 to 365" example:"30"`
		Note   string   `json:"note,omitempty" doc:"At most 500 characters" example:"Spring event"`
	}
}) (*web.OK[invitedAnswer], error) {
	req, body := web.From(ctx), in.Body
	known, err := c.Customers.Addressees(ctx, req.Site.ID, body.Emails)
	if err != nil {
		return nil, err
	}
	bad := fault.New(fault.Invalid, "invalid_invitation", "The invitation is not valid.")
	for i, a := range known {
		if !a.Valid && len(bad.Fields) < 20 {
			bad = bad.At("/emails/"+itoa(i), "is no e-mail address")
		}
	}
	if err := bad.Pointed(); err != nil {
		return nil, err
	}
	ids, err := c.Customers.Introduce(ctx, req.Site, body.Emails)
	if err != nil {
		return nil, err
	}
	done, replayed, err := c.Members.Invite(ctx, req.Site.ID, loyaltyapi.Invite{PersonIDs: ids, Days: body.Days, Note: body.Note, KeyID: req.KeyID}, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	out := invitedAnswer{Invitations: make([]invitedRow, len(done))}
	for i, d := range done {
		out.Invitations[i] = invitedRow{Email: body.Emails[i], Result: d.Result, Invitation: d.Invitation}
	}
	return web.Answer(out), nil
}

type invitationsAnswer struct {
	Invitations []invitationRow `json:"invitations"`
	NextCursor  *string         `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) listInvitations(ctx context.Context, in *struct {
	Status string `query:"status" enum:"open,accepted,revoked,lapsed" doc:"Any when left out"`
	web.Page
}) (*web.OK[invitationsAnswer], error) {
	list := in.Status + " invitations"
	page, next, err := siteList(ctx, c, in.Page, list, func(ctx context.Context, siteID int64, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.Invitation, bool, error) {
		return c.Members.Invitations(ctx, siteID, in.Status, after, limit)
	}, func(last loyaltyapi.Invitation) loyaltyapi.AfterID { return loyaltyapi.AfterID{ID: last.ID} })
	if err != nil {
		return nil, err
	}
	out := make([]invitationRow, len(page))
	err = c.whose(ctx, len(page), func(i int) int64 { return page[i].PersonID }, func(i int, p customerapi.Person) {
		out[i] = invitationRow{Email: orNull(p.Email), Invitation: page[i]}
	})
	if err != nil {
		return nil, err
	}
	return web.Answer(invitationsAnswer{out, next}), nil
}

// whose hands each row of a page the person that it is about.
func (c Composition) whose(ctx context.Context, rows int, personOf func(i int) int64, give func(i int, p customerapi.Person)) error {
	ids := make([]int64, rows)
	for i := range ids {
		ids[i] = personOf(i)
	}
	people, err := c.Customers.People(ctx, web.From(ctx).Site.ID, ids)
	for i, id := range ids {
		give(i, people[id])
	}
	return err
}
