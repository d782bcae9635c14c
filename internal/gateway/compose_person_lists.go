package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// personLists is what is asked about a person's referrals and rewards.
type personLists interface {
	ReferralsAsAdvocate(ctx context.Context, s site.Site, personID, before int64, limit int) ([]referralapi.Referral, bool, error)
	ReferralsAsFriend(ctx context.Context, s site.Site, personID, before int64, limit int) ([]referralapi.Referral, bool, error)
	PersonRewards(ctx context.Context, s site.Site, personID, before int64, limit int) ([]referralapi.Reward, bool, error)
}

// personListRoutes lists what is read of one person.
func (c Composition) personListRoutes(api huma.API) {
	const person = "/api/v2/people/{person_slug}"
	tags := []string{"People"}
	const about = "Newest first, 100 on a page. Errors: 400 `person_not_found`."
	huma.Register(api, huma.Operation{OperationID: "listReferralsAsAdvocate", Method: http.MethodGet, Path: person + "/referrals_as_advocate", Tags: tags,
		Summary: "List the referrals that a person made", Description: about}, func(ctx context.Context, in *personListInput) (*web.OK[referralsAnswer], error) {
		return c.referralsOf(ctx, in, "as advocate", c.Referrals.ReferralsAsAdvocate)
	})
	huma.Register(api, huma.Operation{OperationID: "listReferralsAsFriend", Method: http.MethodGet, Path: person + "/referrals_as_friend", Tags: tags,
		Summary: "List the referrals in which a person is the friend", Description: about}, func(ctx context.Context, in *personListInput) (*web.OK[referralsAnswer], error) {
		return c.referralsOf(ctx, in, "as friend", c.Referrals.ReferralsAsFriend)
	})
	huma.Register(api, huma.Operation{OperationID: "listPersonRewards", Method: http.MethodGet, Path: person + "/rewards", Tags: tags,
		Summary: "List what a person earned", Description: about + " What the person earned as a visitor, before it was known, is among them."}, c.listPersonRewards)
}

type personListInput struct {
	Slug   string `path:"person_slug" doc:"E-mail address, phone number, customer id or username" example:"ann@shop.example"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"100"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}

type referralsAnswer struct {
	Referrals  []talkableReferral `json:"referrals"`
	NextCursor *string            `json:"next_cursor" doc:"null on the last page"`
}

type personRewardsAnswer struct {
	Rewards    []referralapi.Reward `json:"rewards"`
	NextCursor *string              `json:"next_cursor" doc:"null on the last page"`
}

// place is the id at which a page ends.
type place struct {
	ID int64 `json:"id"`
}

// personList reads a page of one of a person's lists; id says what the next page begins below.
func personList[T any](ctx context.Context, c Composition, in *personListInput, what string, id func(T) int64,
	read func(ctx context.Context, s site.Site, personID, before int64, limit int) ([]T, bool, error)) (list []T, next *string, err error) {
	s := web.From(ctx).Site
	p, err := c.Customers.Person(ctx, s.ID, in.Slug)
	if err != nil {
		return nil, nil, err
	}
	var before place
	name := what + " of " + itoa(int(p.ID))
	if _, err := c.Cursors.Decode(s.ID, name, in.Cursor, &before); err != nil {
		return nil, nil, err
	}
	list, more, err := read(ctx, s, p.ID, before.ID, in.Limit)
	if err != nil {
		return nil, nil, err
	}
	if more {
		cursor := c.Cursors.Encode(s.ID, name, place{id(list[len(list)-1])})
		next = &cursor
	}
	return orEmpty(list), next, nil
}

func (c Composition) referralsOf(ctx context.Context, in *personListInput, what string,
	read func(ctx context.Context, s site.Site, personID, before int64, limit int) ([]referralapi.Referral, bool, error)) (*web.OK[referralsAnswer], error) {
	s := web.From(ctx).Site
	list, next, err := personList(ctx, c, in, "referrals "+what, func(r referralapi.Referral) int64 { return r.ID }, read)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, r := range list {
		ids = append(ids, r.AdvocateID, r.FriendID)
	}
	people := map[int64]customerapi.Person{}
	if len(ids) > 0 {
		if people, err = c.Customers.People(ctx, s.ID, ids); err != nil {
			return nil, err
		}
	}
	answer := referralsAnswer{Referrals: make([]talkableReferral, len(list)), NextCursor: next}
	for i, r := range list {
		answer.Referrals[i] = referralJSON(r, people, s)
	}
	return web.Answer(answer), nil
}

func (c Composition) listPersonRewards(ctx context.Context, in *personListInput) (*web.OK[personRewardsAnswer], error) {
	list, next, err := personList(ctx, c, in, "rewards", func(w referralapi.Reward) int64 { return w.ID }, c.Referrals.PersonRewards)
	if err != nil {
		return nil, err
	}
	return web.Answer(personRewardsAnswer{Rewards: list, NextCursor: next}), nil
}
