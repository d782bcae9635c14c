package referral

import (
	"cmp"
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
	Salt        string    `json:"-"`
	Limits      limits    `json:"-"` // of what its rewards may be and cost; they are set apart and hold for every version
	EffectiveAt time.Time `json:"-"`
	CreatedAt   time.Time `json:"-"`
	UpdatedAt   time.Time `json:"-"` // when the version was published

	Type            string            `json:"type"` // never changes
	Name            string            `json:"name"`
	Status          string            `json:"status"`
	Tags            []string          `json:"tags"`
	Categories      []string          `json:"joinable_category_names"` // origins that join it
	Destination     string            `json:"destination_url"`         // "" means the site's shop
	AttributionDays int               `json:"attribution_days"`
	Attribution     attributionRule   `json:"attribution"`
	ApprovalMode    string            `json:"approval_mode"`
	ApprovalDelay   int64             `json:"approval_delay"` // seconds
	StartsAt        *time.Time        `json:"starts_at"`
	EndsAt          *time.Time        `json:"ends_at"`
	Join            *joining          `json:"join"`     // nil: everybody may
	HoldOut         int               `json:"hold_out"` // percent of people who get no offer
	Variants        []variant         `json:"variants"`
	Texts           map[string]string `json:"texts"`
	Incentives      []incentive       `json:"incentives"` // in their order; all of them active

	terms *linkTerms // how its links work, whatever the version; nil: as usual
}

// state is the status at a moment: a scheduled campaign is live once its period begins.
func (c *campaign) state(at time.Time) string {
	if c.Status == statusScheduled && c.StartsAt != nil && !at.Before(*c.StartsAt) {
		return statusLive
	}
	return c.Status
}

// live says whether the campaign is open to everybody at a moment.
func (c *campaign) live(at time.Time) bool { return c.state(at) == statusLive && c.within(at) }

// works says whether what is shared counts at a moment: that of a Test campaign does, for those who were led to it.
func (c *campaign) works(at time.Time) bool {
	return (c.state(at) == statusLive || c.Status == statusTest) && c.within(at)
}

// tried says whether what is done with the campaign is done to try it.
func (c *campaign) tried() bool { return c != nil && c.Status == statusTest }

func (c *campaign) within(at time.Time) bool {
	return (c.StartsAt == nil || !at.Before(*c.StartsAt)) && before(at, c.EndsAt)
}

// before says that an end, if there is one, has not come.
func before(at time.Time, end *time.Time) bool { return end == nil || at.Before(*end) }

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

// joinable are the campaigns that an origin may join by its category and tags, the newest first.
func joinable(campaigns []*campaign, category string, tags []string, at time.Time) []*campaign {
	var out []*campaign
	for _, c := range campaigns {
		if c.live(at) && c.sharable(at) && c.kind().Offers && c.accepts(category, tags) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *campaign) int { return cmp.Compare(b.ID, a.ID) })
	return out
}

// led is the campaign that an origin names itself, as a page with tkbl_campaign_id does: whatever its category and tags, it is that or
// none. This is how a Test campaign is seen.
func led(campaigns []*campaign, id int64, at time.Time) []*campaign {
	i := slices.IndexFunc(campaigns, func(c *campaign) bool { return c.ID == id && c.sharable(at) && c.kind().Offers })
	if i < 0 {
		return nil
	}
	return campaigns[i : i+1]
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
