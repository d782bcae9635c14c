package gateway

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/web"
)

// personKeeper is what is asked about what becomes of persons.
type personKeeper interface {
	UpdatePerson(ctx context.Context, siteID int64, slug string, in customerapi.PersonUpdate) (out customerapi.Person, replayed bool, err error)
	Unsubscribe(ctx context.Context, siteID int64, slug string, key idempotency.Key) (out customerapi.Person, replayed bool, err error)
	Anonymize(ctx context.Context, siteID int64, slug string, key idempotency.Key) (out customerapi.Person, replayed bool, err error)
}

// alterRoutes lists what is done to persons.
func (c Composition) alterRoutes(api huma.API) {
	const person = "/api/v2/people/{person_slug}"
	tags := []string{"People"}
	huma.Register(api, huma.Operation{OperationID: "updatePerson", Method: http.MethodPut, Path: person, Tags: tags,
		Summary: "Update a person, or make one",
		Description: "What is left out, or null, stays as it is; an empty text takes it away. Custom properties are merged into the person's. Whom nobody " +
			"knows is made, if the slug is an e-mail address or a phone number. Takes `Idempotency-Key`.\n\nErrors: 400 `person_not_found`, " +
			"`unpermitted_parameter`; 422 `username_taken`, `email_taken`, `customer_id_taken`, `phone_number_taken`, `person_anonymized`, `validation_failed`."}, c.updatePerson)
	huma.Register(api, huma.Operation{OperationID: "unsubscribePerson", Method: http.MethodPost, Path: person + "/unsubscribe", Tags: tags,
		Summary: "Write no more mail to a person",
		Description: "Mail that isn't necessary is suppressed from now on; what was queued, too. An e-mail address that nobody has becomes a person who wants " +
			"none. Takes `Idempotency-Key`. PUT with `unsubscribed: false` takes it back.\n\nErrors: 422 `validation_failed` when nobody is named so, and the slug is no address."}, c.unsubscribePerson)
	huma.Register(api, huma.Operation{OperationID: "anonymizePerson", Method: http.MethodPost, Path: person + "/anonymize", Tags: tags,
		Summary: "Forget who a person is",
		Description: "Takes away all that identifies the person, here and wherever contact data is kept, for good: the address becomes UUID@anonymized.email, " +
			"addresses and browsers of what it did are dropped, and so are the words of messages. Points, referrals and rewards stay. Takes " +
			"`Idempotency-Key`.\n\nErrors: 400 `person_not_found`."}, c.anonymizePerson)
}

type updatePersonInput struct {
	Slug string `path:"person_slug" doc:"E-mail address, phone number, customer id or username" example:"ann@shop.example"`
	Body struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
		Data personData `json:"data"`
	}
}

// personData is what may be said of a person, and nothing else.
type personData struct {
	_               struct{}                  `json:"-" additionalProperties:"true"`
	FirstName       *optional                 `json:"first_name,omitempty"`
	LastName        *optional                 `json:"last_name,omitempty"`
	Email           *optional                 `json:"email,omitempty" example:"\"ann@shop.example\""`
	PhoneNumber     *optional                 `json:"phone_number,omitempty" doc:"E.164" example:"\"+12025551111\""`
	Username        *optional                 `json:"username,omitempty" doc:"Unique in the site, in any case"`
	CustomerID      *optional                 `json:"customer_id,omitempty" doc:"The merchant's id of the person"`
	IdentifierHash  *optional                 `json:"identifier_hash,omitempty" doc:"The merchant's own; nothing is found by it"`
	Custom          properties                `json:"custom_properties,omitempty"`
	GatedSubscribed *truth                    `json:"gated_param_subscribed,omitempty" doc:"Opted in to mail"`
	Unsubscribed    *truth                    `json:"unsubscribed,omitempty" doc:"Wants no mail but what is necessary; false takes it back"`
	UnsubscribedAt  *optional                 `json:"unsubscribed_at,omitempty" doc:"When; now if left out"`
	Unpermitted     map[string]jsontext.Value `json:",embed"`
}

// TransformSchema hides where unknown members are gathered.
func (personData) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	delete(s.Properties, "Unpermitted")
	s.Required = slices.DeleteFunc(s.Required, func(name string) bool { return name == "Unpermitted" })
	return s
}

// unpermitted refuses members that aren't known, in the words of Talkable's framework.
func unpermitted[T any](unknown map[string]T) error {
	if len(unknown) == 0 {
		return nil
	}
	var names []string
	for name := range unknown {
		names = append(names, name)
	}
	slices.Sort(names)
	shown := names[:min(len(names), 20)]
	for i, name := range shown {
		if len(name) > 100 {
			shown[i] = strings.ToValidUTF8(name[:100], "")
		}
	}
	many := ""
	if len(shown) > 1 {
		many = "s"
	}
	return fault.New(fault.Invalid, "unpermitted_parameter", "%s", "found unpermitted parameter"+many+": :"+strings.Join(shown, ", :")).
		At("/data", "has members that are not permitted here")
}

func (c Composition) updatePerson(ctx context.Context, in *updatePersonInput) (*web.OK[personAnswer], error) {
	req, d := web.From(ctx), in.Body.Data
	if err := unpermitted(d.Unpermitted); err != nil {
		return nil, err
	}
	change := customerapi.PersonUpdate{Email: d.Email.said(), Phone: d.PhoneNumber.said(), CustomerID: d.CustomerID.said(), Username: d.Username.said(),
		FirstName: d.FirstName.said(), LastName: d.LastName.said(), IdentifierHash: d.IdentifierHash.said(), CustomProperties: d.Custom,
		Subscribed: d.GatedSubscribed.said(), Unsubscribed: d.Unsubscribed.said(), Idempotency: req.Idempotency}
	if at := d.UnsubscribedAt.said(); at != nil && *at != "" {
		when, err := moment(*at, req.Site)
		if err != nil {
			return nil, fault.New(fault.Unprocessable, "validation_failed", "Validation failed: Unsubscribed at is no date and time like 2026-11-22T10:00:00Z").
				At("/data/unsubscribed_at", "not a date and time like 2026-11-22T10:00:00Z")
		}
		change.UnsubscribedAt = &when
	}
	return c.altered(ctx)(c.Customers.UpdatePerson(ctx, req.Site.ID, in.Slug, change))
}

type alterInput struct {
	Slug string `path:"person_slug" doc:"E-mail address, phone number, customer id or username" example:"ann@shop.example"`
	Body *struct {
		_ struct{} `json:"-" additionalProperties:"true"`
		web.SiteBody
	} `required:"false"`
}

func (c Composition) unsubscribePerson(ctx context.Context, in *alterInput) (*web.OK[personAnswer], error) {
	req := web.From(ctx)
	return c.altered(ctx)(c.Customers.Unsubscribe(ctx, req.Site.ID, in.Slug, req.Idempotency))
}

func (c Composition) anonymizePerson(ctx context.Context, in *alterInput) (*web.OK[personAnswer], error) {
	req := web.From(ctx)
	return c.altered(ctx)(c.Customers.Anonymize(ctx, req.Site.ID, in.Slug, req.Idempotency))
}

// altered answers with the person, once something was done to it.
func (c Composition) altered(ctx context.Context) func(customerapi.Person, bool, error) (*web.OK[personAnswer], error) {
	return func(p customerapi.Person, replayed bool, err error) (*web.OK[personAnswer], error) {
		if err != nil {
			return nil, err
		}
		web.From(ctx).MarkReplayed(replayed)
		return c.personPage(ctx, p)
	}
}
