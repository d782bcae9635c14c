package referral

import (
	"fmt"
	"slices"
)

// Ways in which a friend's origin finds the offer that he came by, in Talkable's order: the first one that finds something decides.
const (
	bySticky     = "sticky_advocate" // the friend's first referral was by this advocate
	byCoupon     = "coupon"          // an advocate's own code, or the single-use coupon of a friend offer
	byCookie     = "cookie"          // the browser of the purchase opened the link
	byWebCookie  = "web_cookie"      // the browser within the app did, of which the app told beside its own visitor
	byEmail      = "email"           // a browser that this person was seen with before did, or the person claimed the offer by e-mail
	byPhone      = "phone_number"    // the offer was claimed with the phone number of the purchase
	byShareEmail = "share_email"     // the offer was mailed to the person
	byIP         = "ip_address"      // the link was opened from the address of the purchase, within the hour before
	byChain      = "event_chain"     // the friend is referred already, and the campaign credits what follows
)

// trackMethods are all of them, in their order.
var trackMethods = []string{bySticky, byCoupon, byCookie, byWebCookie, byEmail, byPhone, byShareEmail, byIP, byChain}

// usualMethods are in force where a campaign names none.
var usualMethods = []string{byCoupon, byCookie, byWebCookie, byEmail, byPhone, byShareEmail}

const (
	touchLast  = "last"
	touchFirst = "first"
)

// attributionRule is how a campaign finds the advocate of a purchase. Its zero value is the usual one, so that it costs nothing to keep.
type attributionRule struct {
	Touch     string        `json:"touch,omitempty"`           // first; "" is last
	LinkFirst bool          `json:"link_beats_code,omitempty"` // a code counts only where no link was opened
	Methods   []string      `json:"methods,omitempty"`         // in force; none: the usual ones
	Personal  *personalPlan `json:"personal_coupons,omitempty"`
}

// first says that of several touches the first one counts.
func (r attributionRule) first() bool { return r.Touch == touchFirst }

// methods are those in force, in their order.
func (r attributionRule) methods() []string {
	if r.Methods == nil {
		return usualMethods
	}
	return r.Methods
}

func (r attributionRule) on(method string) bool { return slices.Contains(r.methods(), method) }

// rank is a method's place; the lowest decides. A code may be put behind the links, and stays before all else.
func (r attributionRule) rank(method string) int {
	at := 2 * slices.Index(trackMethods, method)
	if r.LinkFirst && method == byCoupon {
		return 2*slices.Index(trackMethods, byWebCookie) + 1
	}
	return at
}

// attributionInput is the rule as the API takes it.
type attributionInput struct {
	Touch         string         `json:"touch,omitempty" doc:"Which touch counts of those that one method finds: last (when left out) or first"`
	CodeBeatsLink *bool          `json:"code_beats_link,omitempty" nullable:"true" doc:"An order's coupon code decides before a link that its browser has opened; true when left out"`
	Methods       []string       `json:"methods,omitempty" nullable:"true" doc:"Ways in which the advocate may be found, of sticky_advocate, coupon, cookie, web_cookie, email, phone_number, share_email, ip_address and event_chain; when left out all but the first and the last two. In this order the first one that finds somebody decides"`
	Personal      *personalInput `json:"personal_coupons,omitempty" doc:"Codes of the advocates' own"`
}

// rule checks the input and fills in what was left out; the window is the campaign's attribution_days.
func (in *attributionInput) rule(f *findings) attributionRule {
	var out attributionRule
	if in == nil {
		return out
	}
	switch in.Touch {
	case "", touchLast:
	case touchFirst:
		out.Touch = touchFirst
	default:
		f.add("/attribution/touch", "must be last or first")
	}
	out.LinkFirst = in.CodeBeatsLink != nil && !*in.CodeBeatsLink
	if in.Methods != nil && len(in.Methods) == 0 {
		f.add("/attribution/methods", "must name one at least")
	}
	for n, method := range in.Methods {
		if !slices.Contains(trackMethods, method) || slices.Index(in.Methods, method) != n {
			f.add(fmt.Sprintf("/attribution/methods/%d", n), "is no method, or is there twice")
			return out
		}
	}
	named := slices.DeleteFunc(slices.Clone(trackMethods), func(m string) bool { return !slices.Contains(in.Methods, m) })
	if len(named) > 0 && !slices.Equal(named, usualMethods) {
		out.Methods = named
	}
	if in.Personal != nil {
		out.Personal = in.Personal.plan(f)
	}
	return out
}

// attributionRuleJSON is the rule as the API shows it.
type attributionRuleJSON struct {
	Touch         string        `json:"touch" enum:"last,first"`
	CodeBeatsLink bool          `json:"code_beats_link"`
	Methods       []string      `json:"methods"`
	Personal      *personalPlan `json:"personal_coupons"`
}

func (r attributionRule) json() attributionRuleJSON {
	out := attributionRuleJSON{Touch: touchLast, CodeBeatsLink: !r.LinkFirst, Methods: r.methods(), Personal: r.Personal}
	if r.first() {
		out.Touch = touchFirst
	}
	return out
}
