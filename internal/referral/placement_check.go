package referral

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

const (
	maxPlacements = 50
	maxRotated    = 20
	maxPageRules  = 50
	longestRule   = 500
)

// placementsInput are all placements of a site, the first one first.
type placementsInput struct {
	web.SiteBody
	Placements []placementInput `json:"placements" doc:"In their order: of those that match a page, the first is shown"`
}

// placementInput is a placement as the API takes and shows it.
type placementInput struct {
	ID               int64          `json:"id,omitempty" doc:"Of one that is there; it is a new one when left out"`
	Kind             string         `json:"kind" doc:"standalone, standalone_dashboard, post_purchase, floating_widget, gleam, claim_by_name, conversion_popup, loyalty_dashboard or loyalty_widget"`
	Name             string         `json:"name"`
	Campaigns        []rotatedInput `json:"campaigns" doc:"That take turns on it; each person stays with one"`
	ShownOn          []pageRule     `json:"shown_on,omitempty" nullable:"true" doc:"Pages; the usual ones of the kind when left out"`
	HiddenOn         []pageRule     `json:"hidden_on,omitempty" nullable:"true"`
	CustomProperties []propertyRule `json:"custom_properties,omitempty" nullable:"true" doc:"All have to hold"`
	Countries        []string       `json:"countries,omitempty" nullable:"true" doc:"ISO 3166, two letters"`
	Devices          []string       `json:"devices,omitempty" nullable:"true" doc:"desktop, mobile, tablet"`
}

type rotatedInput struct {
	CampaignID int64  `json:"campaign_id"`
	Weight     *int64 `json:"weight,omitempty" nullable:"true" doc:"How often it is shown, against the others: 0 to 1000, 1 when left out"`
}

var country = regexp.MustCompile(`^[A-Z]{2}$`)

// placements checks the input against the campaigns of the site.
func (in placementsInput) placements(types map[int64]string) ([]placement, error) {
	var f findings
	if len(in.Placements) > maxPlacements {
		f.add("/placements", "must be at most %d", maxPlacements)
		return nil, f.wrong()
	}
	out := make([]placement, len(in.Placements))
	seen := map[int64]bool{}
	for n, p := range in.Placements {
		at := "/placements/" + strconv.Itoa(n)
		if p.ID < 0 || p.ID != 0 && seen[p.ID] {
			f.add(at+"/id", "is there twice")
		}
		seen[p.ID] = true
		out[n] = p.placement(&f, at, types)
	}
	return out, f.wrong()
}

// wrong is err in the words of placements.
func (f *findings) wrong() error {
	if len(f.fields) == 0 {
		return nil
	}
	e := fault.New(fault.Invalid, "invalid_placements", "The placements can't be like this: %s %s.", f.fields[0].Pointer, f.fields[0].Detail)
	e.Fields = f.fields
	return e
}

func (in placementInput) placement(f *findings, at string, types map[int64]string) placement {
	out := placement{ID: in.ID, Kind: in.Kind, Name: in.Name, Campaigns: []rotated{}, ShownOn: in.ShownOn, HiddenOn: in.HiddenOn,
		Properties: in.CustomProperties, Countries: in.Countries, Devices: in.Devices}
	checkText(f, at+"/name", in.Name, 1, 200)
	if !slices.ContainsFunc(campaignTypes, func(t campaignType) bool { return slices.Contains(t.Placements, in.Kind) }) {
		f.add(at+"/kind", "is no kind of placement")
	}
	if len(in.Campaigns) > maxRotated {
		f.add(at+"/campaigns", "must be at most %d", maxRotated)
		return out
	}
	for n, r := range in.Campaigns {
		out.Campaigns = append(out.Campaigns, r.rotated(f, at+"/campaigns/"+strconv.Itoa(n), &out, types))
	}
	checkPages(f, at+"/shown_on", in.ShownOn)
	checkPages(f, at+"/hidden_on", in.HiddenOn)
	in.audience(f, at)
	return out
}

func (in rotatedInput) rotated(f *findings, at string, p *placement, types map[int64]string) rotated {
	out := rotated{in.CampaignID, 1}
	if in.Weight != nil {
		out.Weight = *in.Weight
	}
	kind, known := types[in.CampaignID]
	switch {
	case !known:
		f.add(at+"/campaign_id", "is no campaign of this site")
	case !slices.Contains(typeOf(kind).Placements, p.Kind):
		f.add(at+"/campaign_id", "is of type %s, which isn't shown on such a placement", kind)
	case slices.ContainsFunc(p.Campaigns, func(r rotated) bool { return r.CampaignID == in.CampaignID }):
		f.add(at+"/campaign_id", "is there twice")
	}
	if out.Weight < 0 || out.Weight > maxWeight {
		f.add(at+"/weight", "must be from 0 to %d", maxWeight)
	}
	return out
}

func checkPages(f *findings, at string, rules []pageRule) {
	if len(rules) > maxPageRules {
		f.add(at, "must be at most %d", maxPageRules)
		return
	}
	for n, r := range rules {
		here := at + "/" + strconv.Itoa(n) + "/value"
		checkText(f, here, r.Value, 1, longestRule)
		switch r.Match {
		case "path":
			if !strings.HasPrefix(r.Value, "/") || strings.HasPrefix(r.Value, "//") {
				f.add(here, "must be a path, which begins with one /")
			}
		case "regex":
			checkPattern(f, here, r.Value)
		default:
			f.add(at+"/"+strconv.Itoa(n)+"/match", "must be path or regex")
		}
	}
}

func checkPattern(f *findings, at, pattern string) {
	if _, err := regexp.Compile(pattern); err != nil {
		f.add(at, "is no regular expression that works in linear time")
	}
}

// audience checks whom the placement is shown to.
func (in placementInput) audience(f *findings, at string) {
	if len(in.CustomProperties) > maxJoinThings {
		f.add(at+"/custom_properties", "must be at most %d", maxJoinThings)
		return
	}
	for n, r := range in.CustomProperties {
		here := at + "/custom_properties/" + strconv.Itoa(n)
		if !propertyName.MatchString(r.Name) {
			f.add(here+"/name", "has up to 64 lower-case letters, digits and _")
		}
		switch r.Is {
		case "eq", "not_eq":
		case "regex":
			checkPattern(f, here+"/value", r.Value)
		default:
			f.add(here+"/is", "must be eq, not_eq or regex")
		}
	}
	if len(in.Countries) > 250 || slices.ContainsFunc(in.Countries, func(c string) bool { return !country.MatchString(c) }) {
		f.add(at+"/countries", "are at most 250 codes of two capital letters")
	}
	if len(in.Devices) > 3 || slices.ContainsFunc(in.Devices, func(d string) bool { return d != "desktop" && d != "mobile" && d != "tablet" }) {
		f.add(at+"/devices", "are desktop, mobile and tablet")
	}
}

func (p *placement) json() placementInput {
	out := placementInput{ID: p.ID, Kind: p.Kind, Name: p.Name, Campaigns: []rotatedInput{}, ShownOn: some(p.ShownOn), HiddenOn: some(p.HiddenOn),
		CustomProperties: some(p.Properties), Countries: some(p.Countries), Devices: some(p.Devices)}
	for _, r := range p.Campaigns {
		out.Campaigns = append(out.Campaigns, rotatedInput{r.CampaignID, &r.Weight})
	}
	return out
}

// some is a list that is there, if only empty.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
