package gateway

import (
	"context"
	"strings"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

type getOfferInput struct {
	Code     string   `path:"code" doc:"short_url_code or id of the offer"`
	Channels []string `query:"sharing_channels[],explode" doc:"Claim links are wanted for these channels"`
	Commas   []string `query:"sharing_channels,explode" doc:"The same, comma separated or repeated"`
}

type offerAnswer struct {
	Offer      *referralapi.Offer `json:"offer"`
	ClaimLinks map[string]string  `json:"claim_links,omitempty"`
}

func (c Composition) getOffer(ctx context.Context, in *getOfferInput) (*web.OK[offerAnswer], error) {
	req := web.From(ctx)
	channels := append(list(in.Channels).values(), list(strings.Split(strings.Join(in.Commas, ","), ",")).values()...)
	if err := checkChannels(channels, "query.sharing_channels"); err != nil {
		return nil, err
	}
	offer, err := c.Referrals.Offer(ctx, req.Site, in.Code, channels)
	if err != nil {
		return nil, err
	}
	if err := c.addEmail(ctx, req, offer); err != nil {
		return nil, err
	}
	return web.Answer(offerAnswer{Offer: offer, ClaimLinks: offer.ClaimLinks}), nil
}

// checkChannels is the check of module referral, which can't know where the channels stand in the request.
func checkChannels(channels []string, pointer string) error {
	err := referralapi.CheckChannels(channels)
	if f, ok := fault.Of(err); ok {
		return f.At(pointer, "must be names of channels that links are given out for")
	}
	return err
}

type updateReferralInput struct {
	Slug string `path:"origin_slug" doc:"Order number, or event_category:event_number" example:"1001"`
	Body struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Data   referralData `json:"data,omitempty"`
		Status string       `json:"status,omitempty" doc:"Where some clients put data.status"`
	}
}

type referralData struct {
	_      struct{} `json:"-" additionalProperties:"true"`
	Status string   `json:"status,omitempty" doc:"pending, flagged, approved, voided, blocked or unblocked" example:"approved"`
}

// talkableReferral is a referral in Talkable's shape.
type talkableReferral struct {
	ID                int64                `json:"id"`
	Status            string               `json:"status"`
	CampaignID        int64                `json:"campaign_id"`
	OfferID           int64                `json:"offer_id"`
	ReferredOriginID  int64                `json:"referred_origin_id"`
	ReferredSubtotal  money.Decimal        `json:"referred_subtotal"`
	AdRewarded        bool                 `json:"ad_rewarded"`
	QAGenerated       bool                 `json:"qa_generated"`
	TrackMethod       string               `json:"track_method"`
	FraudDetails      *string              `json:"fraud_details"`
	FraudPolicyStatus referralapi.Verdicts `json:"fraud_policies_status"`
	CreatedAt         string               `json:"created_at"`
	UpdatedAt         string               `json:"updated_at"`
	AdvocatePerson    *referralPerson      `json:"advocate_person"`
	FriendPerson      *referralPerson      `json:"friend_person"`
	AdvocateRewards   []referralapi.Reward `json:"advocate_rewards"`
	FriendRewards     []referralapi.Reward `json:"friend_rewards"`
}

type referralPerson struct {
	ID          int64   `json:"id"`
	Email       *string `json:"email"`
	PhoneNumber *string `json:"phone_number"`
	FirstName   *string `json:"first_name"`
	LastName    *string `json:"last_name"`
}

// updateReferralOutput leaves result out when the order made no referral.
type updateReferralOutput struct {
	Body struct {
		OK     bool            `json:"ok"`
		Result *referralAnswer `json:"result,omitempty"`
	}
}

type referralAnswer struct {
	Referral talkableReferral `json:"referral"`
}

func (c Composition) updateReferral(ctx context.Context, in *updateReferralInput) (*updateReferralOutput, error) {
	req := web.From(ctx)
	status := in.Body.Data.Status
	if status == "" {
		status = in.Body.Status
	}
	origin, err := c.Customers.Origin(ctx, req.Site.ID, in.Slug)
	if err != nil {
		return nil, err
	}
	out := &updateReferralOutput{}
	out.Body.OK = true
	if !origin.Verified || origin.PersonID == 0 {
		return out, nil // nobody is referred by these, so there is nothing to wait for
	}
	ref, replayed, err := c.Referrals.SetStatus(ctx, req.Site, origin.ID,
		referralapi.Step{Status: status, Cause: "manual", KeyID: req.KeyID}, req.Idempotency)
	if f, ok := fault.Of(err); ok && f.Code == "no_referral" {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	people, err := c.Customers.People(ctx, req.Site.ID, []int64{ref.AdvocateID, ref.FriendID})
	if err != nil {
		return nil, err
	}
	out.Body.Result = &referralAnswer{referralJSON(ref, people, req.Site)}
	return out, nil
}

// trackMethod is Talkable's word for how an advocate was found, where ours is another.
func trackMethod(ours string) string {
	if ours == "manual" {
		return "manually_generated"
	}
	return ours
}

func referralJSON(r referralapi.Referral, people map[int64]customerapi.Person, s site.Site) talkableReferral {
	return talkableReferral{ID: r.ID, Status: r.Status, CampaignID: r.CampaignID, OfferID: r.OfferID, ReferredOriginID: r.OriginID,
		ReferredSubtotal: money.Decimal{Minor: r.Subtotal, Currency: r.Currency}, AdRewarded: r.AdvocateGot, QAGenerated: r.QA, TrackMethod: trackMethod(r.TrackMethod),
		FraudDetails: r.FraudDetails, FraudPolicyStatus: r.Fraud,
		CreatedAt: web.Talkable(r.CreatedAt, s.Zone), UpdatedAt: web.Talkable(r.UpdatedAt, s.Zone),
		AdvocatePerson: personOf(people, r.AdvocateID), FriendPerson: personOf(people, r.FriendID),
		AdvocateRewards: orEmpty(r.AdvocateRewards), FriendRewards: orEmpty(r.FriendRewards)}
}

func personOf(people map[int64]customerapi.Person, id int64) *referralPerson {
	p, ok := people[id]
	if !ok {
		return nil
	}
	return &referralPerson{ID: p.ID, Email: orNull(p.Email), PhoneNumber: orNull(p.Phone), FirstName: orNull(p.FirstName), LastName: orNull(p.LastName)}
}

// orNull is null for what is not known, as Talkable answers.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
