package referral

import (
	"crypto/rand"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

// Kinds of coupon list.
const (
	singleUse = "single-use" // each coupon goes to one holder
	multiUse  = "multi-use"  // codes that anybody may use; campaigns name them
)

const sampleCode = "SAMPLE-COUPON-CODE" // stands in Talkable's templates

// couponList is a supply of coupons that the shop honours alike.
type couponList struct {
	SiteID      int64      `db:"site_id"`
	ID          int64      `db:"id"`
	Name        string     `db:"name"`
	Kind        string     `db:"kind"`
	BasisPoints int64      `db:"basis_points"`
	Amount      int64      `db:"amount"`
	Currency    string     `db:"currency"`
	ExpiresAt   *time.Time `db:"expires_at"`
	ExpiresDays *int       `db:"expires_days"`
	SubtotalMin *int64     `db:"subtotal_min"`
	LowStock    *int64     `db:"low_stock"`
	LowAt       *time.Time `db:"low_at"`
	CreatedAt   time.Time  `db:"created_at"`
	UpdatedAt   time.Time  `db:"updated_at"`
	Added       int64      `db:"added"`
	Issued      int64      `db:"issued"`
	Waiting     int64      `db:"waiting"`
}

// available is how many of its coupons are still to be handed out.
func (l *couponList) available() int64 { return l.Added - l.Issued }

// open says whether the list's coupons may be handed out.
func (l *couponList) open(now time.Time) bool { return l.ExpiresAt == nil || now.Before(*l.ExpiresAt) }

// coupon is one code, with what its list (or the campaign that names it) says of it.
type coupon struct {
	SiteID       int64      `db:"site_id"`
	ID           int64      `db:"id"`
	ListID       *int64     `db:"list_id"`
	Code         string     `db:"code"`
	SingleUse    bool       `db:"single_use"`
	RewardID     *int64     `db:"reward_id"`
	RedemptionID *int64     `db:"redemption_id"`
	PersonID     *int64     `db:"person_id"`
	IssuedAt     *time.Time `db:"issued_at"`
	WithdrawnAt  *time.Time `db:"withdrawn_at"`
	ExpiresAt    *time.Time `db:"expires_at"`
	Usages       int64      `db:"usages"`
	BasisPoints  int64      `db:"basis_points"`
	Amount       int64      `db:"amount"`
	Currency     string     `db:"currency"`
}

func (c *coupon) expired(now time.Time) bool { return c.ExpiresAt != nil && !now.Before(*c.ExpiresAt) }

// used says whether a single-use coupon was used; the others never are up.
func (c *coupon) used() bool { return c.SingleUse && c.Usages > 0 }

// present is the coupon in Talkable's shape. withdrawn says that a refund took back what it was for; a redemption that is cancelled
// withdraws its coupon too.
func (c *coupon) present(now time.Time, zone *time.Location, withdrawn bool) *referralapi.Coupon {
	worth := incentive{Kind: "coupon", BasisPoints: c.BasisPoints, Amount: c.Amount, Currency: c.Currency, CouponCode: c.Code}
	until := web.TalkablePtr(c.ExpiresAt, zone)
	return &referralapi.Coupon{ID: c.ID, Code: c.Code, Active: !withdrawn && c.WithdrawnAt == nil && !c.expired(now) && !c.used(), ValidUntil: until, ExpiresAt: until,
		SingleUse: c.SingleUse, Used: c.used(), Usages: c.Usages, Amount: number(worth.value()), PercentageDiscount: c.BasisPoints > 0,
		Description: worth.describe()}
}

// codeOfCoupon is the one form of a code: without spaces around it, and ASCII letters in upper case. Others are not folded, since
// "ß" or "ı" must not become another code; they are refused.
func codeOfCoupon(s string) string { return upper(strings.TrimSpace(s)) }

// codeFault says why a code in its one form can't be a coupon's; "" if it can.
func codeFault(code string) string {
	const form = "must have 3 to 255 of A-Z, 0-9 and - _ / . % : * + @ & #"
	if len(code) < 3 || len(code) > 255 {
		return form
	}
	for i := range len(code) {
		c := code[i]
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-_/.%:*+@&#", c) < 0 {
			return form
		}
	}
	if code == sampleCode {
		return "is the sample code of templates"
	}
	return pathFault(code)
}

// pathFault finds the codes that could not be looked up: the edge refuses paths that climb, or hold NUL or broken UTF-8, also where
// that shows only once an escape in the code itself is undone.
func pathFault(code string) string {
	decoded, err := url.PathUnescape(code)
	if err != nil {
		decoded = code
	}
	if strings.ContainsRune(decoded, 0) || !utf8.ValidString(decoded) {
		return "reads as an escape that no path may hold"
	}
	for _, form := range []string{code, decoded} {
		for part := range strings.FieldsFuncSeq(form, func(c rune) bool { return c == '/' || c == '\\' }) {
			if part == "." || part == ".." {
				return "has . or .. between slashes, which no path may hold"
			}
		}
	}
	return ""
}

const (
	drawn        = "23456789ABCDEFGHJKMNPQRSTVWXYZ" // no 0 1 I L O U: nobody mistakes one for another, and no words come out
	leastDrawn   = 8                                // 30⁸: with a million coupons out, one guess of 656,100 hits
	mostGenerate = 100_000
)

// checkTemplate says why a template can't make codes; "" if it can.
func checkTemplate(template string) string {
	if strings.Count(template, "#") < leastDrawn {
		return "must have at least 8 of #, each of which becomes a random letter or digit"
	}
	return codeFault(strings.ReplaceAll(template, "#", "X"))
}

// draw makes n codes of a template from the system's secure source, each once.
func draw(template string, n int) []string {
	out, seen := make([]string, 0, n), make(map[string]bool, n)
	code, random := []byte(template), make([]byte, 0)
	for len(out) < n {
		for i := range template {
			for code[i] = template[i]; template[i] == '#' && code[i] == '#'; {
				if len(random) == 0 {
					random = make([]byte, 4096)
					_, _ = rand.Read(random) // never fails, since Go 1.24
				}
				if x := int(random[0]); x < 256/len(drawn)*len(drawn) { // no letter is likelier than another
					code[i] = drawn[x%len(drawn)]
				}
				random = random[1:]
			}
		}
		if c := string(code); !seen[c] {
			seen[c] = true
			out = append(out, c)
		}
	}
	return out
}

const (
	lowDays  = 21
	lowLeast = 20
)

// threshold is the stock below which a list is low: what the merchant said, else enough for 21 days as the last 21 were, and
// never less than 20.
func (l *couponList) threshold(issuedLately int64) int64 {
	if l.LowStock != nil {
		return *l.LowStock
	}
	return max(lowLeast, issuedLately)
}

// couponListInput is a coupon list as the API takes it.
type couponListInput struct {
	web.SiteBody
	Name             string       `json:"name" example:"Friends' 10 %"`
	Kind             string       `json:"kind" doc:"single-use: each code goes to one holder; multi-use: campaigns name its codes. It can't be changed"`
	Percent          money.Number `json:"percent,omitempty" doc:"What the shop gives for a coupon, at most 2 decimals; this or amount"`
	Amount           int64        `json:"amount,omitempty" doc:"The same, minor units"`
	Currency         string       `json:"currency,omitempty" doc:"Of the amount, ISO 4217; the site's when left out"`
	ExpiresAt        *time.Time   `json:"expires_at,omitempty" nullable:"true" doc:"When all its coupons expire"`
	ExpiresAfterDays *int         `json:"expires_after_days,omitempty" nullable:"true" doc:"Or how many days after it was handed out each of them does"`
	SubtotalMin      *int64       `json:"subtotal_min,omitempty" nullable:"true" doc:"Smallest subtotal for which the shop takes it, minor units"`
	LowStock         *int64       `json:"low_stock,omitempty" nullable:"true" doc:"Below how many available coupons the list is low; when left out: enough for 21 days as the last 21 were, at least 20"`
}

// list checks the input. currency is the site's.
func (in couponListInput) list(currency string) (couponList, error) {
	var f findings
	l := couponList{Name: in.Name, Kind: in.Kind, ExpiresAt: instant(in.ExpiresAt), ExpiresDays: in.ExpiresAfterDays, SubtotalMin: in.SubtotalMin,
		LowStock: in.LowStock}
	checkText(&f, "/name", in.Name, 1, 200)
	if l.Kind != singleUse && l.Kind != multiUse {
		f.add("/kind", "must be single-use or multi-use")
	}
	worth := incentive{Kind: "commission", Currency: in.Currency}
	incentiveInput{Percent: in.Percent, Amount: in.Amount}.worth(&f, "", &worth, currency)
	if l.BasisPoints, l.Amount, l.Currency = worth.BasisPoints, worth.Amount, worth.Currency; in.Percent == "" && in.Amount == 0 {
		f.add("/percent", "or amount is needed")
	}
	if l.ExpiresAt != nil && (l.ExpiresAt.Year() < 2000 || l.ExpiresAt.Year() > 9999) {
		f.add("/expires_at", "must be in the years 2000 to 9999")
	}
	if l.ExpiresDays != nil && (*l.ExpiresDays < 1 || *l.ExpiresDays > 3650) {
		f.add("/expires_after_days", "must be from 1 to 3650")
	}
	if l.ExpiresAt != nil && l.ExpiresDays != nil {
		f.add("/expires_after_days", "can't be beside expires_at")
	}
	if l.Kind == multiUse && (l.ExpiresDays != nil || l.LowStock != nil) {
		f.add("/kind", "multi-use has neither expires_after_days nor low_stock: its codes aren't handed out")
	}
	for at, n := range map[string]*int64{"/subtotal_min": l.SubtotalMin, "/low_stock": l.LowStock} {
		if n != nil && (*n < 0 || *n > money.Max) {
			f.add(at, "must be from 0 to %d", money.Max)
		}
	}
	if len(f.fields) == 0 {
		return l, nil
	}
	e := fault.New(fault.Invalid, "invalid_coupon_list", "The coupon list can't be like this: %s %s.", f.fields[0].Pointer, f.fields[0].Detail)
	e.Fields = f.fields
	return l, e
}
