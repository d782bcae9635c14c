package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

type sharers interface {
	PreviewEmails(ctx context.Context, s site.Site, in referralapi.EmailShare) (out referralapi.EmailShared, known bool, err error)
	ShareByEmail(ctx context.Context, s site.Site, in referralapi.EmailShare) (out referralapi.EmailShared, replayed bool, err error)
	ShareSocial(ctx context.Context, s site.Site, codeOrID, channel string, verified bool, key idempotency.Key) (out referralapi.Shared, replayed bool, err error)
}

func (c Composition) shareRoutes(api huma.API) {
	public := map[string]any{"public": true}
	huma.Register(api, huma.Operation{OperationID: "shareOffer", Method: http.MethodPost, Path: "/api/v2/offers/{code}/shares/social",
		DefaultStatus: http.StatusOK, Tags: []string{"Offers"}, Metadata: public, Summary: "Tell that an offer was shared",
		Description: "Records that the advocate shared the offer by a channel, and answers with a link of the share's own: clicks on it and " +
			"friends who come by it count for the share. The channel is a usual one or one that the site has added (see `/sharing_channels`). " +
			"Takes an `Idempotency-Key`; without one, the same again is another share. 400 for an unknown offer or channel, and when the offer's campaign isn't live."}, c.shareOffer)
	huma.Register(api, huma.Operation{OperationID: "shareOfferByEmail", Method: http.MethodPost, Path: "/api/v2/offers/{code}/shares/email",
		DefaultStatus: http.StatusOK, Tags: []string{"Offers"}, Metadata: public, Summary: "Mail an offer to friends",
		Description: "Sends each friend one e-mail in the advocate's name, with a link of its own: a friend gets an offer once, and an offer goes to 25 friends at most. " +
			"Who is unsubscribed, and the advocate, get none. Says for each address what became of it. Takes an `Idempotency-Key`. 400 for an unknown offer, when " +
			"nobody is named, and when the offer's campaign isn't live."}, c.shareByEmail)
}

// nested is a text that an older client wraps into an object under the member's own name: {"channel": {"channel": "facebook"}}.
type nested string

// UnmarshalJSON takes both.
func (n *nested) UnmarshalJSON(b []byte) error {
	var inner struct {
		Channel optional `json:"channel"`
	}
	if len(b) > 0 && b[0] == '{' {
		if err := json.Unmarshal(b, &inner); err != nil {
			return err
		}
		*n = nested(inner.Channel)
		return nil
	}
	s, err := scalar(b)
	*n = nested(s)
	return err
}

// Schema describes it to the API description.
func (nested) Schema(huma.Registry) *huma.Schema {
	s := union(huma.TypeString)
	s.OneOf = append(s.OneOf, &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true})
	return s
}

type shareOfferInput struct {
	Code string `path:"code" doc:"short_url_code or id of the offer"`
	Body struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Channel nested `json:"channel,omitempty" doc:"Such as facebook, twitter, linkedin, whatsapp, sms or other" example:"\"facebook\""`
	}
}

func (c Composition) shareOffer(ctx context.Context, in *shareOfferInput) (*web.OK[referralapi.Shared], error) {
	req := web.From(ctx)
	shared, replayed, err := c.Referrals.ShareSocial(ctx, req.Site, in.Code, strings.TrimSpace(string(in.Body.Channel)), !req.Public, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	if err := c.addEmail(ctx, req, shared.Share.Offer); err != nil {
		return nil, err
	}
	return web.Answer(shared), nil
}

// addEmail puts the advocate's address to an offer. A public key reads no addresses.
func (c Composition) addEmail(ctx context.Context, req *web.Request, offer *referralapi.Offer) error {
	if offer.AdvocateID == 0 || req.Public {
		return nil
	}
	people, err := c.Customers.People(ctx, req.Site.ID, []int64{offer.AdvocateID})
	if p, ok := people[offer.AdvocateID]; ok {
		offer.Email = orNull(p.Email)
	}
	return err
}
