package referral

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

const (
	personaTries = 5  // draws, each two characters longer than the one before
	mostPersonal = 20 // codes of an offer
)

var (
	errOfferUnknown = fault.New(fault.NotFound, "offer_not_found", "No such offer.")
	errImpersonal   = fault.New(fault.Conflict, "no_personal_coupons", "The offer's campaign gives its advocates no codes of their own, or its advocate isn't known yet.")
	errCodeTaken    = fault.New(fault.Conflict, "coupon_code_taken", "The site has a coupon with this code already.").At("/code", "is taken")
	errManyCodes    = fault.New(fault.Conflict, "too_many_personal_coupons", "The offer has %d codes, and no more are made.", mostPersonal)
)

// personalCoupon is a code that belongs to an offer.
type personalCoupon struct {
	SiteID     int64     `db:"site_id"`
	ID         int64     `db:"coupon_id"`
	OfferID    int64     `db:"offer_id"`
	CampaignID int64     `db:"campaign_id"`
	PersonID   int64     `db:"person_id"`
	ListID     int64     `db:"list_id"`
	Code       string    `db:"code"`
	Chosen     bool      `db:"chosen"`
	MadeAt     time.Time `db:"made_at"`
}

func (c personalCoupon) made() referralevent.PersonalCouponMade {
	return referralevent.PersonalCouponMade{SiteID: c.SiteID, CouponID: c.ID, CouponListID: c.ListID, Code: c.Code, OfferID: c.OfferID,
		CampaignID: c.CampaignID, AdvocateID: c.PersonID, Chosen: c.Chosen, MadeAt: c.MadeAt}
}

// personal says that the request's offer is to have a code of the advocate's own, and has none.
func (w want) personal(o *offer) bool {
	return o != nil && o.PersonID != nil && o.CouponCode == "" && w.campaign != nil && w.campaign.Attribution.Personal != nil
}

// introduce asks for the name that a code is to hold. Whoever knows it being away is no reason to make none.
func (m *Module) introduce(ctx context.Context, w *want) {
	if w.campaign == nil || w.campaign.Attribution.Personal == nil || w.person == 0 || m.people == nil {
		return
	}
	people, err := m.people.People(ctx, w.s.ID, []int64{w.person})
	if err != nil {
		m.log.Warn().Err(err).Int64("site.id", w.s.ID).Msg("a personal coupon is made without a name")
	}
	w.name = people[w.person].FirstName
}

// personalize makes the codes of a batch: drawn with the name in them, kept by the constraint on codes, and drawn again, longer, where
// another coupon has it. The offers are locked first, so that two requests don't make two codes of one.
func (m *Module) personalize(ctx context.Context, u *bus.Unit, wants []want, offers []*offer) error {
	var todo []int
	seen := map[key]bool{}
	for i, w := range wants {
		if o := offers[i]; w.personal(o) && !seen[key{o.SiteID, o.ID}] {
			seen[key{o.SiteID, o.ID}] = true
			todo = append(todo, i)
		}
	}
	if len(todo) == 0 {
		return nil
	}
	has, err := lockCodesOfOffers(ctx, u.Tx, seen)
	if err != nil {
		return err
	}
	todo = slices.DeleteFunc(todo, func(i int) bool { return has[key{offers[i].SiteID, offers[i].ID}] != "" })
	for try := 0; len(todo) > 0; try++ {
		if try == personaTries {
			return errRaced
		}
		var list []personalCoupon
		drawn := map[use]bool{}
		for _, i := range todo {
			o, plan := offers[i], wants[i].campaign.Attribution.Personal
			if code := plan.code(wants[i].name, try); !drawn[use{o.SiteID, code}] {
				drawn[use{o.SiteID, code}] = true
				list = append(list, personalCoupon{SiteID: o.SiteID, OfferID: o.ID, CampaignID: o.CampaignID, PersonID: *o.PersonID, ListID: plan.ListID,
					Code: code, MadeAt: u.Now})
			}
		}
		made, err := m.savePersonal(ctx, u, list)
		if err != nil {
			return err
		}
		for _, c := range made {
			has[key{c.SiteID, c.OfferID}] = c.Code
		}
		todo = slices.DeleteFunc(todo, func(i int) bool { return has[key{offers[i].SiteID, offers[i].ID}] != "" })
	}
	for _, o := range offers {
		if o != nil && o.CouponCode == "" {
			o.CouponCode = has[key{o.SiteID, o.ID}]
		}
	}
	return nil
}

// savePersonal writes those codes that no coupon has, and tells of them.
func (m *Module) savePersonal(ctx context.Context, u *bus.Unit, list []personalCoupon) ([]personalCoupon, error) {
	slices.SortFunc(list, func(a, b personalCoupon) int {
		return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.Code, b.Code))
	})
	made, err := insertPersonal(ctx, u.Tx, list)
	for _, c := range made {
		u.Tell(c.SiteID, "offer:"+itoa(c.OfferID), c.made())
		m.metrics.Of(ctx).coupons.WithLabelValues("personal").Inc()
	}
	return made, err
}

// chooseInput asks for another code of an offer.
type chooseInput struct {
	web.SiteBody
	Code string `json:"code,omitempty" example:"ANN10" doc:"In whose own words; one is drawn by the campaign's template when left out"`
}

// choose makes another code of an offer, which is shown from now on. The older ones go on working.
func (m *Module) choose(ctx context.Context, s site.Site, codeOrID string, in chooseInput, k idempotency.Key) (out personalJSON, replayed bool, err error) {
	code := codeOfCoupon(in.Code)
	if why := codeFault(code); code != "" && why != "" {
		return out, false, fault.New(fault.Invalid, "invalid_coupon_code", "The code %s.", why).At("/code", why)
	}
	o, c, err := m.knownOffer(ctx, s, codeOrID)
	if err != nil {
		return out, false, err
	}
	w := want{s: s, campaign: c, person: deref(o.PersonID)}
	if code == "" {
		m.introduce(ctx, &w)
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() (err error) {
			out, err = m.chooseTx(ctx, u, w, o, code)
			return err
		})
		return err
	})
	m.forgetOffer(o.SiteID, o.ID, o.Code)
	return out, replayed, err
}

func (m *Module) chooseTx(ctx context.Context, u *bus.Unit, w want, o *offer, code string) (personalJSON, error) {
	if _, err := lockOffer(ctx, u.Tx, o); err != nil {
		return personalJSON{}, err
	}
	plan := w.campaign.Attribution.Personal
	if plan == nil || o.PersonID == nil {
		return personalJSON{}, errImpersonal
	}
	before, err := personalOf(ctx, u, o.SiteID, o.ID)
	switch {
	case err != nil:
		return personalJSON{}, err
	case len(before) >= mostPersonal:
		return personalJSON{}, errManyCodes
	}
	c := personalCoupon{SiteID: o.SiteID, OfferID: o.ID, CampaignID: o.CampaignID, PersonID: *o.PersonID, ListID: plan.ListID, Code: code,
		Chosen: code != "", MadeAt: u.Now}
	for try := range personaTries {
		if !c.Chosen {
			c.Code = plan.code(w.name, try)
		}
		made, err := m.savePersonal(ctx, u, []personalCoupon{c})
		switch {
		case err != nil:
			return personalJSON{}, err
		case len(made) == 1:
			return showPersonal(made[0], made[0].Code, 0, nil), nil
		case c.Chosen:
			return personalJSON{}, errCodeTaken
		}
	}
	return personalJSON{}, errRaced
}

// knownOffer is the offer of a code or id; one that isn't there is a fault of our own operations.
func (m *Module) knownOffer(ctx context.Context, s site.Site, codeOrID string) (*offer, *campaign, error) {
	o, c, err := m.offerOf(ctx, s, codeOrID)
	if errors.Is(err, errNoOffer) {
		err = errOfferUnknown
	}
	return o, c, err
}
