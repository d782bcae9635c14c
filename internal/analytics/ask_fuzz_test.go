package analytics

import (
	"net/url"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/money"
)

// FuzzQuestion: a query that passes asks for a metric that exists, over at most a hundred years, in a currency that exists.
func FuzzQuestion(f *testing.F) {
	for _, s := range []string{"start_date=2026-01-01&end_date=2026-01-31", "start_date=1/15/2024&end_date=2/1/2024&currency=EUR&precision=2", "start_date=2026-02-30&end_date=2026-03-01",
		"start_date=0001-01-01&end_date=9999-12-31", "campaign_ids[]=1&campaign_ids=2,3,,&start_date=2026-01-01&end_date=2026-01-01", "precision=-1", "__proto__=1", "currency=$$$&start_date=2026-01-01&end_date=2026-01-01"} {
		f.Add("total_sales_sum", s, "month")
	}
	f.Add("amount;drop", "", "hour")
	f.Fuzz(func(t *testing.T, metric, query, period string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		q, err := read(metric, values, "EUR")
		if err != nil {
			return
		}
		if q.metric.name != metric || q.span.from.After(q.span.to) || q.span.to.After(q.span.from.AddDate(100, 0, 0)) || len(q.campaigns) > 1000 || q.precision < -1 || q.precision > 6 {
			t.Errorf("%s?%s is %+v", metric, query, q)
		}
		if _, known := money.Digits(q.currency); q.currency != "" && !known {
			t.Errorf("%s?%s: currency %q", metric, query, q.currency)
		}
		parts, err := q.span.segments(period)
		if err != nil {
			return
		}
		next := q.span.from
		for _, p := range parts { // they cover the span without a gap or an overlap
			if !p.from.Equal(next) || p.to.Before(p.from) {
				t.Fatalf("%v in %s: %v", q.span, period, p)
			}
			next = p.to.Add(24 * time.Hour)
		}
		if !next.Equal(q.span.to.Add(24 * time.Hour)) {
			t.Errorf("%v in %s ends before %v", q.span, period, next)
		}
	})
}
