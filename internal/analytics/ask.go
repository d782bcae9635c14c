package analytics

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
)

// question is a metric over a span.
type question struct {
	metric    metric
	span      span
	campaigns []int64
	tags      []string             // of the campaigns that are meant
	status    string               // of them
	facets    [facetCount][]string // nil: whatever they are
	withQA    bool                 // what somebody of the merchant's tried out counts, too
	currency  string               // "" takes all, for counts
	precision int                  // -1: unsaid
	past      []string             // filters that were passed over, for nothing of the metric is kept by them
}

// known are the parameters that are understood. Any other is refused: who misspells a filter wants to know.
var known = func() map[string]bool {
	all := map[string]bool{}
	for _, name := range []string{"site_slug", "api_key", "start_date", "end_date", "campaign_status", "live_campaigns_only", "currency", "precision",
		"exclude_qa_generated", "mobile_visitor"} {
		all[name] = true
	}
	lists := []string{"campaign_ids", "campaign_tags"}
	for _, f := range facetKinds {
		lists = append(lists, f.parameter)
	}
	for _, name := range lists {
		all[name], all[name+"[]"] = true, true
	}
	return all
}()

// read makes a question of a query. home is the site's currency.
func read(name string, query url.Values, home string, extra ...string) (question, error) {
	q := question{precision: -1}
	var err error
	if q.metric, err = metricByName(name); err != nil {
		return q, err
	}
	for _, parameter := range slices.Sorted(maps.Keys(query)) {
		if !known[parameter] && !slices.Contains(extra, parameter) {
			return q, unavailable(parameter, "This filter isn't available here: "+short(parameter)+".")
		}
	}
	if q.span, err = parseSpan(query.Get("start_date"), query.Get("end_date")); err != nil {
		return q, err
	}
	if err := q.setCampaigns(query); err != nil {
		return q, err
	}
	if err := q.setFacets(query); err != nil {
		return q, err
	}
	without, said, err := truthOf(query, "exclude_qa_generated")
	if err != nil {
		return q, err
	}
	q.withQA = said && !without
	if text := query.Get("precision"); text != "" {
		if q.precision, err = strconv.Atoi(text); err != nil || q.precision < 0 || q.precision > 6 {
			return q, fault.New(fault.Invalid, "invalid_request", "precision must be an integer from 0 to 6.").At("query.precision", "not an integer from 0 to 6")
		}
	}
	return q, q.setCurrency(query.Get("currency"), home)
}

// pass notes a filter that was asked for and that nothing of the metric is kept by. What is always 0 passes nothing over.
func (q *question) pass(by keeping, parameter string) {
	if q.metric.kept() && !q.metric.keeping().has(by) {
		q.past = append(q.past, parameter)
	}
}

// setCampaigns reads which campaigns are meant by their ids, their tags and their status.
func (q *question) setCampaigns(query url.Values) error {
	var err error
	if q.campaigns, err = campaignIDs(slices.Concat(query["campaign_ids[]"], query["campaign_ids"])); err != nil {
		return err
	}
	if q.tags, err = texts(query, "campaign_tags"); err != nil {
		return err
	}
	q.status = strings.ToLower(query.Get("campaign_status"))
	live, _, err := truthOf(query, "live_campaigns_only")
	if err != nil {
		return err
	}
	for parameter, asked := range map[string]bool{"campaign_ids": len(q.campaigns) > 0, "campaign_tags": len(q.tags) > 0, "campaign_status": q.status != "",
		"live_campaigns_only": live} {
		if asked {
			q.pass(byCampaign, parameter)
		}
	}
	slices.Sort(q.past)
	switch {
	case !live:
	case q.status != "" && q.status != "live":
		return fault.New(fault.Invalid, "invalid_request", "live_campaigns_only contradicts campaign_status.").At("query.live_campaigns_only", "contradicts campaign_status")
	default:
		q.status = "live"
	}
	if !slices.Contains([]string{"", "live", "test", "scheduled", "disabled"}, q.status) {
		return fault.New(fault.Invalid, "invalid_request", "campaign_status must be live, test, scheduled or disabled.").At("query.campaign_status", "no status of campaigns")
	}
	return nil
}

// setFacets reads the filters by facets. mobile_visitor is one by devices; together with device_type it takes what both allow.
func (q *question) setFacets(query url.Values) error {
	for i, f := range facetKinds {
		values, err := texts(query, f.parameter)
		if err != nil {
			return err
		}
		if len(values) > 0 {
			q.facets[i] = values
			q.pass(bit(i), f.parameter)
		}
	}
	for i, d := range q.facets[device] {
		if q.facets[device][i] = strings.ToLower(d); !slices.Contains(devices, q.facets[device][i]) {
			return fault.New(fault.Invalid, "invalid_request", "device_type must be desktop, mobile or tablet.").At("query.device_type", "no type of device")
		}
	}
	mobile, said, err := truthOf(query, "mobile_visitor")
	if err != nil || !said {
		return err
	}
	meant := immobiles
	if mobile {
		meant = mobiles
	}
	if asked := q.facets[device]; asked != nil {
		meant = slices.DeleteFunc(slices.Clone(meant), func(d string) bool { return !slices.Contains(asked, d) })
	}
	q.facets[device] = meant
	q.pass(byDevice, "mobile_visitor")
	return nil
}

// texts reads a list in each of its spellings: name[]=a&name[]=b, name=a,b and name=a&name=b.
func texts(query url.Values, name string) ([]string, error) {
	var out []string
	for _, value := range slices.Concat(query[name+"[]"], query[name]) {
		for text := range strings.SplitSeq(value, ",") {
			if text = strings.TrimSpace(text); text != "" {
				out = append(out, text)
			}
		}
	}
	if len(out) > 100 {
		return nil, fault.New(fault.Invalid, "invalid_request", "%s", name+" must be at most 100.").At("query."+name, "too many")
	}
	return out, nil
}

// truthOf reads true, false, 1 and 0; said: it is there.
func truthOf(query url.Values, name string) (is, said bool, err error) {
	switch strings.ToLower(query.Get(name)) { // Python says True
	case "":
		return false, false, nil
	case "true", "1":
		return true, true, nil
	case "false", "0":
		return false, true, nil
	}
	return false, true, fault.New(fault.Invalid, "invalid_request", "%s", short(name)+" must be true or false.").At("query."+short(name), "neither true nor false")
}

// named says whether campaigns are meant by what they are called.
func (q *question) named() bool { return len(q.tags) > 0 || q.status != "" }

// noCampaign is none that there could be: what is asked of no campaigns is zero, and not what all of them have.
const noCampaign = -1

// among keeps to those of the campaigns that were asked for by their ids, too.
func (q *question) among(found []int64) {
	if len(q.campaigns) > 0 {
		found = slices.DeleteFunc(found, func(id int64) bool { return !slices.Contains(q.campaigns, id) })
	}
	if q.campaigns = found; len(found) == 0 {
		q.campaigns = []int64{noCampaign}
	}
}

func (q *question) setCurrency(asked, home string) error {
	if asked == "" {
		if q.metric.inMoney() {
			q.currency = home
		}
		return nil
	}
	if _, ok := money.Digits(asked); !ok {
		return fault.New(fault.Invalid, "invalid_request", "currency must be an ISO 4217 code like USD.").At("query.currency", "not an ISO 4217 code")
	}
	q.currency = asked
	if !q.metric.inMoney() {
		q.pass(byCurrency, "currency")
	}
	return nil
}

func unavailable(parameter, detail string) error {
	return fault.New(fault.Invalid, "filter_unavailable", "%s", detail).At("query."+short(parameter), "not available")
}

// campaignIDs reads campaign_ids[]=1&campaign_ids[]=2, campaign_ids=1,2 and campaign_ids=1.
func campaignIDs(values []string) ([]int64, error) {
	var ids []int64
	for _, value := range values {
		for text := range strings.SplitSeq(value, ",") {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			id, err := strconv.ParseInt(text, 10, 64)
			if err != nil || id < 1 || len(ids) == 1000 {
				return nil, fault.New(fault.Invalid, "invalid_request", "campaign_ids must be at most 1000 ids of campaigns.").
					At("query.campaign_ids", "not a list of ids")
			}
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// one answers a question with one number.
func (m *Module) one(ctx context.Context, siteID int64, q question) (MetricValue, error) {
	found, err := totals(ctx, m.DB, siteID, q, split{})
	if err != nil {
		return MetricValue{}, err
	}
	parts := map[string]pair{}
	for _, t := range found {
		parts[t.Key] = pair{t.Count, t.Sum}
	}
	return q.metric.value(parts, q.currency, q.precision), nil
}

// spanValue is a number of one period.
type spanValue struct {
	MetricValue
	Period string
}

// segments cuts totals of days, in their order, into spans.
func (q question) segments(spans []span, found []total) []spanValue {
	out := make([]spanValue, len(spans))
	next := 0
	for i, s := range spans {
		parts := map[string]pair{}
		for ; next < len(found) && !found[next].Day.After(s.to); next++ {
			p := parts[found[next].Key]
			parts[found[next].Key] = pair{p.count + found[next].Count, p.sum + found[next].Sum}
		}
		out[i] = spanValue{MetricValue: q.metric.value(parts, q.currency, q.precision), Period: s.String()}
	}
	return out
}

// short bounds what an answer repeats of a request.
func short(text string) string {
	if r := []rune(strings.ToValidUTF8(text, "?")); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return strings.ToValidUTF8(text, "?")
}
