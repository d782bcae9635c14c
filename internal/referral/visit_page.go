package referral

import (
	"context"
	"net/http"
	"strconv"

	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

// Pages are shown where a link doesn't lead on at once.
type Pages interface {
	Claim(w http.ResponseWriter, r *http.Request, l referralapi.Landing)
	Share(w http.ResponseWriter, r *http.Request, l referralapi.Landing)
	Gone(w http.ResponseWriter, r *http.Request) // whatever the reason, the same
	Fail(w http.ResponseWriter, r *http.Request, err error)
}

// NoPages leads to shops only.
type NoPages struct{}

// Claim leads on.
func (NoPages) Claim(w http.ResponseWriter, _ *http.Request, l referralapi.Landing) { lead(w, l) }

// Share leads to the shop.
func (NoPages) Share(w http.ResponseWriter, _ *http.Request, l referralapi.Landing) { lead(w, l) }

// Gone says so.
func (NoPages) Gone(w http.ResponseWriter, _ *http.Request) { notFound(w) }

// Fail answers with the problem.
func (NoPages) Fail(w http.ResponseWriter, r *http.Request, err error) { web.Fail(w, r, err) }

func lead(w http.ResponseWriter, l referralapi.Landing) {
	if l.Continue == "" {
		notFound(w)
		return
	}
	redirect(w, l.Continue)
}

// show answers for a link that has a page, or is over in a campaign that says what follows then.
func (m *Module) show(w http.ResponseWriter, r *http.Request, pages Pages, v visit, shelf *shelf) {
	done := m.record(w, r, &v)
	to := shelf.leads(v.campaign.ID)
	switch {
	case v.live && v.campaign.terms.ClaimPage:
		pages.Claim(w, r, m.landing(r.Context(), shelf, v, done.friendOffer))
	case v.campaign.terms.expired != nil:
		redirect(w, v.campaign.terms.expired.with())
	case v.campaign.terms.ClaimPage || to == nil:
		pages.Gone(w, r)
	default:
		redirect(w, m.destination(r.Context(), to, v, done.friendOffer, nil))
	}
}

// landing is what the claim page of an opened link is made of.
func (m *Module) landing(ctx context.Context, shelf *shelf, v visit, friendOffer int64) referralapi.Landing {
	l := referralapi.Landing{SiteID: v.link.SiteID, Code: v.link.Code, OfferID: v.link.OfferID, CampaignID: v.campaign.ID, CampaignName: v.campaign.Name,
		AdvocateID: v.link.AdvocateID, Channel: v.link.Channel, Visitor: v.visitor, Live: v.live, Gate: v.campaign.terms.Gate, OptIn: v.campaign.terms.OptIn}
	if to := shelf.leads(v.campaign.ID); to != nil {
		l.Continue = m.destination(ctx, to, v, friendOffer, nil)
	}
	return l
}

// sharing is what the share page of an offer is made of.
func (m *Module) sharing(shelf *shelf, l *link, c *campaign) referralapi.Landing {
	out := referralapi.Landing{SiteID: l.SiteID, Code: l.Code, OfferID: l.OfferID, CampaignID: c.ID, CampaignName: c.Name, AdvocateID: l.AdvocateID,
		Live: c.sharable(m.now())}
	switch {
	case c.terms != nil && c.terms.advocate != nil:
		out.Continue = c.terms.advocate.with()
	case shelf.home != nil:
		out.Continue = shelf.home.with()
	}
	return out
}

// Landing finds the page behind a code, for what is done there; it is no visit. nil: there is none. share says which page it is.
func (m *Module) Landing(ctx context.Context, code, visitor string) (found *referralapi.Landing, share bool, err error) {
	code, ok := codeOf(code)
	if !ok {
		return nil, false, nil
	}
	l, err := m.link(ctx, code)
	if l == nil || err != nil {
		return nil, false, err
	}
	shelf, err := m.catalog.of(ctx, l.SiteID)
	if shelf == nil {
		return nil, false, err
	}
	c := shelf.byID[l.CampaignID]
	switch {
	case c == nil:
		return nil, false, nil
	case l.Kind == linkShare:
		out := m.sharing(shelf, l, c)
		return &out, true, nil
	case !c.terms.paged() || !c.claimable(m.now()):
		return nil, false, nil
	}
	if visitor, ok = visitorOf(visitor); !ok || standsIn(visitor) {
		visitor = ""
	}
	out := m.landing(ctx, shelf, visit{link: l, campaign: c, live: true, visitor: visitor}, 0)
	return &out, false, nil
}

// fillings are the values for a destination's placeholders. What can't be read now stays empty: the friend is led there all the same.
func (m *Module) fillings(ctx context.Context, to *landing, v visit, friendOffer int64, coupons []string) map[string]string {
	values := map[string]string{holeVisitor: v.visitor, holeCampaign: strconv.FormatInt(v.campaign.ID, 10), holeCampaignTag: v.campaign.Name, holeChannel: v.link.Channel}
	if friendOffer != 0 {
		values[holeFriendOffer] = strconv.FormatInt(friendOffer, 10)
	}
	if to.needs(holeCoupon) && coupons == nil && v.visitor != "" && v.live && !v.campaign.terms.gated() {
		coupons = m.couponsOf(ctx, v, friendOffer)
	}
	if len(coupons) > 0 {
		values[holeCoupon] = coupons[0]
	}
	if to.needs(holeAdvocate) && v.link.AdvocateID != 0 && m.people != nil {
		ctx, cancel := context.WithTimeout(ctx, visitPatience)
		defer cancel()
		people, err := m.people.People(ctx, v.link.SiteID, []int64{v.link.AdvocateID})
		if err != nil {
			m.log.Warn().Err(err).Msg("an advocate's name can't be read for a destination; it is left out")
		}
		values[holeAdvocate] = people[v.link.AdvocateID].FirstName
	}
	return values
}

// couponsOf are the codes that a friend offer earned.
func (m *Module) couponsOf(ctx context.Context, v visit, friendOffer int64) []string {
	ctx, cancel := context.WithTimeout(ctx, visitPatience)
	defer cancel()
	codes, only := m.openCodes(ctx, v.link.SiteID, v.campaign)
	if only || friendOffer == 0 {
		return codes
	}
	rewards, err := rewardsOfFriendOffer(ctx, m.db, v.link.SiteID, friendOffer)
	if err != nil {
		m.log.Warn().Err(err).Msg("a friend's coupon can't be read for a destination; it is left out")
	}
	codes = nil
	for _, w := range rewards {
		if w.CouponCode != "" && w.Status != rewardVoided {
			codes = append(codes, w.CouponCode)
		}
	}
	return codes
}
