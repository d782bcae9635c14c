package analytics

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/gateway/gatewayevent"
)

// knownSite is a row of the projection.
type knownSite struct {
	ID       int64  `db:"site_id"`
	Currency string `db:"currency"`
	TimeZone string `db:"time_zone"`
}

// saveSites keeps the newest settings of sites.
func saveSites(ctx context.Context, tx sqlx.ExtContext, changed map[int64]gatewayevent.SiteChanged) error {
	var currencies, zones, at []string
	ids := slices.Sorted(maps.Keys(changed))
	for _, id := range ids {
		s := changed[id]
		currencies, zones, at = append(currencies, s.Currency), append(zones, s.TimeZone), append(at, s.ChangedAt.Format(time.RFC3339Nano))
	}
	_, err := tx.ExecContext(ctx, `
		insert into analytics.site as t (site_id, currency, time_zone, changed_at)
		select s, c, z, a::timestamptz from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) as u (s, c, z, a)
		on conflict on constraint site_pkey do update
		set currency = excluded.currency, time_zone = excluded.time_zone, changed_at = excluded.changed_at
		where t.changed_at <= excluded.changed_at`,
		pq.Array(ids), pq.Array(currencies), pq.Array(zones), pq.Array(at))
	if err != nil {
		return fmt.Errorf("save sites: %w", err)
	}
	return nil
}

func sitesByID(ctx context.Context, tx sqlx.QueryerContext, wanted map[int64]bool) ([]knownSite, error) {
	var found []knownSite
	err := sqlx.SelectContext(ctx, tx, &found, `
		select site_id, currency, time_zone from analytics.site where site_id = any ($1)`,
		pq.Array(slices.Sorted(maps.Keys(wanted))))
	if err != nil {
		return nil, fmt.Errorf("read sites: %w", err)
	}
	return found, nil
}

func siteIDs(ctx context.Context, db sqlx.QueryerContext) ([]int64, error) {
	var ids []int64
	if err := sqlx.SelectContext(ctx, db, &ids, `select site_id from analytics.site order by site_id`); err != nil {
		return nil, fmt.Errorf("list sites: %w", err)
	}
	return ids, nil
}

// addRows adds to the days; each row comes once, in the table's order.
func addRows(ctx context.Context, tx sqlx.ExtContext, rows []row) error {
	n := len(rows)
	sites, campaigns, counts, sums := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	keys, days, currencies, qas := make([]string, n), make([]string, n), make([]string, n), make([]bool, n)
	var apart [facetCount][]string
	for f := range apart {
		apart[f] = make([]string, n)
	}
	for i, r := range rows {
		sites[i], keys[i], days[i], campaigns[i] = r.site, r.key, r.day, r.campaign
		currencies[i], counts[i], sums[i], qas[i] = r.currency, r.count, r.sum, r.qa
		for f := range apart {
			apart[f][i] = r.facets[f]
		}
	}
	_, err := tx.ExecContext(ctx, `
		insert into analytics.daily as d (site_id, metric, day, campaign_id, currency, count, sum, qa, channel, traffic_source, device_type, event_category, variant,
			utm_source, utm_medium, utm_campaign)
		select s, k, d::date, c, m, n, v, q, h, t, e, g, x, us, um, uc
		from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::boolean[], $9::text[],
				$10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[])
			with ordinality as u (s, k, d, c, m, n, v, q, h, t, e, g, x, us, um, uc, o)
		order by o
		on conflict on constraint daily_pkey do update set count = d.count + excluded.count, sum = d.sum + excluded.sum`,
		pq.Array(sites), pq.Array(keys), pq.Array(days), pq.Array(campaigns), pq.Array(currencies), pq.Array(counts), pq.Array(sums),
		pq.Array(qas), pq.Array(apart[channel]), pq.Array(apart[source]), pq.Array(apart[device]), pq.Array(apart[category]), pq.Array(apart[variant]),
		pq.Array(apart[utmSource]), pq.Array(apart[utmMedium]), pq.Array(apart[utmCampaign]))
	if err != nil {
		return fmt.Errorf("add to the days: %w", err)
	}
	return nil
}

// visitorDay is a visitor of a campaign on a day.
type visitorDay struct {
	site     int64
	day      string
	campaign int64
	visitor  string
}

// insertVisitors remembers visitors of whom it is seen how they came first, and returns how many of them are new on their day, as rows of
// uniqueVisits.
func insertVisitors(ctx context.Context, tx sqlx.ExtContext, seen map[visitorDay]fact) ([]row, error) {
	all := slices.SortedFunc(maps.Keys(seen), func(a, b visitorDay) int {
		return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.day, b.day), cmp.Compare(a.campaign, b.campaign), cmp.Compare(a.visitor, b.visitor))
	})
	n := len(all)
	sites, days, campaigns, visitors := make([]int64, n), make([]string, n), make([]int64, n), make([]string, n)
	for i, v := range all {
		sites[i], days[i], campaigns[i], visitors[i] = v.site, v.day, v.campaign, v.visitor
	}
	var fresh []struct {
		Site     int64  `db:"site_id"`
		Day      string `db:"day"`
		Campaign int64  `db:"campaign_id"`
		Visitor  string `db:"visitor_id"`
	}
	err := sqlx.SelectContext(ctx, tx, &fresh, `
		insert into analytics.visitor_day (site_id, day, campaign_id, visitor_id)
		select s, d::date, c, v
		from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[]) with ordinality as u (s, d, c, v, o)
		order by o
		on conflict on constraint visitor_day_pkey do nothing
		returning site_id, day::text as day, campaign_id, visitor_id`,
		pq.Array(sites), pq.Array(days), pq.Array(campaigns), pq.Array(visitors))
	if err != nil {
		return nil, fmt.Errorf("remember visitors: %w", err)
	}
	sums := map[row]int64{}
	for _, f := range fresh {
		first := seen[visitorDay{f.Site, f.Day, f.Campaign, f.Visitor}]
		sums[row{site: f.Site, key: uniqueVisits, day: f.Day, campaign: f.Campaign, qa: first.qa, facets: first.facets.only(keptBy[uniqueVisits])}]++
	}
	rows := make([]row, 0, len(sums))
	for r, n := range sums {
		r.count = n
		rows = append(rows, r)
	}
	return rows, nil
}

// forgetVisitors drops up to n visitors of days that lie more than keep days behind the site's newest.
func forgetVisitors(ctx context.Context, db sqlx.ExtContext, siteID int64, keep, n int) (int64, error) {
	done, err := db.ExecContext(ctx, `
		delete from analytics.visitor_day
		where ctid = any (array(
			select ctid from analytics.visitor_day
			where site_id = $1 and day < (select max(day) from analytics.visitor_day where site_id = $1) - $2::int
			order by day limit $3))`, siteID, keep, n)
	if err != nil {
		return 0, fmt.Errorf("forget visitors: %w", err)
	}
	return done.RowsAffected()
}
