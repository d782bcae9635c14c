package gateway

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/gateway/gatewayapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// statements is what is asked for a member's statement.
type statements interface {
	StatementIn(ctx context.Context, siteID, personID int64, wallet string, from, to time.Time, after loyaltyapi.After, limit int) (out loyaltyapi.Statement, more bool, err error)
}

// Printer makes pages that a person may print.
type Printer interface {
	Statement(ctx context.Context, languages string, siteID int64, of gatewayapi.PrintedStatement) (gatewayapi.Document, error)
}

const mostPrinted = 1000 // entries

func (c Composition) statementRoutes(api huma.API) {
	const member = "/api/v2/loyalty/members/{email}"
	const about = "By what was written in the period, so that a period which is over has the same statement for ever. Times are in the site's zone. Without a period it is the " +
		"present month; at most 366 days. Errors: 404 `member_not_found`; 400 `invalid_period`, `wallet_not_found`."
	huma.Register(api, huma.Operation{OperationID: "getStatement", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: member + "/statements", Tags: []string{"Loyalty"},
		Summary: "Read a member's statement", Description: "The balance at the beginning, what moved points, each with the balance after it, what the kinds of movements add up to, the " +
			"balance at the end, and what expires next. " + about}, c.getStatement)
	huma.Register(api, huma.Operation{OperationID: "printStatement", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: member + "/statements.html", Tags: []string{"Loyalty"},
		Summary: "Read a member's statement as a page to print", Description: "In the site's look, in the language that `Accept-Language` asks for; up to 1,000 entries. " + about,
		Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"text/html": {Schema: &huma.Schema{Type: huma.TypeString}}}}}}, c.printStatement)
}

type statementAnswer struct {
	Statement  loyaltyapi.Statement `json:"statement"`
	NextCursor *string              `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) getStatement(ctx context.Context, in *struct {
	MemberPath
	web.Days
	web.Page
	WalletQuery
}) (*web.OK[statementAnswer], error) {
	s := web.From(ctx).Site
	from, to, err := in.Period(c.Now().In(s.Zone))
	if err != nil {
		return nil, err
	}
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	var after loyaltyapi.After
	list := "statement" + in.Wallet + " of " + strconv.FormatInt(who, 10) + from.Format(" 2006-01-02") + to.Format(" 2006-01-02")
	if _, err := c.Cursors.Decode(s.ID, list, in.Cursor, &after); err != nil {
		return nil, err
	}
	out, more, err := c.Members.StatementIn(ctx, s.ID, who, in.Wallet, from, to, after, in.Limit)
	if err != nil {
		return nil, unknownMember(err)
	}
	answer := statementAnswer{Statement: inZone(out, s.Zone)}
	if more {
		next := c.Cursors.Encode(s.ID, list, loyaltyapi.After{Seq: out.Entries[len(out.Entries)-1].Seq})
		answer.NextCursor = &next
	}
	return web.Answer(answer), nil
}

// inZone puts the times of a statement into a zone.
func inZone(s loyaltyapi.Statement, zone *time.Location) loyaltyapi.Statement {
	move := func(t *time.Time) *time.Time {
		if t == nil {
			return nil
		}
		there := t.In(zone)
		return &there
	}
	for i := range s.Entries {
		e := &s.Entries[i]
		e.EffectiveAt, e.RecordedAt, e.ExpiresAt = e.EffectiveAt.In(zone), e.RecordedAt.In(zone), move(e.ExpiresAt)
	}
	for i := range s.Expiring {
		e := &s.Expiring[i]
		e.EarnedAt, e.ExpiresAt = e.EarnedAt.In(zone), move(e.ExpiresAt)
	}
	return s
}

func (c Composition) printStatement(ctx context.Context, in *struct {
	MemberPath
	web.Days
	WalletQuery
	Languages string `header:"Accept-Language" doc:"Which language the page should have" example:"de"`
}) (*huma.StreamResponse, error) {
	s := web.From(ctx).Site
	from, to, err := in.Period(c.Now().In(s.Zone))
	if err != nil {
		return nil, err
	}
	p, err := c.memberPerson(ctx, s.ID, in.Slug)
	if err != nil {
		return nil, unknownMember(err)
	}
	out, _, err := c.Members.StatementIn(ctx, s.ID, p.ID, in.Wallet, from, to, loyaltyapi.After{}, mostPrinted)
	if err != nil {
		return nil, unknownMember(err)
	}
	doc, err := c.Printer.Statement(ctx, in.Languages, s.ID, gatewayapi.PrintedStatement{Statement: inZone(out, s.Zone), FirstName: p.FirstName, LastName: p.LastName})
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(to huma.Context) {
		for name, value := range doc.Headers {
			to.SetHeader(name, value)
		}
		_, _ = to.BodyWriter().Write(doc.Body) // the client may be gone
	}}, nil
}
