package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// rateRow is what one unit of a currency was worth on a day, times rateUnit.
type rateRow struct {
	Day    string `db:"day" json:"day"`
	Source string `db:"source" json:"source"`
	Target string `db:"target" json:"target"`
	Rate   int64  `db:"rate" json:"rate"`
}

// ratesOf reads the rates that commissions need; those that aren't known are left out.
func ratesOf(ctx context.Context, q sqlx.QueryerContext, list []commission) (map[rateKey]int64, error) {
	out := map[rateKey]int64{}
	var sites []int64
	var days, sources, targets []string
	for i := range list {
		if k := list[i].rateKey(); list[i].converts() {
			sites, days, sources, targets = append(sites, k.site), append(days, k.day), append(sources, k.source), append(targets, k.target)
		}
	}
	if len(sites) == 0 {
		return out, nil
	}
	var found []struct {
		SiteID int64 `db:"site_id"`
		rateRow
	}
	err := sqlx.SelectContext(ctx, q, &found, `
		select x.site_id, x.day::text as day, x.source, x.target, x.rate
		from (select distinct s, d, f, t from unnest($1::bigint[], $2::date[], $3::text[], $4::text[]) u (s, d, f, t)) u
		join referral.exchange_rate x on x.site_id = u.s and x.day = u.d and x.source = u.f and x.target = u.t`,
		pq.Array(sites), pq.Array(days), pq.Array(sources), pq.Array(targets))
	if err != nil {
		return nil, fmt.Errorf("exchange rates: %w", err)
	}
	for _, f := range found {
		out[rateKey{f.SiteID, f.Day, f.Source, f.Target}] = f.Rate
	}
	return out, nil
}

// ratesOfDay reads a day's rates.
func ratesOfDay(ctx context.Context, q sqlx.QueryerContext, siteID int64, day string) ([]rateRow, error) {
	var out []rateRow
	err := sqlx.SelectContext(ctx, q, &out, `
		select day::text as day, source, target, rate from referral.exchange_rate where site_id = $1 and day = $2::date order by source, target`, siteID, day)
	if err != nil {
		return nil, fmt.Errorf("exchange rates of a day: %w", err)
	}
	return out, nil
}

// saveRates adds rates of a day, or changes them; what was converted already keeps its rate.
func saveRates(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID, keyID int64, list []rateRow) error {
	_, err := tx.ExecContext(ctx, `
		insert into referral.exchange_rate as x (site_id, day, source, target, rate, key_id, at)
		select $1, day, source, target, rate, $2, $3
		from jsonb_to_recordset($4::jsonb) r (day date, source text, target text, rate bigint)
		order by source, target
		on conflict (site_id, day, source, target) do update set rate = excluded.rate, key_id = excluded.key_id, at = excluded.at`,
		siteID, keyID, now, recordset(list))
	if err != nil {
		return fmt.Errorf("save exchange rates: %w", err)
	}
	return nil
}
