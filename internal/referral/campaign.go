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

// campaign is a set of rules under which advocates share and friends are rewarded, as one of its versions says. What has a JSON name
// is its terms: they are stored as they are, so another member is versioned by being there. Zero has to mean "not set", because
// versions that are older than the member stay.
type campaign struct {
	SiteID      int64     `json:"-"`
	ID          int64     `json:"-"`
	Version     int       `json:"-"`
	EffectiveAt time.Time `json:"-"`
	CreatedAt   time.Time `json:"-"`
	UpdatedAt   time.Time `json:"-"` // when the version was published

	Name            string      `json:"name"`
	Status          string      `json:"status"`
	Tags            []string    `json:"tags"`
	Categories      []string    `json:"joinable_category_names"` // origins that join it
	Destination     string      `json:"destination_url"`         // "" means the site's shop
	AttributionDays int         `json:"attribution_days"`
	ApprovalMode    string      `json:"approval_mode"`
	ApprovalDelay   int64       `json:"approval_delay"` // seconds
	StartsAt        *time.Time  `json:"starts_at"`
	EndsAt          *time.Time  `json:"ends_at"`
	Incentives      []incentive `json:"incentives"` // in their order; all of them active
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
	return len(tags) == 0 || c.tagged(tags)
}

// tagged says whether the campaign has one of the tags.
func (c *campaign) tagged(tags []string) bool {
	return slices.ContainsFunc(tags, func(t string) bool { return slices.Contains(c.Tags, t) })
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
