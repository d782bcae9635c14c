package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// personShares is what is asked about what a person shared.
type personShares interface {
	Shares(ctx context.Context, s site.Site, advocateID int64) ([]referralapi.Share, error)
}

func (c Composition) personShareRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "listPersonShares", Method: http.MethodGet, Path: "/api/v2/people/{person_slug}/shares_by",
		Tags: []string{"People"}, Summary: "List what a person shared", Description: "Newest first. Errors: 400 `person_not_found`."}, c.listPersonShares)
}

type personSharesInput struct {
	Slug string `path:"person_slug" doc:"E-mail address, phone number, customer id or username" example:"ann@shop.example"`
}

type personSharesAnswer struct {
	Shares []referralapi.Share `json:"shares"`
}

func (c Composition) listPersonShares(ctx context.Context, in *personSharesInput) (*web.OK[personSharesAnswer], error) {
	s := web.From(ctx).Site
	p, err := c.Customers.Person(ctx, s.ID, in.Slug)
	if err != nil {
		return nil, err
	}
	shares, err := c.Referrals.Shares(ctx, s, p.ID)
	if err != nil {
		return nil, err
	}
	var friends []int64
	for _, h := range shares {
		if h.FriendID != 0 {
			friends = append(friends, h.FriendID)
		}
	}
	people, err := c.Customers.People(ctx, s.ID, friends)
	if err != nil {
		return nil, err
	}
	for i := range shares {
		h := &shares[i]
		if friend, ok := people[h.FriendID]; ok {
			h.Email = orNull(friend.Email)
		}
		if h.Offer != nil {
			mine := *h.Offer // several shares may have one
			mine.Email = orNull(p.Email)
			h.Offer = &mine
		}
	}
	return web.Answer(personSharesAnswer{Shares: orEmpty(shares)}), nil
}
