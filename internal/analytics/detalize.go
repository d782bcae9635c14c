package analytics

import (
	"context"
	"net/url"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

// Talkable's older way to take a metric apart, of which little is published: detalize_by names what by, and each row has a member of that
// name in the singular.

type detailInput struct {
	MetricInput
	Period    string `query:"detalize_by[period]" doc:"day, week, month, quarter or year"`
	Campaigns string `query:"detalize_by[campaigns]" doc:"true: a row for each campaign that has something to count"`
}

// metricDetail is a number of one campaign, one period, or both.
type metricDetail struct {
	MetricValue
	Campaign *int64  `json:"campaign,omitempty" doc:"Its id"`
	Period   *string `json:"period,omitempty" doc:"First and last day" example:"1/1/24 - 1/31/24"`
}

type metricDetails struct {
	Detalized []metricDetail `json:"detalized"`
}

// details says by what a metric is taken apart.
type details struct {
	spans     []span // none: not by period
	campaigns bool
}

func readDetails(q question, query url.Values) (d details, err error) {
	if period := query.Get("detalize_by[period]"); period != "" {
		if d.spans, err = q.span.segments(period); err != nil {
			return d, fault.New(fault.Invalid, "unsupported_period",
				"Unsupported option for period segmentation. Supported options: day, week, month, quarter, year").At("query.detalize_by[period]", "not supported")
		}
	}
	switch by := query.Get("detalize_by[campaigns]"); {
	case by == "true" || by == "1":
		d.campaigns = true
	case by != "" && by != "false" && by != "0":
		return d, fault.New(fault.Invalid, "invalid_request", "detalize_by[campaigns] must be true or false.").At("query.detalize_by[campaigns]", "neither true nor false")
	}
	switch {
	case d.campaigns && !q.metric.byCampaign:
		return d, unavailable("detalize_by[campaigns]", q.metric.name+" isn't kept by campaign.")
	case !d.campaigns && d.spans == nil:
		return d, fault.New(fault.Invalid, "invalid_request", "detalize_by must name a period or campaigns.").At("query.detalize_by", "is missing")
	}
	return d, nil
}

func (m *Module) detalize(ctx context.Context, in *detailInput) (*web.OK[metricDetails], error) {
	q, siteID, err := m.question(ctx, &in.MetricInput, "detalize_by[period]", "detalize_by[campaigns]")
	if err != nil {
		return nil, err
	}
	by, err := readDetails(q, in.query)
	if err != nil {
		return nil, err
	}
	found, err := totals(ctx, m.DB, siteID, q, apart{days: by.spans != nil, campaigns: by.campaigns})
	if err != nil {
		return nil, err
	}
	if by.size(found) > maxDetails {
		return nil, fault.New(fault.Invalid, "invalid_range", "That would be more than %d rows; please ask for longer periods, fewer days or fewer campaigns.", maxDetails).
			At("query.detalize_by", "makes too many rows")
	}
	return web.Answer(metricDetails{by.rows(q, found)}), nil
}

const maxDetails = 50_000 // rows of an answer; the days of a hundred years are fewer

// size is how many rows totals, which come by campaign, are put into.
func (d details) size(found []total) int {
	campaigns := 1
	for i := 1; i < len(found); i++ {
		if found[i].Campaign != found[i-1].Campaign {
			campaigns++
		}
	}
	return campaigns * max(len(d.spans), 1)
}

// rows puts totals, which come by campaign and day, into rows.
func (d details) rows(q question, found []total) []metricDetail {
	out := []metricDetail{}
	for from := 0; from < len(found) || !d.campaigns && from == 0; {
		to := from
		for to < len(found) && found[to].Campaign == found[from].Campaign {
			to++
		}
		spans := d.spans
		if spans == nil {
			spans = []span{q.span}
		}
		for _, s := range q.segments(spans, found[from:to]) {
			row := metricDetail{MetricValue: s.MetricValue}
			if d.campaigns {
				row.Campaign = &found[from].Campaign
			}
			if d.spans != nil {
				row.Period = &s.Period
			}
			out = append(out, row)
		}
		if from = to; to == 0 {
			break
		}
	}
	return out
}
