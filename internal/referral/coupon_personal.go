package referral

import (
	"context"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/talkable/talkable/internal/bus"
)

const (
	nameSlot     = "{NAME}"
	nameless     = "FRIEND" // of whom no name is known, or none in Latin letters
	longestName  = 20
	leastPersona = 3 // # of a template: personal codes are passed on, so nobody has to guess them; they only have to be told apart
	usualPersona = nameSlot + "-####"
)

// personalPlan says what the codes of a campaign's advocates are like: drawn by a template, worth what their list says.
type personalPlan struct {
	ListID   int64  `json:"coupon_list_id"`
	Template string `json:"template"`
}

// personalInput is the plan as the API takes it.
type personalInput struct {
	ListID   int64  `json:"coupon_list_id" doc:"A multi-use list: what the shop gives for the codes, and when they expire"`
	Template string `json:"template,omitempty" doc:"{NAME} becomes the advocate's first name in ASCII letters, each # a random letter or digit, at least 3; {NAME}-#### when left out"`
}

func (in personalInput) plan(f *findings) *personalPlan {
	out := &personalPlan{ListID: in.ListID, Template: usualPersona}
	if in.Template != "" {
		out.Template = codeOfCoupon(in.Template)
	}
	if in.ListID < 1 || in.ListID > mostID {
		f.add("/attribution/personal_coupons/coupon_list_id", "must be a multi-use coupon list of this site")
	}
	if strings.Count(out.Template, "#") < leastPersona {
		f.add("/attribution/personal_coupons/template", "must have at least %d of #, each of which becomes a random letter or digit", leastPersona)
	} else if why := codeFault(out.draft(strings.Repeat("X", longestName)) + strings.Repeat("X", 2*personaTries)); why != "" {
		f.add("/attribution/personal_coupons/template", "%s", why)
	} else if strings.Contains(out.Template, "%") {
		f.add("/attribution/personal_coupons/template", "can't hold a percent sign: with what is drawn it could read as an escape")
	}
	return out
}

// check refuses a plan whose list isn't one that codes may belong to.
func (p *personalPlan) check(ctx context.Context, u *bus.Unit, siteID int64) error {
	if p == nil {
		return nil
	}
	lists, err := shareCouponLists(ctx, u.Tx, siteID, []int64{p.ListID})
	if err != nil {
		return err
	}
	var f findings
	if l, ok := lists[p.ListID]; !ok || l.Kind != multiUse {
		f.add("/attribution/personal_coupons/coupon_list_id", "must be a multi-use coupon list of this site")
	}
	return f.err()
}

// draft is the template with the name in it; # are left to be drawn.
func (p *personalPlan) draft(name string) string {
	return strings.ReplaceAll(p.Template, nameSlot, name)
}

// code draws a code for somebody. Each try makes it longer, so that a name that thousands have finds room.
func (p *personalPlan) code(firstName string, try int) string {
	return draw(p.draft(codeName(firstName))+strings.Repeat("#", 2*try), 1)[0]
}

// codeName is a name as a code may hold it: ASCII letters and digits in upper case. Accents are taken off; what isn't Latin is left out.
func codeName(name string) string {
	var out strings.Builder
	for _, r := range norm.NFKD.String(name) {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			continue
		}
		if out.WriteRune(r); out.Len() == longestName {
			break
		}
	}
	if out.Len() == 0 {
		return nameless
	}
	return upper(out.String())
}
