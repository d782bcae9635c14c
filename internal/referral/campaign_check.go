package referral

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

const (
	maxDelay      = 90 * 24 * 60 * 60 // seconds of approval.delay_seconds
	maxIncentives = 20
)

// campaignInput is a campaign as the API takes it.
type campaignInput struct {
	web.SiteBody
	Type                  string            `json:"type,omitempty" doc:"invite when left out; see GET /campaign_types. It never changes"`
	Name                  string            `json:"name" example:"Give $10, get 10%"`
	Status                string            `json:"status,omitempty" doc:"Live, Test, Scheduled or Disabled; Live when left out"`
	Tags                  []string          `json:"tags,omitempty" nullable:"true" doc:"An origin with campaign_tags joins only campaigns that have one of them"`
	JoinableCategoryNames []string          `json:"joinable_category_names,omitempty" nullable:"true" doc:"Origins that get an offer: affiliate_member (the default), purchase, or categories of events"`
	DestinationURL        *string           `json:"destination_url,omitempty" nullable:"true" doc:"Where friends are sent; the site's shop when left out"`
	AttributionDays       *int              `json:"attribution_days,omitempty" nullable:"true" doc:"How long before a purchase the friend's visit may be: 1 to 365, 30 when left out"`
	Attribution           *attributionInput `json:"attribution,omitempty" doc:"How the advocate of a purchase is found"`
	Approval              *approvalInput    `json:"approval,omitempty"`
	LivePeriod            *periodInput      `json:"live_period,omitempty"`
	Join                  *joinInput        `json:"join,omitempty" doc:"Who may join; everybody when left out"`
	HoldOutPercent        int               `json:"hold_out_percent,omitempty" doc:"Of people who get no offer, to compare with: 0 to 90"`
	Variants              []variantInput    `json:"variants,omitempty" nullable:"true" doc:"People are put into one of them, and stay there"`
	Texts                 map[string]string `json:"texts,omitempty" nullable:"true" doc:"By name, such as share.title or share.title.de"`
	Incentives            []incentiveInput  `json:"incentives,omitempty" nullable:"true"`
}

type approvalInput struct {
	Mode         string `json:"mode" doc:"automatic or manual"`
	DelaySeconds int64  `json:"delay_seconds,omitempty" doc:"For automatic: seconds between the referral and its approval, at most 90 days"`
}

type periodInput struct {
	StartsAt *time.Time `json:"starts_at,omitempty" nullable:"true"`
	EndsAt   *time.Time `json:"ends_at,omitempty" nullable:"true"`
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
	kind := typeOf(in.Type)
	if kind == nil {
		f.add("/type", "is none of campaign_types")
		kind = typeOf("")
	}
	c := campaign{Type: kind.Name, Name: in.Name, Status: statusLive, Tags: []string{}, Categories: slices.Clone(kind.Categories),
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
	c.Attribution = in.Attribution.rule(&f)
	in.approval(&f, &c)
	in.period(&f, &c)
	c.Join = in.Join.joining(&f)
	in.incentives(&f, &c, currency)
	in.experiment(&f, &c)
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
	if len(in.Incentives) > 0 && !c.kind().Rewards {
		f.add("/incentives", "a campaign of type %s has none", c.Type)
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
