package analytics

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

// Routes adds the module's operations.
func (m *Module) Routes(api huma.API) {
	tags := []string{"Metrics"}
	segmentize := huma.Operation{OperationID: "segmentizeMetric", Method: http.MethodGet, Path: "/api/v2/metrics/{metric}/segmentize", Tags: tags,
		Summary: "Get a metric by period, tag, sharing channel or type of campaign", Description: "One number for each calendar period of the range, cut at its ends; weeks begin " +
			"on Monday. 400 for an unknown metric, a bad date or period, and for filters that aren't available: nothing is silently ignored."}
	slashed := segmentize
	slashed.OperationID, slashed.Path, slashed.Hidden = "segmentizeMetricSlash", segmentize.Path+"/", true // as a published client spells it
	huma.Register(api, huma.Operation{OperationID: "listMetrics", Method: http.MethodGet, Path: "/api/v2/metrics", Tags: tags,
		Summary: "List metrics", Description: "Every metric with its unit and formula, and the filters that it takes."}, m.list)
	huma.Register(api, huma.Operation{OperationID: "getMetric", Method: http.MethodGet, Path: "/api/v2/metrics/{metric}", Tags: tags,
		Summary: "Get a metric", Description: "One number over a range of days of the site's zone, both ends included. Sums are of the " +
			"site's currency unless currency names another. 400 for an unknown metric, a bad date, and for filters that aren't available: " +
			"nothing is silently ignored."}, m.get)
	huma.Register(api, segmentize, m.segmentize)
	huma.Register(api, slashed, m.segmentize)
	huma.Register(api, huma.Operation{OperationID: "detalizeMetric", Method: http.MethodGet, Path: "/api/v2/metrics/{metric}/detalize", Tags: tags,
		Summary: "Get a metric by campaign or period", Description: "The older form of segmentize: detalize_by[period], detalize_by[campaigns], detalize_by[sharing_channels] or several of them, " +
			"rows ordered by campaign and channel, then by period. 400 for other ways to take it apart: they aren't kept."}, m.detalize)
}

type metricDescription struct {
	Name       string `json:"name" example:"total_sales_sum"`
	ResultType string `json:"result_type" enum:"number,money,percent"`
	Formula    string `json:"formula"`
	ByCampaign bool   `json:"by_campaign" doc:"Takes campaign_ids, campaign_tags and campaign_status"`
	ByChannel  bool   `json:"by_sharing_channel" doc:"Takes sharing_channels"`
	ByCurrency bool   `json:"by_currency" doc:"Takes currency"`
}

type metricList struct {
	Metrics []metricDescription `json:"metrics"`
}

func (m *Module) list(context.Context, *struct{}) (*web.OK[metricList], error) {
	out := metricList{Metrics: make([]metricDescription, len(metrics))}
	for i, one := range metrics {
		out.Metrics[i] = metricDescription{Name: one.name, ResultType: one.resultType(), Formula: one.formula, ByCampaign: one.byCampaign, ByChannel: one.byChannel,
			ByCurrency: one.inMoney() || one.currencied}
	}
	return web.Answer(out), nil
}

// MetricInput (exported, or huma wouldn't fill it where it is embedded) says to the API description what a query may hold; Resolve takes the query itself, for lists are spelled in
// three ways and an unknown filter is refused.
type MetricInput struct {
	Metric         string   `path:"metric" maxLength:"100" example:"total_sales_sum"`
	SiteSlug       string   `query:"site_slug" doc:"The site; may be left out, the key decides it"`
	StartDate      string   `query:"start_date" required:"true" doc:"First day, 2024-01-15 or 1/15/2024"`
	EndDate        string   `query:"end_date" required:"true" doc:"Last day, included"`
	CampaignIDs    []string `query:"campaign_ids[],explode" doc:"Only these campaigns; also campaign_ids=1,2"`
	CampaignTags   []string `query:"campaign_tags[],explode" doc:"Only campaigns with one of these tags; also campaign_tags=a,b"`
	CampaignStatus string   `query:"campaign_status" doc:"Only campaigns that are live, test, scheduled or disabled now"`
	LiveOnly       string   `query:"live_campaigns_only" doc:"The same as campaign_status=live"`
	Channels       []string `query:"sharing_channels[],explode" doc:"Only these sharing channels; also sharing_channels=facebook,twitter"`
	ExcludeQA      string   `query:"exclude_qa_generated" doc:"false: what somebody of the merchant's tried out counts, too"`
	Currency       string   `query:"currency" doc:"ISO 4217; sums are of the site's currency unless it is given"`
	Precision      string   `query:"precision" doc:"Decimals, 0 to 6: of percentages (2), and at most of money"`

	query url.Values
	err   error
}

func (in *MetricInput) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	in.query, in.err = url.ParseQuery(u.RawQuery)
	return nil
}

// question reads what is asked, and finds the campaigns that are meant.
func (m *Module) question(ctx context.Context, in *MetricInput, extra ...string) (question, int64, error) {
	if in.err != nil {
		return question{}, 0, fault.New(fault.Invalid, "invalid_request", "The query can't be read.").Because(in.err)
	}
	s := web.From(ctx).Site
	q, err := read(in.Metric, in.query, s.Currency, extra...)
	if err == nil && q.named() {
		var ids []int64
		if ids, err = m.Campaigns.CampaignIDs(ctx, s.ID, q.tags, q.status); err == nil {
			q.among(ids)
		}
	}
	return q, s.ID, err
}

func (m *Module) get(ctx context.Context, in *MetricInput) (*web.OK[MetricValue], error) {
	q, siteID, err := m.question(ctx, in)
	if err != nil {
		return nil, err
	}
	v, err := m.one(ctx, siteID, q)
	if err != nil {
		return nil, err
	}
	return web.Answer(v), nil
}

type segmentInput struct {
	MetricInput
	Period   string `query:"segment_by[period]" doc:"day, week, month, quarter or year"`
	Tags     string `query:"segment_by[campaign_tags]" doc:"true: a row for each tag; a campaign with two counts in both"`
	Channels string `query:"segment_by[sharing_channels]" doc:"true: a row for each sharing channel that has something to count"`
	Types    string `query:"segment_by[campaign_types]" doc:"true: a row for each category of origins that campaigns can be joined by"`
}

// metricSegment is a number of one period, and of what else it was asked by.
type metricSegment struct {
	MetricValue
	Period  string  `json:"period" doc:"First and last day" example:"1/1/24 - 1/31/24"`
	Tag     *string `json:"campaign_tags,omitempty" doc:"With segment_by[campaign_tags]"`
	Channel *string `json:"sharing_channels,omitempty" doc:"With segment_by[sharing_channels]; empty: none"`
	Type    *string `json:"campaign_types,omitempty" doc:"With segment_by[campaign_types]"`
}

type metricSegments struct {
	Segmented []metricSegment `json:"segmented"`
}

func (m *Module) segmentize(ctx context.Context, in *segmentInput) (*web.OK[metricSegments], error) {
	q, siteID, err := m.question(ctx, &in.MetricInput, "segment_by[period]", "segment_by[campaign_tags]", "segment_by[sharing_channels]", "segment_by[campaign_types]")
	if err != nil {
		return nil, err
	}
	s, err := readSplit(q, in.query, "segment_by")
	if err == nil && s.whole() && s.spans == nil {
		err = errPeriod
	}
	if err != nil {
		return nil, err
	}
	all, err := m.apart(ctx, siteID, q, s)
	if err != nil {
		return nil, err
	}
	out := metricSegments{Segmented: make([]metricSegment, len(all))}
	for i, p := range all {
		out.Segmented[i] = metricSegment{MetricValue: p.MetricValue, Period: p.Period, Tag: shown(s.tags, p.Tag), Channel: shown(s.channels, p.Channel),
			Type: shown(s.types, p.Type)}
	}
	return web.Answer(out), nil
}
