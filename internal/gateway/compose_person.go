package gateway

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/timeline"
	"github.com/talkable/talkable/internal/web"
)

type personInput struct {
	Slug string `path:"person_slug" doc:"E-mail address, phone number, customer id or username" example:"ann@shop.example"`
}

// talkablePerson is a person in Talkable's shape.
type talkablePerson struct {
	ID               int64             `json:"id"`
	Email            *string           `json:"email"`
	FirstName        *string           `json:"first_name"`
	LastName         *string           `json:"last_name"`
	PhoneNumber      *string           `json:"phone_number"`
	Username         *string           `json:"username"`
	CustomerID       *string           `json:"customer_id"`
	Gender           *string           `json:"gender"`
	CustomProperties map[string]string `json:"custom_properties"`
	PersonalClaimURL *string           `json:"personal_claim_url"`
	SubChoice        bool              `json:"sub_choice"`
	SubscribedAt     *string           `json:"subscribed_at"`
	OptedInAt        *string           `json:"opted_in_at"`
	PhoneOptedInAt   *string           `json:"phone_opted_in_at"`
	UnsubscribedAt   *string           `json:"unsubscribed_at"`
	EventsCount      int64             `json:"events_count"`
	ReferralCounts   map[string]int64  `json:"referral_counts"`
	RewardCounts     map[string]int64  `json:"reward_counts"`
	ShareCounts      map[string]int64  `json:"share_counts"`
	ReferredBy       *string           `json:"referred_by"`
	LastInvitedBy    *string           `json:"last_invited_by"`
}

type personAnswer struct {
	Person talkablePerson `json:"person"`
}

func (c Composition) getPerson(ctx context.Context, in *personInput) (*web.OK[personAnswer], error) {
	req := web.From(ctx)
	p, err := c.Customers.Person(ctx, req.Site.ID, in.Slug)
	if err != nil {
		return nil, err
	}
	return c.personPage(ctx, p)
}

// personPage is a person with what module referral knows of it.
func (c Composition) personPage(ctx context.Context, p customerapi.Person) (*web.OK[personAnswer], error) {
	req := web.From(ctx)
	counts, err := c.Referrals.Counts(ctx, req.Site.ID, p.ID)
	if err != nil {
		return nil, err
	}
	answer := talkablePerson{ID: p.ID, Email: orNull(p.Email), FirstName: orNull(p.FirstName), LastName: orNull(p.LastName),
		PhoneNumber: orNull(p.Phone), Username: orNull(p.Username), CustomerID: orNull(p.CustomerID), CustomProperties: p.CustomProperties,
		PersonalClaimURL: counts.PersonalClaimURL, SubChoice: p.SubscribedAt != nil, SubscribedAt: web.TalkablePtr(p.SubscribedAt, req.Site.Zone),
		OptedInAt: web.TalkablePtr(p.OptedInAt, req.Site.Zone), PhoneOptedInAt: web.TalkablePtr(p.PhoneOptedInAt, req.Site.Zone),
		UnsubscribedAt: web.TalkablePtr(p.UnsubscribedAt, req.Site.Zone), EventsCount: p.EventsCount,
		ReferralCounts: counts.Referrals, RewardCounts: counts.Rewards, ShareCounts: counts.Shares}
	if answer.CustomProperties == nil {
		answer.CustomProperties = map[string]string{}
	}
	if counts.ReferredBy != 0 || counts.LastInvitedBy != 0 {
		people, err := c.Customers.People(ctx, req.Site.ID, []int64{counts.ReferredBy, counts.LastInvitedBy})
		if err != nil {
			return nil, err
		}
		answer.ReferredBy, answer.LastInvitedBy = orNull(people[counts.ReferredBy].Email), orNull(people[counts.LastInvitedBy].Email)
	}
	return web.Answer(personAnswer{answer}), nil
}

type timelineInput struct {
	Slug string `path:"person_slug" doc:"E-mail address, phone number, customer id or username" example:"ann@shop.example"`
	web.Page
}

type timelineAnswer struct {
	Entries    []timeline.Entry `json:"entries"`
	NextCursor *string          `json:"next_cursor" doc:"null on the last page"`
}

// getTimeline asks every module for its newest entries before the cursor at once, of the person and of those who were merged into it, and
// puts them together.
func (c Composition) getTimeline(ctx context.Context, in *timelineInput) (*web.OK[timelineAnswer], error) {
	req := web.From(ctx)
	p, err := c.Customers.Person(ctx, req.Site.ID, in.Slug)
	if err != nil {
		return nil, err
	}
	var before timeline.Place
	list := "timeline of " + itoa(int(p.ID))
	if _, err := c.Cursors.Decode(req.Site.ID, list, in.Cursor, &before); err != nil {
		return nil, err
	}
	ids, err := c.Customers.Duplicates(ctx, req.Site.ID, p.ID)
	if err != nil {
		return nil, err
	}
	ids = append(ids, p.ID)
	told := make([][]timeline.Entry, len(c.Tellers)*len(ids))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * len(c.Tellers))
	for i := range told {
		group.Go(func() (err error) {
			told[i], err = c.Tellers[i%len(c.Tellers)].Timeline(gctx, req.Site.ID, ids[i/len(c.Tellers)], before, in.Limit+1)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	entries, more := timeline.Merge(in.Limit, told...)
	answer := timelineAnswer{Entries: orEmpty(entries)}
	if more {
		next := c.Cursors.Encode(req.Site.ID, list, entries[len(entries)-1].Place())
		answer.NextCursor = &next
	}
	return web.Answer(answer), nil
}
