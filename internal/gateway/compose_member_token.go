package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/cors"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/web"
)

// forMembers marks operations that a member's token may call, if it is good for may.
func forMembers(may string) map[string]any { return map[string]any{"member": may} }

func (c Composition) memberTokenRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "createMemberToken", Method: http.MethodPost, Path: "/api/v2/loyalty/members/{email}/tokens", DefaultStatus: http.StatusCreated,
		Tags: []string{"Loyalty"}, Summary: "Make a token by which a page speaks for a member",
		Description: "For a widget or an app: it is sent as `Authorization: Bearer TOKEN`, from any page, and the member's name in paths is `me`: GET /loyalty/members/me. With `may: read` it reads " +
			"what the member has; with `redeem` it also spends the member's points on a redemption batch. It does nothing else, and is over by itself; revoking the key that made it ends it within " +
			"a second. Nothing is kept of it, so each call makes another one. Errors: 404 `member_not_found`."}, c.createMemberToken)
}

type memberTokenAnswer struct {
	Token     string    `json:"token" example:"tk_member_eyJzaXRlIjoxfQ.c2lnbmF0dXJl"`
	May       string    `json:"may" enum:"read,redeem"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (c Composition) createMemberToken(ctx context.Context, in *struct {
	MemberPath
	Body struct {
		web.SiteBody
		May       string `json:"may,omitempty" enum:"read,redeem" default:"read" doc:"What it is good for"`
		ExpiresIn int    `json:"expires_in,omitempty" minimum:"60" maximum:"86400" default:"3600" doc:"Seconds" example:"900"`
	}
}) (*web.OK[memberTokenAnswer], error) {
	req := web.From(ctx)
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	if _, err := c.Members.Member(ctx, req.Site.ID, who); err != nil {
		return nil, unknownMember(err)
	}
	token, until, err := c.Keys.MemberToken(ctx, req.Site.ID, req.KeyID, who, in.Body.May, time.Duration(in.Body.ExpiresIn)*time.Second)
	if err != nil {
		return nil, err
	}
	return web.Answer(memberTokenAnswer{Token: token, May: in.Body.May, ExpiresAt: until.UTC()}), nil
}

// me is the member of the request's token, who is the only one that its paths may name.
func (c Composition) me(ctx context.Context, siteID, personID int64, slug string) (customerapi.Person, error) {
	if slug != thisMember {
		return customerapi.Person{}, errOnlyMe
	}
	people, err := c.Customers.People(ctx, siteID, []int64{personID})
	if err != nil {
		return customerapi.Person{}, err
	}
	p, known := people[personID]
	if !known || p.AnonymizedAt != nil {
		return customerapi.Person{}, errNoMember
	}
	return p, nil
}

// fromPages lets pages of any origin call what members' tokens are for. A token is in no cookie: a page has one only if it was given it.
func fromPages() func(http.Handler) http.Handler {
	open := cors.Handler(cors.Options{AllowedOrigins: []string{"*"}, AllowedMethods: []string{http.MethodGet, http.MethodPost}, MaxAge: 3600,
		AllowedHeaders: []string{"Authorization", "Content-Type", "Idempotency-Key"}, ExposedHeaders: []string{"X-Request-Id", "Retry-After", "Idempotent-Replayed"}})
	return func(next http.Handler) http.Handler {
		withOthers := open(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == memberPaths || strings.HasPrefix(r.URL.Path, memberPaths+"/") {
				withOthers.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
