package referral

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

func (m *Module) termsRoutes(api huma.API) {
	const path = "/api/v2/campaigns/{id}/links"
	huma.Register(api, huma.Operation{OperationID: "getCampaignLinks", Method: http.MethodGet, Path: path,
		Tags: []string{"Campaigns"}, Summary: "Read how a campaign's links work",
		Description: "Whether they show a claim page, what that asks for, how long offers last, and where links lead that are over. 404 if the site has no such campaign."}, m.getTerms)
	huma.Register(api, huma.Operation{OperationID: "replaceCampaignLinks", Method: http.MethodPut, Path: path,
		Tags: []string{"Campaigns"}, Summary: "Change how a campaign's links work",
		Description: "Replaces all of it; what is left out is off. It holds for offers that exist already, too. Takes an `Idempotency-Key`. 400 with a pointer to each " +
			"place that is wrong, 404 if the site has no such campaign."}, m.putTerms)
}

type termsJSON struct {
	ClaimPage        bool       `json:"claim_page" doc:"Claim links show a page with the friend's reward before they lead on"`
	Gate             string     `json:"gate" enum:"none,email,email_and_phone" doc:"What a friend tells before the page gives the reward; the visit alone earns none then"`
	OptIn            bool       `json:"opt_in" doc:"The gate asks whether mail is welcome"`
	ExpiredURL       *string    `json:"expired_url" doc:"Where links lead that are over; null: to a page that says so, or to the destination where there is no claim page"`
	AdvocateURL      *string    `json:"advocate_url" doc:"Where share pages lead on; null: to the shop"`
	FriendOfferHours *int       `json:"friend_offer_hours" doc:"How long a friend's offer lasts from its first touch: the e-mail that an advocate had sent, or the first visit"`
	ShareUntil       *time.Time `json:"share_until" doc:"Nothing is shared from then on; what was shared goes on"`
	ClaimUntil       *time.Time `json:"claim_until" doc:"Nothing is claimed from then on, and later purchases make no referral"`
}

func (t *linkTerms) json() termsJSON {
	out := termsJSON{Gate: referralapi.GateNone}
	if t == nil {
		return out
	}
	return termsJSON{ClaimPage: t.ClaimPage, Gate: t.Gate, OptIn: t.OptIn, ExpiredURL: orNull(t.ExpiredURL), AdvocateURL: orNull(t.AdvocateURL), FriendOfferHours: t.Hours,
		ShareUntil: instant(t.ShareUntil), ClaimUntil: instant(t.ClaimUntil)}
}

type termsInput struct {
	web.SiteBody
	ClaimPage        bool       `json:"claim_page,omitempty" doc:"Claim links show a page with the friend's reward before they lead on"`
	Gate             string     `json:"gate,omitempty" doc:"none, email or email_and_phone; needs the claim page"`
	OptIn            bool       `json:"opt_in,omitempty" doc:"The gate asks whether mail is welcome"`
	ExpiredURL       *string    `json:"expired_url,omitempty" nullable:"true"`
	AdvocateURL      *string    `json:"advocate_url,omitempty" nullable:"true"`
	FriendOfferHours *int       `json:"friend_offer_hours,omitempty" nullable:"true" doc:"1 to 8760"`
	ShareUntil       *time.Time `json:"share_until,omitempty" nullable:"true"`
	ClaimUntil       *time.Time `json:"claim_until,omitempty" nullable:"true" doc:"Not before share_until"`
}

// terms checks the input. hosts are those that the site allows.
func (in termsInput) terms(hosts []string) (linkTerms, error) {
	var f findings
	t := linkTerms{ClaimPage: in.ClaimPage, Gate: in.Gate, OptIn: in.OptIn, Hours: in.FriendOfferHours, ShareUntil: instant(in.ShareUntil), ClaimUntil: instant(in.ClaimUntil)}
	if t.Gate == "" {
		t.Gate = referralapi.GateNone
	}
	switch {
	case !slices.Contains(gates, t.Gate):
		f.add("/gate", "must be none, email or email_and_phone")
	case t.Gate != referralapi.GateNone && !t.ClaimPage:
		f.add("/gate", "needs the claim page")
	case t.OptIn && t.Gate == referralapi.GateNone:
		f.add("/opt_in", "needs a gate")
	}
	t.ExpiredURL = checkPlace(&f, "/expired_url", in.ExpiredURL, hosts)
	t.AdvocateURL = checkPlace(&f, "/advocate_url", in.AdvocateURL, hosts)
	if t.Hours != nil && (*t.Hours < 1 || *t.Hours > mostHours) {
		f.add("/friend_offer_hours", "must be from 1 to %d", mostHours)
	}
	for at, moment := range map[string]*time.Time{"/share_until": t.ShareUntil, "/claim_until": t.ClaimUntil} {
		if moment != nil && (moment.Year() < 2000 || moment.Year() > 9999) {
			f.add(at, "must be in the years 2000 to 9999")
		}
	}
	if t.ShareUntil != nil && t.ClaimUntil != nil && t.ClaimUntil.Before(*t.ShareUntil) {
		f.add("/claim_until", "must not be before share_until")
	}
	if len(f.fields) > 0 {
		e := fault.New(fault.Invalid, "invalid_links", "The links can't work like this: %s %s.", f.fields[0].Pointer, f.fields[0].Detail)
		e.Fields = f.fields
		return t, e
	}
	return t, nil
}

// checkPlace says what is wrong with an address that links lead to as it is.
func checkPlace(f *findings, at string, told *string, hosts []string) string {
	if told == nil || *told == "" {
		return ""
	}
	if err := checkDestination(*told); err != nil {
		f.add(at, "%s", err)
	} else if strings.Contains(*told, "{{") {
		f.add(at, "must hold no placeholders")
	} else if !hostAllowed(*told, hosts) {
		f.add(at, "leads to a host that the site doesn't allow")
	}
	return *told
}

type termsResult struct {
	Links termsJSON `json:"links"`
}

func (m *Module) getTerms(ctx context.Context, in *campaignPath) (*web.OK[termsResult], error) {
	siteID := web.From(ctx).Site.ID
	list, err := campaignsByID(ctx, m.db, []int64{siteID}, []int64{in.ID}, m.now())
	if err != nil {
		return nil, err
	}
	c := list[key{siteID, in.ID}]
	if c == nil {
		return nil, errNoCampaign
	}
	return web.Answer(termsResult{c.terms.json()}), nil
}

type putTermsInput struct {
	ID   int64 `path:"id"`
	Body termsInput
}

func (m *Module) putTerms(ctx context.Context, in *putTermsInput) (*web.OK[termsResult], error) {
	req := web.From(ctx)
	shelf, err := m.catalog.of(ctx, req.Site.ID)
	if err != nil {
		return nil, err
	}
	t, err := in.Body.terms(shelf.hosts)
	if err != nil {
		return nil, err
	}
	t.SiteID, t.CampaignID = req.Site.ID, in.ID
	out, replayed, err := m.replaceTerms(ctx, t, req.KeyID, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}

func (m *Module) replaceTerms(ctx context.Context, t linkTerms, keyID int64, k idempotency.Key) (out termsResult, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, t.SiteID, k, &out, func() error {
			out = termsResult{t.json()}
			was, err := campaignOf(ctx, u, t.SiteID, t.CampaignID)
			if err != nil {
				return err
			}
			if err := saveTerms(ctx, u.Tx, u.Now, t); err != nil {
				return err
			}
			a := audit.Change{KeyID: keyID, Action: "campaign_links.set", Subject: aboutLinks, SubjectID: t.CampaignID, After: out.Links}
			if was.terms != nil {
				a.Before = was.terms.json()
			}
			if err := writeAudit(ctx, u.Tx, u.Now, t.SiteID, a); err != nil {
				return err
			}
			return noteChanges(ctx, u.Tx, t.SiteID)
		})
		return err
	})
	m.catalog.changed(t.SiteID)
	return out, replayed, err
}
