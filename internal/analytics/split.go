package analytics

import (
	"cmp"
	"context"
	"maps"
	"net/url"
	"slices"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

// split says by what a metric is taken apart.
type split struct {
	spans                  []span  // none: not by period
	by                     keeping // facets, and whether campaigns have to be known
	campaigns, tags, types bool
}

// part is one of what it is taken apart into.
type part struct {
	Campaign  int64
	Tag, Type string
	facets    facets
}

// piece is the number of a part in a period.
type piece struct {
	part
	MetricValue
	Period string
}

// waysOf are the parameters that readSplit understands.
func waysOf(by string) []string {
	out := []string{by + "[period]", by + "[campaigns]", by + "[campaign_tags]", by + "[campaign_types]"}
	for _, f := range facetKinds {
		out = append(out, by+"["+f.way+"]")
	}
	return out
}

// readSplit reads segment_by[…] or detalize_by[…], as by is called. past are the ways that nothing of the metric is kept by.
func readSplit(q question, query url.Values, by string) (s split, past []string, err error) {
	if period := query.Get(by + "[period]"); period != "" {
		if s.spans, err = q.span.segments(period); err != nil {
			return s, nil, fault.New(fault.Invalid, errPeriod.Code, errPeriod.Detail).At("query."+by+"[period]", "not supported")
		}
	}
	asked := func(way string, it keeping, to *bool) error {
		name := by + "[" + way + "]"
		yes, _, err := truthOf(query, name)
		if *to = yes; yes {
			s.by |= it
		}
		if yes && q.metric.kept() && !q.metric.keeping().has(it) {
			past = append(past, name)
		}
		return err
	}
	var facet bool
	for _, w := range []struct {
		name string
		to   *bool
	}{{"campaigns", &s.campaigns}, {"campaign_tags", &s.tags}, {"campaign_types", &s.types}} {
		if err := asked(w.name, byCampaign, w.to); err != nil {
			return s, nil, err
		}
	}
	for i, f := range facetKinds {
		if err := asked(f.way, bit(i), &facet); err != nil {
			return s, nil, err
		}
	}
	return s, past, nil
}

// nothing says that it isn't taken apart at all.
func (s split) nothing() bool { return s.by == 0 && s.spans == nil }

// parts are those that a total counts in: a campaign with two tags counts in both, and one without any in none. What isn't kept by campaign has
// no tags, and stays one.
func (s split) parts(t total, q question, known map[int64]referralapi.CampaignLabels) []part {
	all := []part{{facets: t.facets()}}
	if !keptBy[t.Key].has(byCampaign) {
		return all
	}
	if s.campaigns {
		all[0].Campaign = t.Campaign
	}
	if s.tags {
		tags := known[t.Campaign].Tags
		if len(q.tags) > 0 { // of the tags that were asked for
			tags = slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return !slices.Contains(q.tags, tag) })
		}
		all = spread(all, tags, func(p *part, tag string) { p.Tag = tag })
	}
	if s.types {
		all = spread(all, known[t.Campaign].Types, func(p *part, kind string) { p.Type = kind })
	}
	return all
}

func spread(all []part, labels []string, set func(*part, string)) []part {
	var out []part
	for _, p := range all {
		for _, l := range labels {
			one := p
			set(&one, l)
			out = append(out, one)
		}
	}
	return out
}

// only leaves what is in the set.
func (p part) only(by keeping) part {
	if p.facets = p.facets.only(by); !by.has(byCampaign) {
		p.Campaign, p.Tag, p.Type = 0, "", ""
	}
	return p
}

// groups puts totals into the parts that they count in. Where a formula has two numbers of which one is kept by less than what is asked for, that
// one counts in every part that it could be of: sales of all campaigns are what each campaign's are a share of.
func (s split) groups(q question, found []total, known map[int64]referralapi.CampaignLabels) map[part][]total {
	finest, common := keeping(0), s.by
	for _, key := range q.metric.keys() {
		if its := keptBy[key] & s.by; its.size() > finest.size() {
			finest = its
		}
		common &= keptBy[key]
	}
	groups, coarse := map[part][]total{}, map[part][]total{}
	if finest == 0 {
		groups[part{}] = nil
	}
	for _, t := range found {
		for _, p := range s.parts(t, q, known) {
			if keptBy[t.Key]&s.by == finest {
				groups[p] = append(groups[p], t)
			} else {
				p = p.only(common)
				coarse[p] = append(coarse[p], t)
			}
		}
	}
	for p := range groups {
		groups[p] = append(groups[p], coarse[p.only(common)]...)
	}
	return groups
}

const maxPieces = 50_000 // rows of an answer; the days of a hundred years are fewer

// apart answers a question with a number for each part and period, in their order, periods without anything included.
func (m *Module) apart(ctx context.Context, siteID int64, q question, s split) ([]piece, error) {
	found, err := totals(ctx, m.DB, siteID, q, s)
	if err != nil {
		return nil, err
	}
	var known map[int64]referralapi.CampaignLabels
	if s.tags || s.types {
		if known, err = m.Campaigns.CampaignLabels(ctx, siteID); err != nil {
			return nil, err
		}
	}
	groups := s.groups(q, found, known)
	spans := s.spans
	if spans == nil {
		spans = []span{q.span}
	}
	if len(groups)*len(spans) > maxPieces {
		return nil, tooMany(maxPieces)
	}
	out := make([]piece, 0, len(groups)*len(spans))
	for _, p := range slices.SortedFunc(maps.Keys(groups), comparePart) {
		in := groups[p]
		slices.SortStableFunc(in, func(a, b total) int { return a.Day.Compare(b.Day) })
		for _, one := range q.segments(spans, in) {
			out = append(out, piece{p, one.MetricValue, one.Period})
		}
	}
	return out, nil
}

func comparePart(a, b part) int {
	return cmp.Or(cmp.Compare(a.Campaign, b.Campaign), cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.Type, b.Type), slices.Compare(a.facets[:], b.facets[:]))
}

// shown are the facets that it is taken apart by.
func (p part) shown(s split) (out [facetCount]*string) {
	for i := range out {
		out[i] = shown(s.by.has(bit(i)), p.facets[i])
	}
	return out
}

// shown is a text where it is taken apart by it.
func shown(by bool, text string) *string {
	if !by {
		return nil
	}
	return &text
}
