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
	Period    string `query:"detalize_by[period]" doc:"day, week, month, quarter or year"`
	Campaigns string `query:"detalize_by[campaigns]" doc:"true: a row for each campaign that has something to count"`
	Channels  string `query:"detalize_by[sharing_channels]" doc:"true: a row for each sharing channel that has something to count"`
}

// metricDetail is a number of one campaign, one sharing channel, one period, or several of them.
type metricDetail struct {
	MetricValue
	Campaign *int64  `json:"campaign,omitempty" doc:"Its id"`
	Channel  *string `json:"sharing_channel,omitempty" doc:"Empty: none"`
	Period   *string `json:"period,omitempty" doc:"First and last day" example:"1/1/24 - 1/31/24"`
}

type metricDetails struct {
	Detalized []metricDetail `json:"detalized"`
}

func (m *Module) detalize(ctx context.Context, in *detailInput) (*web.OK[metricDetails], error) {
	q, siteID, err := m.question(ctx, &in.MetricInput, "detalize_by[period]", "detalize_by[campaigns]", "detalize_by[sharing_channels]")
	if err != nil {
		return nil, err
	}
	s, err := readSplit(q, in.query, "detalize_by")
	if err != nil {
		return nil, err
	}
	if s.whole() && s.spans == nil {
		return nil, fault.New(fault.Invalid, "invalid_request", "detalize_by must name a period, campaigns or sharing_channels.").At("query.detalize_by", "is missing")
	}
	all, err := m.apart(ctx, siteID, q, s)
	if err != nil {
		return nil, err
	}
	out := metricDetails{Detalized: make([]metricDetail, len(all))}
	for i, p := range all {
		out.Detalized[i] = metricDetail{MetricValue: p.MetricValue, Channel: shown(s.channels, p.Channel), Period: shown(s.spans != nil, p.Period)}
		if s.campaigns {
			out.Detalized[i].Campaign = &all[i].Campaign
		}
	}
	return web.Answer(out), nil
}
