package referral

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/web"
)

const (
	maxDelay      = 90 * 24 * 60 * 60 // seconds of approval.delay_seconds
	maxIncentives = 20
)

var (
	identifierForm = regexp.MustCompile(`^[a-z0-9_]{1,50}$`)
	couponForm     = regexp.MustCompile(`^[A-Z0-9\-_/.%:*+@&#]{3,255}$`)
	percentForm    = regexp.MustCompile(`^([0-9]{1,3})(?:\.([0-9]{1,2}))?$`)
)

// campaignInput is a campaign as the API takes it.
type campaignInput struct {
	web.SiteBody
	Name                  string           `json:"name" example:"Give $10, get 10%"`
	Status                string           `json:"status,omitempty" doc:"Live, Test, Scheduled or Disabled; Live when left out"`
	Tags                  []string         `json:"tags,omitempty" nullable:"true" doc:"An origin with campaign_tags joins only campaigns that have one of them"`
	JoinableCategoryNames []string         `json:"joinable_category_names,omitempty" nullable:"true" doc:"Origins that get an offer: affiliate_member (the default), purchase, or categories of events"`
	DestinationURL        *string          `json:"destination_url,omitempty" nullable:"true" doc:"Where friends are sent; the site's shop when left out"`
	AttributionDays       *int             `json:"attribution_days,omitempty" nullable:"true" doc:"How long before a purchase the friend's visit may be: 1 to 365, 30 when left out"`
	Approval              *approvalInput   `json:"approval,omitempty"`
	LivePeriod            *periodInput     `json:"live_period,omitempty"`
	Incentives            []incentiveInput `json:"incentives,omitempty" nullable:"true"`
}

type approvalInput struct {
	Mode         string `json:"mode" doc:"automatic or manual"`
	DelaySeconds int64  `json:"delay_seconds,omitempty" doc:"For automatic: seconds between the referral and its approval, at most 90 days"`
}

type periodInput struct {
	StartsAt *time.Time `json:"starts_at,omitempty" nullable:"true"`
	EndsAt   *time.Time `json:"ends_at,omitempty" nullable:"true"`
}

type incentiveInput struct {
	Identifier    string       `json:"identifier" doc:"Unique in the campaign; a changed incentive is recognised by it"`
	ActionType    string       `json:"action_type" doc:"referrer (the advocate, per approved referral), referred (the friend, likewise) or click (the friend, for opening the link)"`
	Kind          string       `json:"kind" doc:"points, commission or coupon"`
	Points        int64        `json:"points,omitempty" doc:"Of points"`
	Percent       money.Number `json:"percent,omitempty" doc:"Of a commission: of the order's subtotal, at most 2 decimals"`
	Amount        int64        `json:"amount,omitempty" doc:"Of a commission, instead of percent: minor units"`
	Currency      string       `json:"currency,omitempty" doc:"Of an amount, ISO 4217; the site's when left out"`
	CouponCode    string       `json:"coupon_code,omitempty" doc:"Of a coupon: a code that may be used many times; kept in upper case"`
	CouponPercent money.Number `json:"coupon_percent,omitempty" doc:"What the shop gives for the coupon, for its description"`
	CouponAmount  int64        `json:"coupon_amount,omitempty" doc:"The same, minor units"`
	SubtotalMin   *int64       `json:"subtotal_min,omitempty" nullable:"true" doc:"Smallest subtotal that is rewarded, minor units of the order's currency"`
}

// findings gathers what is wrong with a request, place by place.
type findings struct{ fields []fault.Field }

func (f *findings) add(pointer, detail string, args ...any) {
	f.fields = append(f.fields, fault.Field{Pointer: pointer, Detail: fmt.Sprintf(detail, args...)})
}

func (f *findings) err() error {
	if len(f.fields) == 0 {
		return nil
	}
	e := fault.New(fault.Invalid, "invalid_campaign", "The campaign can't be like this: %s %s.", f.fields[0].Pointer, f.fields[0].Detail)
	e.Fields = f.fields
	return e
}

// campaign checks the input and fills in what was left out. currency is the site's.
func (in campaignInput) campaign(currency string) (campaign, error) {
	var f findings
	c := campaign{Name: in.Name, Status: statusLive, Tags: []string{}, Categories: []string{"affiliate_member"},
		AttributionDays: 30, ApprovalMode: automatic}
	checkText(&f, "/name", in.Name, 1, 200)
	if in.Status != "" {
		c.Status = in.Status
	}
	if !slices.Contains([]string{statusLive, statusTest, statusScheduled, statusDisabled}, c.Status) {
		f.add("/status", "must be Live, Test, Scheduled or Disabled")
	}
	checkWords(&f, "/tags", in.Tags)
	c.Tags = append(c.Tags, in.Tags...)
	if in.JoinableCategoryNames != nil {
		checkWords(&f, "/joinable_category_names", in.JoinableCategoryNames)
		c.Categories = append([]string{}, in.JoinableCategoryNames...)
	}
	if in.DestinationURL != nil && *in.DestinationURL != "" {
		if err := checkDestination(*in.DestinationURL); err != nil {
			f.add("/destination_url", "%s", err)
		}
		c.Destination = *in.DestinationURL
	}
	if in.AttributionDays != nil {
		if c.AttributionDays = *in.AttributionDays; c.AttributionDays < 1 || c.AttributionDays > 365 {
			f.add("/attribution_days", "must be from 1 to 365")
		}
	}
	in.approval(&f, &c)
	in.period(&f, &c)
	in.incentives(&f, &c, currency)
	return c, f.err()
}

func (in campaignInput) approval(f *findings, c *campaign) {
	if in.Approval == nil {
		return
	}
	c.ApprovalMode, c.ApprovalDelay = in.Approval.Mode, in.Approval.DelaySeconds
	switch {
	case c.ApprovalMode != automatic && c.ApprovalMode != manual:
		f.add("/approval/mode", "must be automatic or manual")
	case c.ApprovalDelay < 0 || c.ApprovalDelay > maxDelay:
		f.add("/approval/delay_seconds", "must be from 0 to %d", maxDelay)
	case c.ApprovalMode == manual && c.ApprovalDelay > 0:
		f.add("/approval/delay_seconds", "has no meaning when approval is manual")
	}
}

func (in campaignInput) period(f *findings, c *campaign) {
	if p := in.LivePeriod; p != nil {
		c.StartsAt, c.EndsAt = instant(p.StartsAt), instant(p.EndsAt)
		for _, t := range []*time.Time{c.StartsAt, c.EndsAt} {
			if t != nil && (t.Year() < 2000 || t.Year() > 9999) {
				f.add("/live_period", "must be in the years 2000 to 9999")
				return
			}
		}
		if c.StartsAt != nil && c.EndsAt != nil && !c.StartsAt.Before(*c.EndsAt) {
			f.add("/live_period/ends_at", "must be after starts_at")
		}
	}
	if c.Status == statusScheduled && c.StartsAt == nil {
		f.add("/live_period/starts_at", "is needed by a Scheduled campaign")
	}
}

func (in campaignInput) incentives(f *findings, c *campaign, currency string) {
	if len(in.Incentives) > maxIncentives {
		f.add("/incentives", "must be at most %d", maxIncentives)
		return
	}
	seen := map[string]bool{}
	for n, i := range in.Incentives {
		at := "/incentives/" + strconv.Itoa(n)
		if seen[i.Identifier] {
			f.add(at+"/identifier", "is there twice")
		}
		seen[i.Identifier] = true
		one := i.incentive(f, at, currency)
		one.Position = n
		c.Incentives = append(c.Incentives, one)
	}
}

func (in incentiveInput) incentive(f *findings, at, currency string) incentive {
	i := incentive{Identifier: in.Identifier, Action: in.ActionType, Kind: in.Kind, Points: in.Points,
		Currency: in.Currency, CouponCode: upper(in.CouponCode), SubtotalMin: in.SubtotalMin, Active: true}
	if !identifierForm.MatchString(i.Identifier) {
		f.add(at+"/identifier", "must have 1 to 50 of a-z, 0-9 and _")
	}
	if !slices.Contains([]string{actionReferrer, actionReferred, actionClick}, i.Action) {
		f.add(at+"/action_type", "must be referrer, referred or click")
	}
	if i.SubtotalMin != nil && (*i.SubtotalMin < 0 || *i.SubtotalMin > money.Max) {
		f.add(at+"/subtotal_min", "must be from 0 to %d", money.Max)
	}
	if i.SubtotalMin != nil && i.Action == actionClick {
		f.add(at+"/subtotal_min", "has no meaning for a click")
	}
	in.worth(f, at, &i, currency)
	i.byKind(f, at)
	if i.Kind == referralevent.Coupon && (in.Percent != "" || in.Amount != 0) {
		f.add(at+"/percent", "and amount belong to a commission; a coupon has coupon_percent and coupon_amount")
	}
	if i.Kind != referralevent.Coupon && (in.CouponCode != "" || in.CouponPercent != "" || in.CouponAmount != 0) {
		f.add(at+"/coupon_code", "and its worth belong to a coupon")
	}
	return i
}

// worth reads the percentage or the amount of a commission or coupon.
func (in incentiveInput) worth(f *findings, at string, i *incentive, currency string) {
	prefix, text := "/", in.Percent
	if i.Amount = in.Amount; i.Kind == referralevent.Coupon {
		prefix, text, i.Amount = "/coupon_", in.CouponPercent, in.CouponAmount
	}
	if i.Amount < 0 || i.Amount > money.Max {
		f.add(at+prefix+"amount", "must be from 0 to %d", money.Max)
	}
	if text != "" {
		if i.BasisPoints = basisPoints(string(text)); i.BasisPoints <= 0 || i.BasisPoints > 10_000 {
			f.add(at+prefix+"percent", "must be more than 0 and at most 100, with at most 2 decimals")
		}
	}
	if i.Amount > 0 && text != "" {
		f.add(at+prefix+"amount", "can't be beside %spercent", prefix[1:])
	}
	switch {
	case i.Amount == 0 && i.Currency != "":
		f.add(at+"/currency", "has no meaning without an amount")
	case i.Amount > 0 && i.Currency == "":
		i.Currency = currency
	}
	if _, ok := money.Digits(i.Currency); i.Amount > 0 && !ok {
		f.add(at+"/currency", "must be an ISO 4217 code")
	}
}

// byKind checks that the incentive has what its kind needs.
func (i incentive) byKind(f *findings, at string) {
	if i.Kind != referralevent.Points && i.Points != 0 {
		f.add(at+"/points", "belongs to points only")
	}
	switch i.Kind {
	case referralevent.Points:
		if i.Points < 1 || i.Points > 1_000_000_000 {
			f.add(at+"/points", "must be from 1 to 1000000000")
		}
		if i.BasisPoints != 0 || i.Amount != 0 {
			f.add(at+"/amount", "belongs to a commission")
		}
	case referralevent.Commission:
		if i.BasisPoints == 0 && i.Amount == 0 {
			f.add(at+"/percent", "or amount is needed")
		}
	case referralevent.Coupon:
		if !couponForm.MatchString(i.CouponCode) {
			f.add(at+"/coupon_code", "must have 3 to 255 of A-Z, 0-9 and - _ / . %% : * + @ & #")
		}
	default:
		f.add(at+"/kind", "must be points, commission or coupon")
	}
	if i.Action == actionClick && i.Kind != referralevent.Coupon {
		f.add(at+"/kind", "of a click must be coupon")
	}
}

// basisPoints reads a percentage with at most two decimals; 0 if it isn't one.
func basisPoints(s string) int64 {
	m := percentForm.FindStringSubmatch(s)
	if m == nil {
		return 0
	}
	whole, _ := strconv.ParseInt(m[1], 10, 64)
	frac, _ := strconv.ParseInt((m[2] + "00")[:2], 10, 64)
	return whole*100 + frac
}

// upper folds ASCII only: "ß" must not become another code.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

func instant(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC().Truncate(time.Microsecond)
	return &u
}

func checkText(f *findings, at, s string, least, most int) {
	if n := utf8.RuneCountInString(strings.TrimSpace(s)); n < least || n > most || strings.ContainsFunc(s, unicode.IsControl) {
		f.add(at, "must have %d to %d characters and no control characters", least, most)
	}
}

func checkWords(f *findings, at string, words []string) {
	if len(words) > 50 {
		f.add(at, "must be at most 50")
		return
	}
	seen := map[string]bool{}
	for n, w := range words {
		checkText(f, at+"/"+strconv.Itoa(n), w, 1, 100)
		if seen[w] {
			f.add(at+"/"+strconv.Itoa(n), "is there twice")
		}
		seen[w] = true
	}
}
