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
	Shares(ctx context.Context, s site.Site, advocateID, before int64, limit int) ([]referralapi.Share, bool, error)
}

func (c Composition) personShareRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "listPersonShares", Method: http.MethodGet, Path: "/api/v2/people/{person_slug}/shares_by",
		Tags: []string{"People"}, Summary: "List what a person shared", Description: "Newest first, 100 on a page. Errors: 400 `person_not_found`."}, c.listPersonShares)
}

type personSharesAnswer struct {
	Shares     []referralapi.Share `json:"shares"`
	NextCursor *string             `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) listPersonShares(ctx context.Context, in *personListInput) (*web.OK[personSharesAnswer], error) {
	var advocate int64
	shares, next, err := personList(ctx, c, in, "shares", func(h referralapi.Share) int64 { return h.ID },
		func(ctx context.Context, s site.Site, personID, before int64, limit int) ([]referralapi.Share, bool, error) {
			advocate = personID
			return c.Referrals.Shares(ctx, s, personID, before, limit)
		})
	if err != nil {
		return nil, err
	}
	who := []int64{advocate}
	for _, h := range shares {
		if h.FriendID != 0 {
			who = append(who, h.FriendID)
		}
	}
	people, err := c.Customers.People(ctx, web.From(ctx).Site.ID, who)
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
			mine.Email = orNull(people[advocate].Email)
			h.Offer = &mine
		}
	}
	return web.Answer(personSharesAnswer{Shares: shares, NextCursor: next}), nil
}
