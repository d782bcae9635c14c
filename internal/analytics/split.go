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
	spans                            []span // none: not by period
	campaigns, channels, tags, types bool
}

// part is one of what it is taken apart into.
type part struct {
	Campaign           int64
	Channel, Tag, Type string
}

// piece is the number of a part in a period.
type piece struct {
	part
	MetricValue
	Period string
}

// readSplit reads segment_by[…] or detalize_by[…], as by is called.
func readSplit(q question, query url.Values, by string) (s split, err error) {
	if period := query.Get(by + "[period]"); period != "" {
		if s.spans, err = q.span.segments(period); err != nil {
			return s, fault.New(fault.Invalid, errPeriod.Code, errPeriod.Detail).At("query."+by+"[period]", "not supported")
		}
	}
	for name, to := range map[string]*bool{"campaigns": &s.campaigns, "sharing_channels": &s.channels, "campaign_tags": &s.tags, "campaign_types": &s.types} {
		if *to, _, err = truthOf(query, by+"["+name+"]"); err != nil {
			return s, err
		}
	}
	switch {
	case s.byCampaign() && !q.metric.byCampaign && q.metric.kept():
		return s, unavailable(by, q.metric.name+" isn't kept by campaign.")
	case s.channels && !q.metric.byChannel && q.metric.kept():
		return s, unavailable(by, q.metric.name+" isn't kept by sharing channel.")
	}
	return s, nil
}

// byCampaign says that campaigns have to be known to take it apart.
func (s split) byCampaign() bool { return s.campaigns || s.tags || s.types }

// whole says that it is taken apart by periods at most.
func (s split) whole() bool { return !s.byCampaign() && !s.channels }

// parts are those that a total counts in: a campaign with two tags counts in both.
func (s split) parts(t total, known map[int64]referralapi.CampaignLabels) []part {
	p := part{Channel: t.Channel}
	if s.campaigns {
		p.Campaign = t.Campaign
	}
	all := []part{p}
	if s.tags {
		all = spread(all, known[t.Campaign].Tags, func(p *part, tag string) { p.Tag = tag })
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

const maxPieces = 50_000 // rows of an answer; the days of a hundred years are fewer

// apart answers a question with a number for each part and period, in their order, periods without anything included.
func (m *Module) apart(ctx context.Context, siteID int64, q question, s split) ([]piece, error) {
	found, err := totals(ctx, m.DB, siteID, q, apart{days: s.spans != nil, campaigns: s.byCampaign(), channels: s.channels})
	if err != nil {
		return nil, err
	}
	var known map[int64]referralapi.CampaignLabels
	if s.tags || s.types {
		if known, err = m.Campaigns.CampaignLabels(ctx, siteID); err != nil {
			return nil, err
		}
	}
	groups := map[part][]total{}
	if s.whole() {
		groups[part{}] = nil
	}
	for _, t := range found {
		for _, p := range s.parts(t, known) {
			if !s.tags || len(q.tags) == 0 || slices.Contains(q.tags, p.Tag) { // of the tags that were asked for
				groups[p] = append(groups[p], t)
			}
		}
	}
	spans := s.spans
	if spans == nil {
		spans = []span{q.span}
	}
	if len(groups)*len(spans) > maxPieces {
		return nil, fault.New(fault.Invalid, "invalid_range", "That would be more than %d rows; please ask for longer periods, fewer days or fewer campaigns.", maxPieces).
			At("query", "makes too many rows")
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
	return cmp.Or(cmp.Compare(a.Campaign, b.Campaign), cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Channel, b.Channel))
}

// shown is a text where it is taken apart by it.
func shown(by bool, text string) *string {
	if !by {
		return nil
	}
	return &text
}
