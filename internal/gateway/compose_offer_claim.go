package gateway

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

var phoneForm = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

type claims interface {
	Claimable(ctx context.Context, s site.Site, tag string, key idempotency.Key) (known bool, err error)
	ClaimOffer(ctx context.Context, s site.Site, in referralapi.Claim) (out referralapi.Claimed, replayed bool, err error)
}

func (c Composition) claimRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "claimOffer", Method: http.MethodPost, Path: "/api/v2/offer_claims", DefaultStatus: http.StatusOK,
		Tags: []string{"Offers"}, Summary: "Let a friend claim an advocate's offer",
		Description: "As if the friend had opened the advocate's link: the friend gets a friend offer and what the campaign gives for that, once. The offer is the newest that " +
			"the advocate has in a live campaign with the tag, or else one of the newest such campaign. The parameters stand in the query or in the body. " +
			"What is told of where the friend comes from (`ip_address`, `user_agent`) is judged by the campaign's fraud rules for claims, as on claim pages. " +
			"Takes an `Idempotency-Key`. 400 for addresses that are none, and when there is no such campaign."}, c.claimOffer)
}

const longestBrowser = 8 << 10 // as much as a header may have

type claimOfferInput struct {
	AdvocateEmail string `query:"advocate_email"`
	FriendEmail   string `query:"friend_email"`
	FriendPhone   string `query:"friend_phone" doc:"E.164; a purchase with this number is the friend's, whatever its address"`
	CampaignTag   string `query:"campaign_tag"`
	IPAddress     string `query:"ip_address" doc:"Of the friend; \"current\" means of this request, with its browser"`
	UserAgent     string `query:"user_agent" doc:"Of the friend's browser"`
	Body          *struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		AdvocateEmail optional `json:"advocate_email,omitempty" example:"\"ann@shop.example\""`
		FriendEmail   optional `json:"friend_email,omitempty" example:"\"bob@shop.example\""`
		FriendPhone   optional `json:"friend_phone,omitempty" doc:"E.164; a purchase with this number is the friend's, whatever its address" example:"\"+12025551111\""`
		CampaignTag   optional `json:"campaign_tag,omitempty" doc:"Of the campaign; any when left out"`
		IPAddress     optional `json:"ip_address,omitempty" doc:"Of the friend; \"current\" means of this request, with its browser" example:"\"203.0.113.9\""`
		UserAgent     optional `json:"user_agent,omitempty" doc:"Of the friend's browser"`
	} `required:"false"`
}

// fill takes from the body what the query doesn't say.
func (in *claimOfferInput) fill() {
	if in.Body == nil {
		return
	}
	either(&in.AdvocateEmail, string(in.Body.AdvocateEmail))
	either(&in.FriendEmail, string(in.Body.FriendEmail))
	either(&in.FriendPhone, string(in.Body.FriendPhone))
	either(&in.CampaignTag, string(in.Body.CampaignTag))
	either(&in.IPAddress, string(in.Body.IPAddress))
	either(&in.UserAgent, string(in.Body.UserAgent))
}

func (c Composition) claimOffer(ctx context.Context, in *claimOfferInput) (*web.OK[referralapi.Claimed], error) {
	in.fill()
	req := web.From(ctx)
	if utf8.RuneCountInString(in.CampaignTag) > 100 {
		return nil, fault.New(fault.Invalid, "no_campaign", "No campaign found.").At("/campaign_tag", "is too long")
	}
	people, err := c.Customers.Addressees(ctx, req.Site.ID, []string{in.AdvocateEmail, in.FriendEmail})
	if err != nil {
		return nil, err
	}
	for i, who := range []string{"advocate_email", "friend_email"} {
		if !people[i].Valid {
			return nil, fault.New(fault.Invalid, "invalid_"+who, "Invalid `%s`.", who).At("/"+who, "is no e-mail address")
		}
	}
	if in.FriendPhone != "" && !phoneForm.MatchString(in.FriendPhone) {
		return nil, fault.New(fault.Invalid, "invalid_friend_phone", "Invalid `friend_phone`.").At("/friend_phone", "is no number in E.164")
	}
	ip, browser, fine := cameFrom(req, in.IPAddress)
	if !fine {
		return nil, fault.New(fault.Invalid, "invalid_ip_address", "Invalid `ip_address`.").At("/ip_address", notAddress)
	}
	if len(in.UserAgent) > longestBrowser {
		return nil, fault.New(fault.Invalid, "invalid_user_agent", "Invalid `user_agent`.").At("/user_agent", "is too long")
	}
	known, err := c.Referrals.Claimable(ctx, req.Site, in.CampaignTag, req.Idempotency)
	if err != nil {
		return nil, err
	}
	claim := referralapi.Claim{AdvocateID: people[0].PersonID, FriendID: people[1].PersonID, CampaignTag: in.CampaignTag,
		FriendPhone: customerapi.Fingerprint(customerapi.PhoneMark, in.FriendPhone), IP: ip,
		Device: customerapi.Fingerprint(customerapi.DeviceMark, cmp.Or(text(in.UserAgent, keptBrowser), browser)), Idempotency: req.Idempotency}
	if !known { // else there is an answer already, or a refusal
		ids, err := c.Customers.Introduce(ctx, req.Site, []string{in.AdvocateEmail, in.FriendEmail})
		if err != nil {
			return nil, err
		}
		claim.AdvocateID, claim.FriendID = ids[0], ids[1]
	}
	claimed, replayed, err := c.Referrals.ClaimOffer(ctx, req.Site, claim)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(claimed), nil
}
