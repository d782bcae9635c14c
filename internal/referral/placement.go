package referral

import (
	"slices"
)

// placement is where the pages of a shop show campaigns, as a merchant set it. Which pages it is on is for the page's script to see; here
// is which of its campaigns somebody gets.
type placement struct {
	ID         int64          `json:"-"`
	Kind       string         `json:"kind"`
	Name       string         `json:"name"`
	Campaigns  []rotated      `json:"campaigns"`
	ShownOn    []pageRule     `json:"shown_on"`
	HiddenOn   []pageRule     `json:"hidden_on"`
	Properties []propertyRule `json:"custom_properties"`
	Countries  []string       `json:"countries"`
	Devices    []string       `json:"devices"`
}

// rotated is a campaign that takes turns with the others of its placement.
type rotated struct {
	CampaignID int64 `json:"campaign_id"`
	Weight     int64 `json:"weight"`
}

// pageRule matches pages: a relative path, or a regular expression over the whole address.
type pageRule struct {
	Match string `json:"match" enum:"path,regex"`
	Value string `json:"value" maxLength:"500"`
}

// propertyRule matches what a page says of the person.
type propertyRule struct {
	Name  string `json:"name" maxLength:"64"`
	Is    string `json:"is" enum:"eq,not_eq,regex"`
	Value string `json:"value" maxLength:"200"`
}

// salt of a placement's draws. It isn't secret: which of several campaigns somebody sees is nothing to win.
func (p *placement) salt(siteID int64) string { return "placement " + itoa(siteID) + " " + itoa(p.ID) }

// of are those of the campaigns that take turns on the placement.
func (p *placement) of(open []*campaign) []*campaign {
	var out []*campaign
	for _, c := range open {
		if slices.ContainsFunc(p.Campaigns, func(r rotated) bool { return r.CampaignID == c.ID && r.Weight > 0 }) {
			out = append(out, c)
		}
	}
	return out
}

// shownOn are the kinds of placements on which each campaign takes turns.
func shownOn(all []*placement) map[int64][]string {
	out := map[int64][]string{}
	for _, p := range all {
		for _, r := range p.Campaigns {
			if r.Weight > 0 {
				out[r.CampaignID] = append(out[r.CampaignID], p.Kind)
			}
		}
	}
	return out
}

// appearance is how pages show a campaign of such placements: a popup if it is nowhere a part of the page.
func appearance(kinds []string) string {
	for _, kind := range kinds {
		if kind != placePurchase && kind != placeWidget && kind != placeConversion {
			return "inline"
		}
	}
	if len(kinds) == 0 {
		return "inline"
	}
	return "popup"
}

// turn is whose turn it is for somebody, among the campaigns of the placement that are open to him.
func (p *placement) turn(siteID int64, subject string, open []*campaign) *campaign {
	list := make([]weighted, len(open))
	for i, c := range open {
		at := slices.IndexFunc(p.Campaigns, func(r rotated) bool { return r.CampaignID == c.ID })
		list[i] = weighted{itoa(c.ID), p.Campaigns[at].Weight}
	}
	return open[lot(p.salt(siteID), subject, list)]
}

// rotation is the first placement that decides: of those that the page matched, where it says so, the first with an open campaign; else
// the first on which the campaign takes turns with others. open are the campaigns that are open to the origin. none: the page matched
// placements, and nothing on them is open.
func rotation(all []*placement, matched []int64, chosen *campaign, open []*campaign) (p *placement, among []*campaign, none bool) {
	for _, one := range all {
		list := one.of(open)
		switch {
		case len(matched) > 0 && slices.Contains(matched, one.ID) && len(list) > 0:
			return one, list, false
		case len(matched) == 0 && len(list) > 1 && slices.Contains(list, chosen):
			return one, list, false
		}
	}
	return nil, nil, len(matched) > 0
}
