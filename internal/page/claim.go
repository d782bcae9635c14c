package page

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

// evenly is how long the gate takes at least. To make a person takes longer than to find one, so that the time alone would tell who is known.
const evenly = 250 * time.Millisecond

// claimView is a claim page: a reward with its code, or the gate before it.
type claimView struct {
	frame
	Intro    string
	Reward   string
	Codes    []string
	Waiting  string
	Ask      bool // the gate
	Action   string
	Visitor  string
	Email    string
	Phone    string
	AskPhone bool
	AskOptIn bool
	OptIn    string
	OptedIn  bool
	Button   string
	BadEmail string
	BadPhone string
	Next     string
}

// asked is what a friend typed into the gate.
type asked struct {
	email, phone       string
	optedIn            bool
	badEmail, badPhone bool
}

// Claim shows the page of an opened claim link.
func (p *Pages) Claim(w http.ResponseWriter, r *http.Request, l referralapi.Landing) {
	p.showClaim(w, r, http.StatusOK, l, asked{})
}

// claimed shows it to whoever comes back from its form; that is no visit.
func (p *Pages) claimed(w http.ResponseWriter, r *http.Request) {
	if l, ok := p.landing(w, r, visitorOf(r)); ok {
		p.showClaim(w, r, http.StatusOK, l, asked{})
	}
}

// landing finds the claim page of the request's code, or answers.
func (p *Pages) landing(w http.ResponseWriter, r *http.Request, visitor string) (referralapi.Landing, bool) {
	l, share, err := p.Referrals.Landing(r.Context(), chi.URLParam(r, "code"), visitor)
	switch {
	case err != nil:
		p.fail(w, r, err)
	case l == nil || share:
		p.Gone(w, r)
	default:
		return *l, true
	}
	return referralapi.Landing{}, false
}

// visitorOf is the visitor's uuid as the browser keeps it, or as a browser that keeps none was told it.
func visitorOf(r *http.Request) string {
	if c, err := r.Cookie(referralapi.VisitorCookie); err == nil {
		return c.Value
	}
	if r.Method == http.MethodPost {
		return r.PostForm.Get("visitor")
	}
	return r.URL.Query().Get(referralapi.VisitorParam)
}

func (p *Pages) showClaim(w http.ResponseWriter, r *http.Request, status int, l referralapi.Landing, typed asked) {
	f := p.frame(r, l.SiteID).inShop()
	has, err := p.Referrals.Arrive(r.Context(), &l)
	if err != nil {
		p.leadOn(w, r, l, err)
		return
	}
	for kind, so := range map[string]bool{"own": has.Own, "expired": has.Expired && !has.Own, "used": has.Used && !has.Own && !has.Expired,
		"refused": has.Refused && !has.Own && !has.Expired && !has.Used} {
		if so {
			n := notice(f, kind)
			if kind != "own" {
				n.Next = l.Continue
			}
			p.show(w, r, status, n)
			return
		}
	}
	offer, err := p.Referrals.Offer(r.Context(), f.look.Site, strconv.FormatInt(l.OfferID, 10), nil)
	if err != nil {
		p.leadOn(w, r, l, err)
		return
	}
	advocate, err := p.firstName(r.Context(), l.SiteID, l.AdvocateID)
	if err != nil { // a page without the name is better than none
		web.Log(r.Context()).Warn().Err(err).Msg("an advocate's name can't be read; the page has none")
	}
	p.show(w, r, status, claimPage(f, l, has, offer, advocate, typed))
}

// leadOn lets a friend go on to the shop when the page can't be made, as links without a page do when the database is away.
func (p *Pages) leadOn(w http.ResponseWriter, r *http.Request, l referralapi.Landing, err error) {
	if l.Gated() || l.Continue == "" {
		p.fail(w, r, err)
		return
	}
	web.Log(r.Context()).Warn().Err(err).Msg("a claim page can't be made; its link leads on")
	http.Redirect(w, r, l.Continue, http.StatusFound)
}

// claimPage puts the page together.
func claimPage(f frame, l referralapi.Landing, has referralapi.Arrival, offer *referralapi.Offer, advocate string, typed asked) claimView {
	f.kind = "claim"
	if advocate == "" {
		advocate = f.say("friend")
	}
	v := claimView{Reward: f.promises(offer.Incentives, true), Codes: has.Coupons, Next: l.Continue, Visitor: l.Visitor,
		Action: "/x/" + l.Code + "/claim", Email: typed.email, Phone: typed.phone, OptedIn: typed.optedIn}
	v.Ask = l.Gated() && !has.Claimed && l.Visitor != ""
	v.AskPhone, v.AskOptIn = l.Gate == referralapi.GateEmailAndPhone, l.OptIn
	fill := []string{"advocate", advocate, "reward", v.Reward}
	f.Title, v.Intro, v.Button, v.OptIn = f.say("claim_title", fill...), f.say("claim_intro", fill...), f.say("claim_button", fill...), f.say("opt_in")
	if v.Reward == "" {
		v.Intro = f.say("claim_plain")
	}
	if has.Claimed && (len(has.Coupons) > 0 || has.Waiting) {
		f.Title = f.say("claimed_title")
	}
	if has.Waiting && len(has.Coupons) == 0 {
		v.Waiting = f.say("waiting_text")
	}
	if typed.badEmail {
		v.BadEmail = f.say("email_wrong")
	}
	if typed.badPhone {
		v.BadPhone = f.say("phone_wrong")
	}
	f.About = strings.TrimSpace(v.Intro + " " + v.Reward)
	v.frame = f
	return v
}

// claim takes what a friend typed into the gate.
func (p *Pages) claim(w http.ResponseWriter, r *http.Request) {
	l, ok := p.landing(w, r, visitorOf(r))
	if !ok {
		return
	}
	if l.Visitor == "" || !l.Gated() { // nobody whom we know came here by the page
		http.Redirect(w, r, "/x/"+url.PathEscape(l.Code), http.StatusSeeOther)
		return
	}
	typed := asked{email: strings.TrimSpace(r.PostForm.Get("email")), phone: strings.TrimSpace(r.PostForm.Get("phone")), optedIn: l.OptIn && r.PostForm.Get("opt_in") != ""}
	even := time.After(evenly)
	err := p.introduce(r, l, &typed)
	select {
	case <-even:
	case <-r.Context().Done():
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if typed.badEmail || typed.badPhone {
		p.showClaim(w, r, http.StatusUnprocessableEntity, l, typed)
		return
	}
	back := "/x/" + l.Code + "/claim"
	if _, err := r.Cookie(referralapi.VisitorCookie); err != nil { // it keeps no cookies
		back += "?" + url.Values{referralapi.VisitorParam: {l.Visitor}}.Encode()
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// introduce makes a person of the address and lets it claim, unless something that was typed is wrong. What a browser says changes nobody
// who is known: only whom it brings is said to want mail, and to have this number.
func (p *Pages) introduce(r *http.Request, l referralapi.Landing, typed *asked) error {
	ctx, asking := r.Context(), l.Gate == referralapi.GateEmailAndPhone
	known, err := p.Customers.Addressees(ctx, l.SiteID, []string{typed.email})
	if err != nil {
		return err
	}
	typed.badEmail, typed.badPhone = !known[0].Valid, asking && !phone(typed.phone)
	if typed.badEmail || typed.badPhone {
		return nil
	}
	look, err := p.Looks.Look(ctx, l.SiteID)
	if err != nil {
		return err
	}
	ids, err := p.Customers.Introduce(ctx, look.Site, []string{typed.email})
	if err != nil {
		return err
	}
	if known[0].PersonID == 0 && (typed.optedIn || asking) {
		if err := p.describe(r, l.SiteID, *typed, asking); err != nil {
			return err
		}
	}
	req := web.From(ctx)
	claim := referralapi.LinkClaim{Landing: l, FriendID: ids[0], OptedIn: typed.optedIn, Stranger: known[0].PersonID == 0, IP: req.ClientIP,
		Device: customerapi.Fingerprint(customerapi.DeviceMark, req.UserAgent)}
	if asking {
		claim.FriendPhone = customerapi.Fingerprint(customerapi.PhoneMark, dialled(typed.phone))
	}
	return p.Referrals.ClaimLink(ctx, claim)
}

// describe says of somebody new what the form said. A number that is another's stays there.
func (p *Pages) describe(r *http.Request, siteID int64, typed asked, asking bool) error {
	change := customerapi.PersonUpdate{}
	if typed.optedIn {
		change.Subscribed = &typed.optedIn
	}
	with := change
	if asking {
		with.Phone = &typed.phone
	}
	_, _, err := p.Customers.UpdatePerson(r.Context(), siteID, typed.email, with)
	if fault.Is(err, fault.Unprocessable) && typed.optedIn && asking {
		_, _, err = p.Customers.UpdatePerson(r.Context(), siteID, typed.email, change)
	}
	if fault.Is(err, fault.Unprocessable) {
		return nil
	}
	return err
}

// phone says whether a text can be a number with a country code; customer reads it.
func phone(s string) bool {
	digits := 0
	for i, c := range s {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '+' && i == 0, strings.ContainsRune(" -.()/", c):
		default:
			return false
		}
	}
	return digits >= 7 && digits <= 17 && len(s) <= 40 && (strings.HasPrefix(s, "+") || strings.HasPrefix(s, "00"))
}

// dialled is a number as it is compared: a plus sign and digits.
func dialled(s string) string {
	digits := strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, s)
	if !strings.HasPrefix(strings.TrimSpace(s), "+") {
		digits = strings.TrimPrefix(digits, "00")
	}
	return "+" + digits
}
