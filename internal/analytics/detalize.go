package analytics

import (
	"context"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

// Talkable's older way to take a metric apart, of which little is published: detalize_by names what by, and each row has a member of that
// name in the singular.

type detailInput struct {
	MetricInput
	Period      string `query:"detalize_by[period]" doc:"day, week, month, quarter or year"`
	Campaigns   string `query:"detalize_by[campaigns]" doc:"true: a row for each campaign that has something to count; so with the others"`
	Tags        string `query:"detalize_by[campaign_tags]" doc:"true: by the campaigns' tags; one with two counts in both"`
	Types       string `query:"detalize_by[campaign_types]" doc:"true: by the categories of origins that campaigns can be joined by"`
	Channels    string `query:"detalize_by[sharing_channels]" doc:"true: by sharing channel"`
	Sources     string `query:"detalize_by[traffic_sources]" doc:"true: by traffic source"`
	Devices     string `query:"detalize_by[device_types]" doc:"true: by type of device"`
	Categories  string `query:"detalize_by[event_categories]" doc:"true: by category of the origin"`
	SplitTest   string `query:"detalize_by[split_test]" doc:"true: by variant of the campaign"`
	UTMSource   string `query:"detalize_by[utm_source]" doc:"true: by utm_source of the origin"`
	UTMMedium   string `query:"detalize_by[utm_medium]" doc:"true: by utm_medium"`
	UTMCampaign string `query:"detalize_by[utm_campaign]" doc:"true: by utm_campaign"`
}

// metricDetail is a number of one campaign, one sharing channel, one period, or several of them.
type metricDetail struct {
	MetricValue
	Campaign *int64  `json:"campaign,omitempty" doc:"Its id"`
	Tag      *string `json:"campaign_tag,omitempty"`
	Type     *string `json:"campaign_type,omitempty"`
	Channel  *string `json:"sharing_channel,omitempty" doc:"Empty: none"`
	Source   *string `json:"traffic_source,omitempty" doc:"Empty: none; other: one of those that the site has too many of"`
	Device   *string `json:"device_type,omitempty" doc:"desktop, mobile or tablet; empty: nobody knows"`
	Category *string `json:"event_category,omitempty" doc:"purchase, affiliate_member or that of an Event; empty: none"`
	Variant  *string `json:"split_test,omitempty" doc:"Empty: in no experiment"`
	UTM
	Period *string `json:"period,omitempty" doc:"First and last day" example:"1/1/24 - 1/31/24"`
}

type metricDetails struct {
	Detalized []metricDetail `json:"detalized"`
	Passed
}

func (m *Module) detalize(ctx context.Context, in *detailInput) (*web.OK[metricDetails], error) {
	const by = "detalize_by"
	q, siteID, err := m.question(ctx, &in.MetricInput, waysOf(by)...)
	if err != nil {
		return nil, err
	}
	s, past, err := readSplit(q, in.query, by)
	if err != nil {
		return nil, err
	}
	if s.nothing() {
		return nil, fault.New(fault.Invalid, "invalid_request", "detalize_by must name a period, campaigns, sharing_channels or another way.").At("query.detalize_by", "is missing")
	}
	all, err := m.apart(ctx, siteID, q, s)
	if err != nil {
		return nil, err
	}
	out := metricDetails{Detalized: make([]metricDetail, len(all)), Passed: q.passed(past...)}
	for i, p := range all {
		f := p.shown(s)
		out.Detalized[i] = metricDetail{MetricValue: p.MetricValue, Tag: shown(s.tags, p.Tag), Type: shown(s.types, p.Type), Channel: f[channel], Source: f[source],
			Device: f[device], Category: f[category], Variant: f[variant], UTM: UTM{f[utmSource], f[utmMedium], f[utmCampaign]}, Period: shown(s.spans != nil, p.Period)}
		if s.campaigns {
			out.Detalized[i].Campaign = &all[i].Campaign
		}
	}
	return web.Answer(out), nil
}
