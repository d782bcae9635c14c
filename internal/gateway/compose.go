package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/timeline"
	"github.com/talkable/talkable/internal/web"
)

// Composition answers the operations in which several modules stand in one response. It asks each of them and puts the answers
// together; it holds no state and decides nothing. The modules are named by what is asked of them, so that one of them may
// live in another process.
type Composition struct {
	Customers customers
	Referrals referrals
	Members   members
	Printer   Printer
	Tellers   []Teller  // every module that has something to say of a person
	Auditors  []Auditor // every module that people change by hand
	Keys      keyKeeper
	Cursors   *web.Cursors
	Now       clock.Clock
}

type customers interface {
	Record(ctx context.Context, s site.Site, in customerapi.Origin) (customerapi.Recorded, error)
	Origin(ctx context.Context, siteID int64, slug string) (customerapi.Recorded, error)
	Person(ctx context.Context, siteID int64, slug string) (customerapi.Person, error)
	People(ctx context.Context, siteID int64, ids []int64) (map[int64]customerapi.Person, error)
	Duplicates(ctx context.Context, siteID, personID int64) ([]int64, error)
	personKeeper
	optIns
	addressBook
}

type optIns interface {
	OptIn(ctx context.Context, siteID, personID int64, mail, phone bool) error
}

type referrals interface {
	Join(ctx context.Context, s site.Site, in referralapi.Join) (*referralapi.Offer, error)
	Offer(ctx context.Context, s site.Site, codeOrID string, channels []string) (*referralapi.Offer, error)
	SetStatus(ctx context.Context, s site.Site, originID int64, to referralapi.Step, key idempotency.Key) (out referralapi.Referral, replayed bool, err error)
	Counts(ctx context.Context, siteID, personID int64) (referralapi.Counts, error)
	Coupon(ctx context.Context, s site.Site, code string) (*referralapi.FoundCoupon, error)
	couponHands
	personLists
	personShares
	sharers
	claims
}

type members interface {
	Member(ctx context.Context, siteID, personID int64) (loyaltyapi.Member, error)
	EntriesIn(ctx context.Context, siteID, personID int64, wallet string, after loyaltyapi.After, limit int) ([]loyaltyapi.Entry, bool, error)
	spenders
	rewarders
	collectors
	memberDates
	registrars
	inviters
	pointKeepers
	ranks
	achievers
	statements
}

// Teller is a module that has something to say of a person.
type Teller interface {
	Timeline(ctx context.Context, siteID, personID int64, before timeline.Place, limit int) ([]timeline.Entry, error)
}

// Routes lists the composed operations.
func (c Composition) Routes(api huma.API) {
	public := map[string]any{"public": true} // a browser's or an app's key may call it

	huma.Register(api, huma.Operation{OperationID: "createOrigin", Method: http.MethodPost, Path: "/api/v2/origins", DefaultStatus: 201,
		Tags: []string{"Origins"}, Metadata: public, Summary: "Tell what somebody did",
		Description: "Records a sign-up, a purchase or another event, and answers with the offer that it earns the person.\n\n" +
			"Telling the same purchase or event again, with the same data, succeeds and changes nothing; with other data it is refused. " +
			"What is told with a public key is recorded as unverified: it earns nothing until the secret key tells the same."}, c.createOrigin)
	for path, kind := range typedPaths {
		huma.Register(api, huma.Operation{OperationID: "create" + kind, Method: http.MethodPost, Path: "/api/v2/origins/" + path, DefaultStatus: 201,
			Tags: []string{"Origins"}, Metadata: public, Summary: "Tell what somebody did: " + kind,
			Description: "The same as POST /origins with this type."}, c.createTyped(kind))
	}
	update := huma.Operation{OperationID: "updateReferral", Method: http.MethodPut, Path: "/api/v2/origins/{origin_slug}/referral",
		Tags: []string{"Referrals"}, Summary: "Approve, void or block the referral of an order",
		Description: "The slug is the order number, or event_category:event_number. Right after a purchase it waits until the purchase has been " +
			"looked at; if that takes more than some seconds, the answer is 409 `attribution_pending` with `Retry-After`, " +
			"and nothing was changed. An order that made no referral is answered with {\"ok\":true}. Approved and voided cannot be swapped for each other. Takes `Idempotency-Key`."}
	huma.Register(api, update, c.updateReferral)
	update.OperationID, update.Method, update.Summary = "postReferral", http.MethodPost, "The same as PUT, as one client sends it"
	huma.Register(api, update, c.updateReferral)
	huma.Register(api, huma.Operation{OperationID: "getOffer", Method: http.MethodGet, Path: "/api/v2/offers/{code}",
		Tags: []string{"Offers"}, Metadata: public, Summary: "Read an advocate's offer by its code or id"}, c.getOffer)
	c.shareRoutes(api)
	c.claimRoutes(api)
	huma.Register(api, huma.Operation{OperationID: "getPerson", Method: http.MethodGet, Path: "/api/v2/people/{person_slug}",
		Tags: []string{"People"}, Summary: "Read a person",
		Description: "The slug is the e-mail address, the phone number, the merchant's customer id or the username."}, c.getPerson)
	c.alterRoutes(api)
	c.personListRoutes(api)
	c.personShareRoutes(api)
	huma.Register(api, huma.Operation{OperationID: "getPersonTimeline", Method: http.MethodGet, Path: "/api/v2/people/{person_slug}/timeline",
		Tags: []string{"People"}, Summary: "Read what happened to a person, over all modules",
		Description: "Newest first: what the person did, shared and was referred for, rewards, points, messages."}, c.getTimeline)
	c.couponRoutes(api)
	huma.Register(api, huma.Operation{OperationID: "getLoyaltyMember", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: "/api/v2/loyalty/members/{email}",
		Tags: []string{"Loyalty"}, Summary: "Read a loyalty member",
		Description: "The member may also be named by phone number, customer id or username."}, c.getMember)
	huma.Register(api, huma.Operation{OperationID: "listMemberEntries", Metadata: forMembers(mayRead), Method: http.MethodGet, Path: "/api/v2/loyalty/members/{email}/entries",
		Tags: []string{"Loyalty"}, Summary: "Read the entries of a member's account",
		Description: "Newest first. Each entry says what it was for, which rule decided it, and the balance after it. Errors: 404 `member_not_found`."}, c.listEntries)
	c.memberStateRoutes(api)
	c.invitationRoutes(api)
	c.memberUpdateRoutes(api)
	c.redeemRoutes(api)
	c.collectRoutes(api)
	c.pointRoutes(api)
	c.statementRoutes(api)
	c.memberTokenRoutes(api)
	c.auditRoutes(api)
	c.tierRoutes(api)
	c.achievementRoutes(api)
}
