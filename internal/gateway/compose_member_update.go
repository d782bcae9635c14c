package gateway

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// memberDates is what is asked about the days that matter to members.
type memberDates interface {
	CheckMemberDates(in []loyaltyapi.MemberDate) error
	SetMemberDates(ctx context.Context, siteID, personID int64, dates []loyaltyapi.MemberDate, key idempotency.Key) (out loyaltyapi.Member, replayed bool, err error)
}

// memberUpdateRoutes lists what is told of a member.
func (c Composition) memberUpdateRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "updateLoyaltyMember", Method: http.MethodPut, Path: "/api/v2/loyalty/members/{email}",
		Tags: []string{"Loyalty"}, Summary: "Update a loyalty member",
		Description: "Custom properties are the person's, and merged into them: numbers and booleans become texts. Dates are added to the member's by their " +
			"identifier; an empty date takes one away. Takes `Idempotency-Key`.\n\nErrors: 400 `member_not_found`, `member_not_active`, `invalid_member_dates`; " +
			"422 `validation_failed`, `person_anonymized`."}, c.updateMember)
}

type updateMemberInput struct {
	Slug string `path:"email" doc:"E-mail address, phone number, customer id or username" example:"ann@shop.example"`
	Body struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Data memberData `json:"data"`
	}
}

type memberData struct {
	_      struct{}   `json:"-" additionalProperties:"true"`
	Custom properties `json:"custom_properties,omitempty"`
	Dates  rawDates   `json:"member_dates,omitempty" doc:"At most 50"`
}

// rawDates are read by the operation, which answers in Talkable's words when they have another shape.
type rawDates []byte

// UnmarshalJSON keeps them.
func (d *rawDates) UnmarshalJSON(b []byte) error {
	*d = append(rawDates{}, b...)
	return nil
}

// Schema describes them to the API description, which bounds nothing.
func (rawDates) Schema(huma.Registry) *huma.Schema {
	text := func(doc string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Nullable: true, Description: doc}
	}
	return &huma.Schema{Items: &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
		"identifier": text("Lowercase letters, digits and '_'"), "date": text("Like 1990-05-17; empty: take it away")}}}
}

var errDates = fault.New(fault.Invalid, "invalid_member_dates",
	"Invalid member_dates format, expected an array of objects with ``date`` and ``identifier`` keys").At("/data/member_dates", "has another form")

var errForgotten = fault.New(fault.Unprocessable, "person_anonymized", "Validation failed: Person has been anonymized")

func (d rawDates) read() ([]loyaltyapi.MemberDate, error) {
	if len(d) == 0 || string(d) == "null" {
		return nil, nil
	}
	var rows []map[string]json.RawMessage
	if err := json.Unmarshal(d, &rows); err != nil || len(rows) > 1000 {
		return nil, errDates
	}
	out := make([]loyaltyapi.MemberDate, len(rows))
	for i, row := range rows {
		at := []struct {
			name string
			to   *string
		}{{"identifier", &out[i].Identifier}, {"date", &out[i].Date}}
		for _, m := range at {
			raw, there := row[m.name]
			if !there {
				return nil, errDates
			}
			if err := json.Unmarshal(raw, m.to); err != nil {
				return nil, errDates.At("/data/member_dates/"+itoa(i)+"/"+m.name, "must be a text")
			}
		}
	}
	return out, nil
}

// updateMember lets module customer keep the properties and module loyalty the dates, once both have nothing against it.
func (c Composition) updateMember(ctx context.Context, in *updateMemberInput) (*web.OK[memberAnswer], error) {
	req := web.From(ctx)
	dates, err := in.Body.Data.Dates.read()
	if err != nil {
		return nil, err
	}
	p, err := c.memberPerson(ctx, req.Site.ID, in.Slug)
	if err != nil {
		return nil, err
	}
	if p.AnonymizedAt != nil { // a date would say who it was
		return nil, errForgotten
	}
	m, err := c.Members.Member(ctx, req.Site.ID, p.ID)
	switch {
	case err != nil:
		return nil, asNoMember(err)
	case !m.Active:
		return nil, memberNotActive(m.Status)
	}
	if err := c.Members.CheckMemberDates(dates); err != nil {
		return nil, err
	}
	if len(in.Body.Data.Custom) > 0 {
		if p, _, err = c.Customers.UpdatePerson(ctx, req.Site.ID, in.Slug, customerapi.PersonUpdate{CustomProperties: in.Body.Data.Custom, Idempotency: req.Idempotency}); err != nil {
			return nil, err
		}
	}
	m, replayed, err := c.Members.SetMemberDates(ctx, req.Site.ID, p.ID, dates, req.Idempotency)
	if err != nil {
		return nil, asNoMember(err)
	}
	req.MarkReplayed(replayed)
	return web.Answer(memberAnswer{memberJSON(p, m, req.Site)}), nil
}
