package gateway

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// achievers is what is asked about members' achievements.
type achievers interface {
	Achievements(ctx context.Context, siteID, personID int64, hidden bool) ([]loyaltyapi.MemberAchievement, error)
	Things(ctx context.Context, siteID, personID int64, key string, after loyaltyapi.AfterThing, limit int) ([]loyaltyapi.AchievementThing, bool, error)
	AcceptChallenge(ctx context.Context, siteID, personID int64, key string, accept bool, keyID int64, once idempotency.Key) (out loyaltyapi.Challenge, replayed bool, err error)
	GrantAchievement(ctx context.Context, siteID, personID int64, key string, in loyaltyapi.AchievementGrant, keyID int64, once idempotency.Key) (loyaltyapi.AchievementReached, bool, error)
	RevokeAchievement(ctx context.Context, siteID, personID int64, key string, in loyaltyapi.AchievementGrant, keyID int64, once idempotency.Key) (loyaltyapi.AchievementReached, bool, error)
}

// achievementRoutes lists what is read and said of a member's achievements.
func (c Composition) achievementRoutes(api huma.API) {
	const all = "/api/v2/loyalty/members/{email}/achievements"
	const one = all + "/{achievement}"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "listMemberAchievements", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: all, Tags: tags,
		Summary: "List a member's achievements with their progress, streaks and badges",
		Description: "In the programme's order, as of this moment. Hidden ones are there once they are reached; with `hidden=true`, which a member's token can't ask for, all. " +
			"Errors: 404 `member_not_found`."}, c.listAchievements)
	huma.Register(api, huma.Operation{OperationID: "listAchievementThings", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: one + "/things", Tags: tags,
		Summary:     "List what counts for a member's achievement",
		Description: "The latest first, each with what it counts by now. What counted for periods that are long over is forgotten. Errors: 404 `member_not_found`, `achievement_not_found`."}, c.listThings)
	huma.Register(api, huma.Operation{OperationID: "acceptChallenge", Metadata: forMembers(mayRedeem), Method: http.MethodPost, Path: one + "/accept", Tags: tags,
		Summary: "Let a member take part in a challenge",
		Description: "What they do counts from now on. Who takes part already does so as before. Takes `Idempotency-Key`. Errors: 404 `member_not_found`, `achievement_not_found`; 400 `member_not_active`; " +
			"409 `not_a_challenge`, `challenge_over`, `challenge_left`."}, c.challenge(true))
	huma.Register(api, huma.Operation{OperationID: "leaveChallenge", Metadata: forMembers(mayRedeem), Method: http.MethodPost, Path: one + "/leave", Tags: tags,
		Summary: "Let a member leave a challenge",
		Description: "What counted and was reached stays; nothing more counts, and it can't be accepted again. Takes `Idempotency-Key`. Errors: 404 `member_not_found`, `achievement_not_found`; " +
			"400 `member_not_active`; 409 `not_a_challenge`, `challenge_not_accepted`."}, c.challenge(false))
	huma.Register(api, huma.Operation{OperationID: "grantAchievement", Method: http.MethodPost, Path: one + "/grants", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Give a member an achievement by hand",
		Description: "As if they had reached it today, with the points that rules give for it. What was taken back can be given again. Takes `Idempotency-Key`. Errors: 404 `member_not_found`, " +
			"`achievement_not_found`; 400 `member_not_active`, `invalid_grant`; 409 `already_reached`, `reached_too_often`."}, c.byHand(true))
	huma.Register(api, huma.Operation{OperationID: "revokeAchievement", Method: http.MethodPost, Path: one + "/revocations", Tags: tags,
		Summary: "Take an achievement back by hand",
		Description: "The latest time that the level was reached, with its points. The member can't reach it for the same again. Takes `Idempotency-Key`. Errors: 404 `member_not_found`, " +
			"`achievement_not_found`; 400 `member_not_active`, `invalid_grant`; 409 `not_reached`."}, c.byHand(false))
}

// AchievementPath says which achievement of whom. It is exported because huma looks into no other embedded struct.
type AchievementPath struct {
	MemberPath
	Key string `path:"achievement" maxLength:"50" doc:"Its key" example:"regular"`
}

type achievementsAnswer struct {
	Achievements []loyaltyapi.MemberAchievement `json:"achievements"`
	NextCursor   *string                        `json:"next_cursor" doc:"Always null: all are on this page"`
}

func (c Composition) listAchievements(ctx context.Context, in *struct {
	MemberPath
	Hidden bool `query:"hidden" doc:"Also hidden ones that aren't reached"`
}) (*web.OK[achievementsAnswer], error) {
	req := web.From(ctx)
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	out, err := c.Members.Achievements(ctx, req.Site.ID, who, in.Hidden && req.MemberID == 0)
	if err != nil {
		return nil, unknownMember(err)
	}
	return web.Answer(achievementsAnswer{Achievements: out}), nil
}

type thingsAnswer struct {
	Things     []loyaltyapi.AchievementThing `json:"things"`
	NextCursor *string                       `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) listThings(ctx context.Context, in *struct {
	AchievementPath
	web.Page
}) (*web.OK[thingsAnswer], error) {
	read := func(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterThing, limit int) ([]loyaltyapi.AchievementThing, bool, error) {
		return c.Members.Things(ctx, siteID, personID, in.Key, after, limit)
	}
	page, next, err := memberList(ctx, c, &entriesInput{in.MemberPath, in.Page}, "things "+strconv.Quote(in.Key), read, func(last loyaltyapi.AchievementThing) loyaltyapi.AfterThing {
		return loyaltyapi.AfterThing{At: last.At, Source: last.Source, Name: last.Name}
	})
	if err != nil {
		return nil, err
	}
	return web.Answer(thingsAnswer{page, next}), nil
}

type challengeAnswer struct {
	Challenge loyaltyapi.Challenge `json:"challenge"`
}

type challengeInput struct {
	AchievementPath
	Body struct {
		web.SiteBody
	}
}

// challenge lets a member take part in a challenge, or leave it.
func (c Composition) challenge(accept bool) func(ctx context.Context, in *challengeInput) (*web.OK[challengeAnswer], error) {
	return func(ctx context.Context, in *challengeInput) (*web.OK[challengeAnswer], error) {
		req := web.From(ctx)
		who, err := c.member(ctx, in.Slug)
		if err != nil {
			return nil, err
		}
		out, replayed, err := c.Members.AcceptChallenge(ctx, req.Site.ID, who, in.Key, accept, req.KeyID, req.Idempotency)
		if err != nil {
			return nil, unknownMember(err)
		}
		req.MarkReplayed(replayed)
		return web.Answer(challengeAnswer{out}), nil
	}
}

type reachedAnswer struct {
	Reached loyaltyapi.AchievementReached `json:"reached"`
}

type grantInput struct {
	AchievementPath
	Body struct {
		web.SiteBody
		Level int    `json:"level,omitempty" minimum:"1" maximum:"10" default:"1" doc:"From 1"`
		Note  string `json:"note" doc:"1 to 500 characters: why" example:"Won our photo contest"`
	}
}

// byHand gives a member an achievement, or takes it back.
func (c Composition) byHand(give bool) func(ctx context.Context, in *grantInput) (*web.OK[reachedAnswer], error) {
	return func(ctx context.Context, in *grantInput) (*web.OK[reachedAnswer], error) {
		req, do := web.From(ctx), c.Members.RevokeAchievement
		if give {
			do = c.Members.GrantAchievement
		}
		who, err := c.member(ctx, in.Slug)
		if err != nil {
			return nil, err
		}
		out, replayed, err := do(ctx, req.Site.ID, who, in.Key, loyaltyapi.AchievementGrant{Level: in.Body.Level, Note: in.Body.Note}, req.KeyID, req.Idempotency)
		if err != nil {
			return nil, unknownMember(err)
		}
		req.MarkReplayed(replayed)
		return web.Answer(reachedAnswer{out}), nil
	}
}
