package analytics

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
)

// total is what was counted under a key, on a day or in all.
type total struct {
	Key      string    `db:"metric"`
	Day      time.Time `db:"day"` // where it was asked for; so are the rest
	Campaign int64     `db:"campaign_id"`
	Channel  string    `db:"channel"`
	Source   string    `db:"traffic_source"`
	Device   string    `db:"device_type"`
	Category string    `db:"event_category"`
	Variant  string    `db:"variant"`

	UTMSource   string `db:"utm_source"`
	UTMMedium   string `db:"utm_medium"`
	UTMCampaign string `db:"utm_campaign"`

	Count int64 `db:"count"`
	Sum   int64 `db:"sum"`
}

func (t total) facets() facets {
	return facets{t.Channel, t.Source, t.Device, t.Category, t.Variant, t.UTMSource, t.UTMMedium, t.UTMCampaign}
}

// A filter asks of those keys only that are kept by it: $n are these keys, none where nobody filters.
const firstFacetArgument = 13

// totalsQuery takes three arguments for each facet: whether it is taken apart by it, the keys that are filtered by it, and what for.
var totalsQuery = func() string {
	var columns, filters, groups strings.Builder
	for i, f := range facetKinds {
		n := firstFacetArgument + 3*i
		fmt.Fprintf(&groups, ", %d", 4+i)
		fmt.Fprintf(&columns, ", case when $%d then %s else '' end as %s", n, f.column, f.column)
		fmt.Fprintf(&filters, "\n\t\t\tand (metric <> all ($%d) or %s = any ($%d))", n+1, f.column, n+2)
	}
	return `
		select metric, case when $6 then day else $3::date end as day, case when $7 then campaign_id else 0 end as campaign_id` + columns.String() + `,
			sum(count)::bigint as count, sum(sum)::bigint as sum
		from analytics.daily
		where site_id = $1 and metric = any ($2) and day between $3::date and $4::date and (not qa or $5)
			and (metric <> all ($8) or campaign_id = any ($9))
			and (metric <> all ($10) or currency = $11)` + filters.String() + `
		group by 1, 2, 3` + groups.String() + `
		limit $12`
}()

// mostTotals are read for one answer: as many days as a hundred years have, taken apart by a few.
const mostTotals = 200_000

// totalsOf is the query of a question with its arguments. Where no currency is asked for, counts are of all of them.
func totalsOf(siteID int64, q question, s split) (query string, arguments []any) {
	none := []string{}
	campaignKeys, currencyKeys := none, none
	if len(q.campaigns) > 0 {
		campaignKeys = q.metric.keysBy(byCampaign)
	}
	if q.currency != "" {
		currencyKeys = q.metric.keysBy(byCurrency)
	}
	arguments = []any{siteID, pq.Array(q.metric.keys()), q.span.from.Format(time.DateOnly), q.span.to.Format(time.DateOnly), q.withQA,
		s.spans != nil, s.by.has(byCampaign), pq.Array(campaignKeys), pq.Array(append([]int64{}, q.campaigns...)), pq.Array(currencyKeys), q.currency, mostTotals + 1}
	for i, values := range q.facets {
		keys := none
		if values != nil {
			keys = q.metric.keysBy(bit(i))
		}
		arguments = append(arguments, s.by.has(bit(i)), pq.Array(keys), pq.Array(append([]string{}, values...)))
	}
	return totalsQuery, arguments
}

// totals adds up days.
func totals(ctx context.Context, db sqlx.QueryerContext, siteID int64, q question, s split) ([]total, error) {
	query, arguments := totalsOf(siteID, q, s)
	var found []total
	if err := sqlx.SelectContext(ctx, db, &found, query, arguments...); err != nil {
		return nil, fmt.Errorf("add up days: %w", err)
	}
	if len(found) > mostTotals {
		return nil, tooMany(mostTotals)
	}
	return found, nil
}

// tooMany refuses to take a metric apart into more than n numbers.
func tooMany(n int) error {
	return fault.New(fault.Invalid, "invalid_range", "That would be more than %d rows; please ask for longer periods, fewer days or fewer campaigns.", n).
		At("query", "makes too many rows")
}
