package analytics

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

// Routes adds the module's operations.
func (m *Module) Routes(api huma.API) {
	tags := []string{"Metrics"}
	segmentize := huma.Operation{OperationID: "segmentizeMetric", Method: http.MethodGet, Path: "/api/v2/metrics/{metric}/segmentize", Tags: tags,
		Summary: "Get a metric by period, tag, sharing channel, type of campaign and more", Description: "One number for each calendar period of the range, cut at its ends; weeks begin " +
			"on Monday. " + passing + " 400 for an unknown metric, a bad date or period, and for parameters that there aren't."}
	slashed := segmentize
	slashed.OperationID, slashed.Path, slashed.Hidden = "segmentizeMetricSlash", segmentize.Path+"/", true // as a published client spells it
	huma.Register(api, huma.Operation{OperationID: "listMetrics", Method: http.MethodGet, Path: "/api/v2/metrics", Tags: tags,
		Summary: "List metrics", Description: "Every metric with its unit and formula, and the filters that it takes."}, m.list)
	huma.Register(api, huma.Operation{OperationID: "getMetric", Method: http.MethodGet, Path: "/api/v2/metrics/{metric}", Tags: tags,
		Summary: "Get a metric", Description: "One number over a range of days of the site's zone, both ends included. Sums are of the " +
			"site's currency unless currency names another. " + passing + " 400 for an unknown metric, a bad date, and for parameters that there aren't."}, m.get)
	huma.Register(api, segmentize, m.segmentize)
	huma.Register(api, slashed, m.segmentize)
	huma.Register(api, huma.Operation{OperationID: "detalizeMetric", Method: http.MethodGet, Path: "/api/v2/metrics/{metric}/detalize", Tags: tags,
		Summary: "Get a metric by campaign, period and more", Description: "The older form of segmentize, by one way or several; each row has a member for each, in the singular. " +
			"Rows are ordered by these members, then by period. " + passing}, m.detalize)
}

// passing is what all operations do with what has no meaning for a metric.
const passing = "A filter takes those numbers of the metric's formula that are kept by it (GET /metrics says which); where none is, it is passed over, and " +
	"`passed_over` says so. A number that isn't kept by what it is taken apart by is one row, whose member is empty."

type metricDescription struct {
	Name       string `json:"name" example:"total_sales_sum"`
	ResultType string `json:"result_type" enum:"number,money,percent"`
	Formula    string `json:"formula"`
	ByCampaign bool   `json:"by_campaign" doc:"Takes campaign_ids, campaign_tags and campaign_status"`
	ByChannel  bool   `json:"by_sharing_channel" doc:"Takes sharing_channels"`
	BySource   bool   `json:"by_traffic_source" doc:"Takes traffic_sources"`
	ByDevice   bool   `json:"by_device_type" doc:"Takes device_type and mobile_visitor"`
	ByCategory bool   `json:"by_event_category" doc:"Takes event_categories"`
	ByVariant  bool   `json:"by_split_test" doc:"Takes split_test"`
	ByUTM      bool   `json:"by_utm" doc:"Takes utm_source, utm_medium and utm_campaign"`
	ByCurrency bool   `json:"by_currency" doc:"Takes currency"`
}

type metricList struct {
	Metrics []metricDescription `json:"metrics"`
}

func (m *Module) list(context.Context, *struct{}) (*web.OK[metricList], error) {
	out := metricList{Metrics: make([]metricDescription, len(metrics))}
	for i, one := range metrics {
		by := one.keeping()
		out.Metrics[i] = metricDescription{Name: one.name, ResultType: one.resultType(), Formula: one.formula, ByCampaign: by.has(byCampaign), ByChannel: by.has(byChannel),
			BySource: by.has(bySource), ByDevice: by.has(byDevice), ByCategory: by.has(byCategory), ByVariant: by.has(byVariant), ByUTM: by.has(byUTM),
			ByCurrency: one.inMoney() || by.has(byCurrency)}
	}
	return web.Answer(out), nil
}

// MetricInput (exported, or huma wouldn't fill it where it is embedded) says to the API description what a query may hold; Resolve takes the query itself, for lists are spelled in
// several ways and an unknown parameter is refused.
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
	Sources        []string `query:"traffic_sources[],explode" doc:"Only these traffic sources; also traffic_sources=ios,web"`
	Mobile         string   `query:"mobile_visitor" doc:"true: only mobiles and tablets; false: all others"`
	Devices        []string `query:"device_type,explode" doc:"Only these types of device: desktop, mobile, tablet"`
	Categories     []string `query:"event_categories[],explode" doc:"Only of origins of these categories: purchase, affiliate_member, or an Event's own"`
	SplitTest      []string `query:"split_test[],explode" doc:"Only of these variants"`
	UTMSource      []string `query:"utm_source[],explode" doc:"Only of origins with these; so with the next two"`
	UTMMedium      []string `query:"utm_medium[],explode"`
	UTMCampaign    []string `query:"utm_campaign[],explode"`
	ExcludeQA      string   `query:"exclude_qa_generated" doc:"false: what somebody of the merchant's tried out counts, too"`
	Currency       string   `query:"currency" doc:"ISO 4217; sums are of the site's currency unless it is given"`
	Precision      string   `query:"precision" doc:"Decimals, 0 to 6: of percentages (2), and at most of money"`

	query url.Values
	err   error
}

func (in *MetricInput) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	in.query, in.err = url.ParseQuery(u.RawQuery)
	unnumbered(in.query)
	return nil
}

// numbered is how PHP and others spell the members of a list.
var numbered = regexp.MustCompile(`^([a-z_]+)\[[0-9]{1,4}\]$`)

// unnumbered makes name[]=a of name[0]=a. The order of a filter's values says nothing.
func unnumbered(query url.Values) {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if list := numbered.FindStringSubmatch(name); list != nil {
			query[list[1]+"[]"] = append(query[list[1]+"[]"], query[name]...)
			delete(query, name)
		}
	}
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

// Passed (exported for the sake of huma, like MetricInput) is part of an answer.
type Passed struct {
	Over []string `json:"passed_over,omitempty" doc:"Filters and ways to take it apart that the metric isn't kept by: the number is of all"`
}

func (q question) passed(more ...string) Passed {
	return Passed{append(slices.Clone(q.past), more...)}
}

// metricAnswer is a number.
type metricAnswer struct {
	MetricValue
	Passed
}

func (m *Module) get(ctx context.Context, in *MetricInput) (*web.OK[metricAnswer], error) {
	q, siteID, err := m.question(ctx, in)
	if err != nil {
		return nil, err
	}
	v, err := m.one(ctx, siteID, q)
	if err != nil {
		return nil, err
	}
	return web.Answer(metricAnswer{v, q.passed()}), nil
}

type segmentInput struct {
	MetricInput
	Period      string `query:"segment_by[period]" doc:"day, week, month, quarter or year"`
	Campaigns   string `query:"segment_by[campaigns]" doc:"true: a row for each campaign that has something to count; so with the others"`
	Tags        string `query:"segment_by[campaign_tags]" doc:"true: a row for each tag; a campaign with two counts in both"`
	Channels    string `query:"segment_by[sharing_channels]" doc:"true: a row for each sharing channel that has something to count"`
	Types       string `query:"segment_by[campaign_types]" doc:"true: a row for each category of origins that campaigns can be joined by"`
	Sources     string `query:"segment_by[traffic_sources]" doc:"true: by traffic source"`
	Devices     string `query:"segment_by[device_types]" doc:"true: by type of device"`
	Categories  string `query:"segment_by[event_categories]" doc:"true: by category of the origin"`
	SplitTest   string `query:"segment_by[split_test]" doc:"true: by variant of the campaign"`
	UTMSource   string `query:"segment_by[utm_source]" doc:"true: by utm_source of the origin"`
	UTMMedium   string `query:"segment_by[utm_medium]" doc:"true: by utm_medium"`
	UTMCampaign string `query:"segment_by[utm_campaign]" doc:"true: by utm_campaign"`
}

// UTM (exported for the sake of huma, like MetricInput) is part of a row.
type UTM struct {
	Source   *string `json:"utm_source,omitempty" doc:"Empty: none; other: one of those that the site has too many of"`
	Medium   *string `json:"utm_medium,omitempty" doc:"Likewise"`
	Campaign *string `json:"utm_campaign,omitempty" doc:"Likewise"`
}

// metricSegment is a number of one period, and of what else it was asked by.
type metricSegment struct {
	MetricValue
	Period   string  `json:"period" doc:"First and last day" example:"1/1/24 - 1/31/24"`
	Campaign *int64  `json:"campaigns,omitempty" doc:"Its id, with segment_by[campaigns]"`
	Tag      *string `json:"campaign_tags,omitempty" doc:"With segment_by[campaign_tags]"`
	Channel  *string `json:"sharing_channels,omitempty" doc:"With segment_by[sharing_channels]; empty: none"`
	Type     *string `json:"campaign_types,omitempty" doc:"With segment_by[campaign_types]"`
	Source   *string `json:"traffic_sources,omitempty" doc:"With segment_by[traffic_sources]; empty: none; other: one of those that the site has too many of"`
	Device   *string `json:"device_types,omitempty" doc:"With segment_by[device_types]: desktop, mobile or tablet; empty: nobody knows"`
	Category *string `json:"event_categories,omitempty" doc:"With segment_by[event_categories]: purchase, affiliate_member or that of an Event; empty: none"`
	Variant  *string `json:"split_test,omitempty" doc:"With segment_by[split_test]; empty: in no experiment"`
	UTM
}

type metricSegments struct {
	Segmented []metricSegment `json:"segmented"`
	Passed
}

func (m *Module) segmentize(ctx context.Context, in *segmentInput) (*web.OK[metricSegments], error) {
	const by = "segment_by"
	q, siteID, err := m.question(ctx, &in.MetricInput, waysOf(by)...)
	if err != nil {
		return nil, err
	}
	s, past, err := readSplit(q, in.query, by)
	if err == nil && s.nothing() {
		err = errPeriod
	}
	if err != nil {
		return nil, err
	}
	all, err := m.apart(ctx, siteID, q, s)
	if err != nil {
		return nil, err
	}
	out := metricSegments{Segmented: make([]metricSegment, len(all)), Passed: q.passed(past...)}
	for i, p := range all {
		f := p.shown(s)
		out.Segmented[i] = metricSegment{MetricValue: p.MetricValue, Period: p.Period, Tag: shown(s.tags, p.Tag), Type: shown(s.types, p.Type), Channel: f[channel],
			Source: f[source], Device: f[device], Category: f[category], Variant: f[variant],
			UTM: UTM{f[utmSource], f[utmMedium], f[utmCampaign]}}
		if s.campaigns {
			out.Segmented[i].Campaign = &all[i].Campaign
		}
	}
	return web.Answer(out), nil
}
