package gateway

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

func (c Composition) couponRoutes(api huma.API) {
	const code = " A code holds any of A-Z 0-9 - _ / . % : * + @ & #, so it is percent-encoded in the path; upper and lower case are the same."
	huma.Register(api, huma.Operation{OperationID: "getCoupon", Method: http.MethodGet, Path: "/api/v2/coupons/{code}",
		Tags: []string{"Coupons"}, Summary: "Look a coupon up by its code",
		Description: "A code that isn't one of the site's is answered with {\"talkable_coupon\":false}: the shop decides about it." + code}, c.getCoupon)
	huma.Register(api, huma.Operation{OperationID: "getCouponPermission", Method: http.MethodGet, Path: "/api/v2/coupons/{code}/permission/{person_slug}",
		Tags: []string{"Coupons"}, Summary: "May this person use this coupon?",
		Description: "The person is named by e-mail address, phone number, customer id or username, and needn't be known. A code that isn't one " +
			"of the site's is allowed: the shop decides about it." + code}, c.getPermission)
}

// CouponFacts are what both operations tell of a coupon. What is embedded is exported, or the description would not know of it.
type CouponFacts struct {
	TalkableCoupon bool `json:"talkable_coupon"`
	*CouponDetails
}

// CouponDetails are those of a code that the site has.
type CouponDetails struct {
	Coupon           referralapi.Coupon `json:"coupon"`
	AssociatedReward *couponReward      `json:"associated_reward"`
}

type couponReward struct {
	CreatedAt string                `json:"created_at" format:"date-time"`
	Person    *couponPerson         `json:"person" doc:"null for a friend that is only a visitor"`
	Campaign  referralapi.Campaign  `json:"campaign"`
	Incentive referralapi.Incentive `json:"incentive"`
}

type couponPerson struct {
	Email       *string `json:"email"`
	FirstName   *string `json:"first_name"`
	LastName    *string `json:"last_name"`
	PhoneNumber *string `json:"phone_number"`
	Username    *string `json:"username"`
	CustomerID  *string `json:"customer_id"`
}

func (c Composition) getCoupon(ctx context.Context, in *struct {
	Code string `path:"code" example:"SAVE-7KQ2M9XF"`
}) (*web.OK[CouponFacts], error) {
	req := web.From(ctx)
	found, err := c.Referrals.Coupon(ctx, req.Site, in.Code)
	if err != nil {
		return nil, err
	}
	facts, err := c.couponFacts(ctx, req.Site, found)
	if err != nil {
		return nil, err
	}
	return web.Answer(facts), nil
}

// couponFacts puts the person to the coupon; found may be nil.
func (c Composition) couponFacts(ctx context.Context, s site.Site, found *referralapi.FoundCoupon) (CouponFacts, error) {
	if found == nil {
		return CouponFacts{}, nil
	}
	out := CouponFacts{true, &CouponDetails{Coupon: found.Coupon}}
	r := found.Reward
	if r == nil {
		return out, nil
	}
	out.AssociatedReward = &couponReward{CreatedAt: web.Talkable(r.CreatedAt, s.Zone), Campaign: r.Campaign, Incentive: r.Incentive}
	if r.PersonID == 0 {
		return out, nil
	}
	people, err := c.Customers.People(ctx, s.ID, []int64{r.PersonID})
	if p, ok := people[r.PersonID]; ok {
		out.AssociatedReward.Person = &couponPerson{Email: orNull(p.Email), FirstName: orNull(p.FirstName), LastName: orNull(p.LastName),
			PhoneNumber: orNull(p.Phone), Username: orNull(p.Username), CustomerID: orNull(p.CustomerID)}
	}
	return out, err
}

type couponPermission struct {
	Allowed bool `json:"allowed"`
	CouponFacts
	*CouponVerdict
}

// CouponVerdict is what is found of it.
type CouponVerdict struct {
	ErrorMessage *string      `json:"error_message"`
	Checks       couponChecks `json:"checks"`
}

// couponChecks are what may speak against a coupon.
type couponChecks struct {
	CouponUnissued     bool `json:"coupon_unissued" doc:"It is one of a list and was not handed out yet"`
	CouponExpired      bool `json:"coupon_expired" doc:"Or withdrawn: what it was given for was refunded, or the redemption cancelled"`
	FriendOfferExpired bool `json:"friend_offer_expired" doc:"It was given for a friend offer whose hours, or whose campaign's last moment of claiming, are over"`
	DifferentOwner     bool `json:"different_owner"`
	CouponUsed         bool `json:"coupon_used"`
}

// message is the first thing that speaks against the coupon; nil if nothing does.
func (k couponChecks) message() *string {
	var text string
	switch {
	case k.CouponUnissued:
		text = "This coupon code has not been issued yet"
	case k.CouponExpired:
		text = "This coupon code has expired"
	case k.FriendOfferExpired:
		text = "The offer of this coupon code has expired"
	case k.DifferentOwner:
		text = "This coupon code has been issued to another email address"
	case k.CouponUsed:
		text = "This coupon code has already been used"
	}
	return orNull(text)
}

func (c Composition) getPermission(ctx context.Context, in *struct {
	Code string `path:"code" example:"SAVE-7KQ2M9XF"`
	Slug string `path:"person_slug" example:"ann@shop.example"`
}) (*web.OK[couponPermission], error) {
	req := web.From(ctx)
	found, err := c.Referrals.Coupon(ctx, req.Site, in.Code)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return web.Answer(couponPermission{Allowed: true}), nil
	}
	out := couponPermission{CouponVerdict: &CouponVerdict{}}
	if out.CouponFacts, err = c.couponFacts(ctx, req.Site, found); err != nil {
		return nil, err
	}
	checks := couponChecks{CouponUnissued: found.Unissued, CouponExpired: found.Expired, CouponUsed: found.Used}
	if found.Reward != nil {
		checks.FriendOfferExpired = found.Reward.OfferLapsed
	}
	if len(found.Owners) > 0 {
		p, err := c.Customers.Person(ctx, req.Site.ID, in.Slug)
		if err != nil && !fault.Is(err, fault.Invalid) { // somebody unknown is somebody else
			return nil, err
		}
		checks.DifferentOwner = err != nil || !slices.Contains(found.Owners, p.ID)
	}
	out.Checks, out.ErrorMessage, out.Allowed = checks, checks.message(), checks == couponChecks{}
	return web.Answer(out), nil
}
