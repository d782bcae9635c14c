package gateway

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/web"
)

// pools is what is asked about members who may spend each other's points.
type pools interface {
	CreatePool(ctx context.Context, siteID int64, in loyaltyapi.NewPool, keyID int64, key idempotency.Key) (loyaltyapi.Pool, bool, error)
	ChangePool(ctx context.Context, siteID, id int64, in loyaltyapi.PoolTerms, keyID int64, key idempotency.Key) (loyaltyapi.Pool, bool, error)
	ClosePool(ctx context.Context, siteID, id, keyID int64, key idempotency.Key) (loyaltyapi.Pool, bool, error)
	JoinPool(ctx context.Context, siteID, id, personID, keyID int64, key idempotency.Key) (loyaltyapi.Pool, bool, error)
	LeavePool(ctx context.Context, siteID, id, personID, keyID int64, key idempotency.Key) (loyaltyapi.Pool, bool, error)
	Pool(ctx context.Context, siteID, id int64) (loyaltyapi.Pool, error)
	PoolOf(ctx context.Context, siteID, personID int64) (loyaltyapi.Pool, error)
	Pools(ctx context.Context, siteID int64, status string, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.PoolSummary, bool, error)
}

func (c Composition) poolRoutes(api huma.API) {
	const path = "/api/v2/loyalty/pools"
	tags := []string{"Loyalty"}
	huma.Register(api, huma.Operation{OperationID: "createPool", Method: http.MethodPost, Path: path, Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Let members spend each other's points",
		Description: "A household, a couple, a company: each member keeps an account of its own, and who redeems or holds points uses those of all, the next to expire first. Nothing moves by joining or leaving. " +
			"The programme's `pool_size` says how many may be in a pool; nobody is in two. Takes `Idempotency-Key`. Errors: 409 `pools_off`, `already_in_pool`, `pool_full`; 400 `invalid_pool`, `member_not_found`, `member_not_active`."}, c.createPool)
	huma.Register(api, huma.Operation{OperationID: "listPools", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List the pools", Description: "Newest first, with what their members have."}, c.listPools)
	huma.Register(api, huma.Operation{OperationID: "getPool", Method: http.MethodGet, Path: path + "/{id}", Tags: tags,
		Summary: "Read a pool", Description: "Its members, what they have, what of it ends when, and what became of it last. Errors: 404 `pool_not_found`."}, c.getPool)
	huma.Register(api, huma.Operation{OperationID: "updatePool", Method: http.MethodPut, Path: path + "/{id}", Tags: tags,
		Summary: "Change a pool", Description: "Its name, who may spend, and whose it is. Takes `Idempotency-Key`. Errors: 404 `pool_not_found`, 409 `pool_closed`, 400 `invalid_pool`, `member_not_found`."}, c.updatePool)
	huma.Register(api, huma.Operation{OperationID: "closePool", Method: http.MethodPost, Path: path + "/{id}/close", Tags: tags,
		Summary: "Close a pool", Description: "Its members keep what they have, and may be in another. What was spent together is given back to those who paid it, also afterwards. To close again changes nothing. Takes `Idempotency-Key`. " +
			"Errors: 404 `pool_not_found`."}, c.closePool)
	huma.Register(api, huma.Operation{OperationID: "addPoolMember", Method: http.MethodPost, Path: path + "/{id}/members", Tags: tags,
		Summary: "Put a member into a pool", Description: "Who is in it already stays so. Takes `Idempotency-Key`. " +
			"Errors: 404 `pool_not_found`; 409 `pool_closed`, `pools_off`, `pool_full`, `already_in_pool`; 400 `member_not_found`, `member_not_active`."}, c.addPoolMember)
	huma.Register(api, huma.Operation{OperationID: "removePoolMember", Method: http.MethodDelete, Path: path + "/{id}/members/{email}", Tags: tags,
		Summary: "Take a member out of a pool", Description: "With all that it has; its owner can't be taken out. Takes `Idempotency-Key`. " +
			"Errors: 404 `pool_not_found`, `member_not_found`, `not_in_pool`; 409 `pool_closed`, `pool_owner`."}, c.removePoolMember)
	huma.Register(api, huma.Operation{OperationID: "getMemberPool", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: "/api/v2/loyalty/members/{email}/pool", Tags: tags,
		Summary: "Read a member's pool", Description: "As GET /loyalty/pools/{id}; a member's token sees no e-mail address but its own. Errors: 404 `member_not_found`, `not_in_pool`."}, c.getMemberPool)
}

type poolAnswer struct {
	Pool loyaltyapi.Pool `json:"pool"`
}

// answerPool puts addresses to a pool's members: those of others are not for members' tokens.
func (c Composition) answerPool(ctx context.Context, p loyaltyapi.Pool, replayed bool, err error) (*web.OK[poolAnswer], error) {
	if err != nil {
		return nil, err
	}
	req := web.From(ctx)
	req.MarkReplayed(replayed)
	ids := make([]int64, len(p.Members))
	for i, m := range p.Members {
		ids[i] = m.PersonID
	}
	people, err := c.Customers.People(ctx, req.Site.ID, ids)
	if err != nil {
		return nil, err
	}
	for i, m := range p.Members {
		if req.MemberID == 0 || req.MemberID == m.PersonID {
			p.Members[i].Email = orNull(people[m.PersonID].Email)
		}
	}
	return web.Answer(poolAnswer{p}), nil
}

// named is the person that a body names as a member.
func (c Composition) named(ctx context.Context, slug, pointer string) (personID int64, err error) {
	p, err := c.memberPerson(ctx, web.From(ctx).Site.ID, slug)
	return p.ID, noSuchMember(err, pointer)
}

// noSuchMember says in a body's place that somebody is no member.
func noSuchMember(err error, pointer string) error {
	if f, ok := fault.Of(err); ok && f.Code == errNoMember.Code {
		return fault.New(fault.Invalid, f.Code, "No such loyalty member.").At(pointer, "is no member")
	}
	return err
}

func (c Composition) createPool(ctx context.Context, in *struct {
	Body struct {
		web.SiteBody
		Name     string   `json:"name" doc:"1 to 100 characters" example:"The Millers"`
		Owner    string   `json:"owner" doc:"E-mail address, phone number, customer id or username of a member" example:"ann@shop.example"`
		Members  []string `json:"members,omitempty" maxItems:"19" doc:"The others, named alike" example:"[\"bob@shop.example\"]"`
		Spending string   `json:"spending,omitempty" default:"all" doc:"Who may spend the others' points: all, or the owner" example:"all"`
	}
}) (*web.OK[poolAnswer], error) {
	req, body := web.From(ctx), in.Body
	owner, err := c.named(ctx, body.Owner, "/owner")
	if err != nil {
		return nil, err
	}
	pool := loyaltyapi.NewPool{Name: body.Name, Spending: body.Spending, Owner: owner}
	for i, slug := range body.Members {
		who, err := c.named(ctx, slug, "/members/"+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		pool.Members = append(pool.Members, who)
	}
	out, replayed, err := c.Members.CreatePool(ctx, req.Site.ID, pool, req.KeyID, req.Idempotency)
	return c.answerPool(ctx, out, replayed, noSuchMember(err, "/members"))
}

type poolsAnswer struct {
	Pools      []loyaltyapi.PoolSummary `json:"pools"`
	NextCursor *string                  `json:"next_cursor" doc:"null on the last page"`
}

func (c Composition) listPools(ctx context.Context, in *struct {
	Status string `query:"status" enum:"open,closed" doc:"Default: both"`
	web.Page
}) (*web.OK[poolsAnswer], error) {
	site, list := web.From(ctx).Site.ID, "pools "+in.Status
	var after loyaltyapi.AfterID
	if _, err := c.Cursors.Decode(site, list, in.Cursor, &after); err != nil {
		return nil, err
	}
	page, more, err := c.Members.Pools(ctx, site, in.Status, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := poolsAnswer{Pools: page}
	if more {
		next := c.Cursors.Encode(site, list, loyaltyapi.AfterID{ID: page[len(page)-1].ID})
		out.NextCursor = &next
	}
	return web.Answer(out), nil
}

// PoolPath says which pool an operation is about. It is exported because huma looks into no other embedded struct.
type PoolPath struct {
	ID int64 `path:"id" minimum:"1"`
}

func (c Composition) getPool(ctx context.Context, in *PoolPath) (*web.OK[poolAnswer], error) {
	out, err := c.Members.Pool(ctx, web.From(ctx).Site.ID, in.ID)
	return c.answerPool(ctx, out, false, err)
}

func (c Composition) updatePool(ctx context.Context, in *struct {
	PoolPath
	Body struct {
		web.SiteBody
		Name     string  `json:"name" doc:"1 to 100 characters" example:"The Millers"`
		Spending string  `json:"spending" doc:"all or owner" example:"owner"`
		Owner    *string `json:"owner,omitempty" nullable:"true" doc:"One of its members; left out: who it is" example:"ann@shop.example"`
	}
}) (*web.OK[poolAnswer], error) {
	req, body := web.From(ctx), in.Body
	terms := loyaltyapi.PoolTerms{Name: body.Name, Spending: body.Spending}
	if body.Owner != nil {
		owner, err := c.named(ctx, *body.Owner, "/owner")
		if err != nil {
			return nil, err
		}
		terms.Owner = owner
	}
	out, replayed, err := c.Members.ChangePool(ctx, req.Site.ID, in.ID, terms, req.KeyID, req.Idempotency)
	return c.answerPool(ctx, out, replayed, err)
}

func (c Composition) closePool(ctx context.Context, in *struct {
	PoolPath
	Body *web.SiteBody `required:"false"`
}) (*web.OK[poolAnswer], error) {
	req := web.From(ctx)
	out, replayed, err := c.Members.ClosePool(ctx, req.Site.ID, in.ID, req.KeyID, req.Idempotency)
	return c.answerPool(ctx, out, replayed, err)
}

func (c Composition) addPoolMember(ctx context.Context, in *struct {
	PoolPath
	Body struct {
		web.SiteBody
		Member string `json:"member" doc:"E-mail address, phone number, customer id or username" example:"bob@shop.example"`
	}
}) (*web.OK[poolAnswer], error) {
	req := web.From(ctx)
	who, err := c.named(ctx, in.Body.Member, "/member")
	if err != nil {
		return nil, err
	}
	out, replayed, err := c.Members.JoinPool(ctx, req.Site.ID, in.ID, who, req.KeyID, req.Idempotency)
	return c.answerPool(ctx, out, replayed, noSuchMember(err, "/member"))
}

func (c Composition) removePoolMember(ctx context.Context, in *struct {
	PoolPath
	MemberPath
}) (*web.OK[poolAnswer], error) {
	req := web.From(ctx)
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	out, replayed, err := c.Members.LeavePool(ctx, req.Site.ID, in.ID, who, req.KeyID, req.Idempotency)
	return c.answerPool(ctx, out, replayed, err)
}

func (c Composition) getMemberPool(ctx context.Context, in *MemberPath) (*web.OK[poolAnswer], error) {
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	out, err := c.Members.PoolOf(ctx, web.From(ctx).Site.ID, who)
	return c.answerPool(ctx, out, false, unknownMember(err))
}
