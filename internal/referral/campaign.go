package referral

import (
	"slices"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// States of a campaign, as Talkable names them.
const (
	statusLive      = "Live"
	statusTest      = "Test"
	statusScheduled = "Scheduled"
	statusDisabled  = "Disabled"
)

// Modes of approval.
const (
	automatic = "automatic"
	manual    = "manual"
)

// campaign is a set of rules under which advocates share and friends are rewarded.
type campaign struct {
	SiteID          int64
	ID              int64
	Version         int // counts its changes; rewards keep the version that they were issued under
	Name            string
	Status          string
	Tags            []string
	Categories      []string // origins that join it
	Destination     string   // "" means the site's shop
	AttributionDays int
	Attribution     attributionRule
	ApprovalMode    string
	ApprovalDelay   int64 // seconds
	StartsAt        *time.Time
	EndsAt          *time.Time
	Limits          limits // of what its rewards may be and cost
	CreatedAt       time.Time
	UpdatedAt       time.Time
	Incentives      []incentive // the active ones first, in their order

	terms *linkTerms // nil: none
}

// state is the status at a moment: a scheduled campaign is live once its period begins.
func (c *campaign) state(at time.Time) string {
	if c.Status == statusScheduled && c.StartsAt != nil && !at.Before(*c.StartsAt) {
		return statusLive
	}
	return c.Status
}

// live says whether the campaign works at a moment.
func (c *campaign) live(at time.Time) bool {
	return c.state(at) == statusLive &&
		(c.StartsAt == nil || !at.Before(*c.StartsAt)) && (c.EndsAt == nil || at.Before(*c.EndsAt))
}

// accepts says whether an origin of this category, with these campaign tags, joins the campaign.
func (c *campaign) accepts(category string, tags []string) bool {
	if !slices.Contains(c.Categories, category) {
		return false
	}
	return len(tags) == 0 || slices.ContainsFunc(tags, func(t string) bool { return slices.Contains(c.Tags, t) })
}

// active are the incentives of an action that are in force.
func (c *campaign) active(action string) []incentive {
	var out []incentive
	for _, i := range c.Incentives {
		if i.Active && i.Action == action {
			out = append(out, i)
		}
	}
	return out
}

// pick chooses the newest live campaign that accepts the origin; nil if none does.
func pick(campaigns []*campaign, category string, tags []string, at time.Time) *campaign {
	var best *campaign
	for _, c := range campaigns {
		if (best == nil || c.ID > best.ID) && c.live(at) && c.accepts(category, tags) {
			best = c
		}
	}
	return best
}

// categoryOf names an origin in the words of joinable_category_names.
func categoryOf(originType, category string) string {
	switch originType {
	case customerevent.AffiliateMember:
		return "affiliate_member"
	case customerevent.Purchase:
		return "purchase"
	default:
		return category
	}
}

// due is when an automatic approval with a delay takes place.
func (c *campaign) due(created time.Time) time.Time {
	return created.Add(time.Duration(c.ApprovalDelay) * time.Second)
}
