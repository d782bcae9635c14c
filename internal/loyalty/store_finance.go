package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/loyalty/finance"
	"github.com/talkable/talkable/internal/loyalty/seal"
)

// aloneInFinance lets one transaction at a time change what a site's reports say of days. It comes before the chain.
func aloneInFinance(ctx context.Context, tx sqlx.ExecerContext, site int64) error {
	_, err := tx.ExecContext(ctx, `select pg_advisory_xact_lock(hashtextextended('loyalty.finance', $1))`, site)
	return wrapped("keep the books alone", err)
}

// saveTurnover adds to the quarters, of those that are closed to the first that is not. Who seals a site holds its chain, and so does who closes a
// month: nobody else adds to its rows, and none is closed meanwhile.
func saveTurnover(ctx context.Context, tx sqlx.ExecerContext, site int64, rows []turnover) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.turnover as t (site_id, at, name, kind, wallet, points, entries)
		select $1, greatest(at::timestamptz, (select max(ends_at) from loyalty.closing where site_id = $1)) as quarter, name, kind, wallet, sum(points), sum(entries)
		from unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[]) as u (at, name, kind, points, entries, wallet)
		group by quarter, name, kind, wallet
		order by quarter, name, kind, wallet
		on conflict (site_id, at, name, kind, wallet) do update set points = t.points + excluded.points, entries = t.entries + excluded.entries`, site,
		pq.Array(column(rows, func(t turnover) string { return stamp(t.at) })), pq.Array(column(rows, func(t turnover) string { return t.name })),
		pq.Array(column(rows, func(t turnover) string { return t.kind })), pq.Array(column(rows, func(t turnover) int64 { return t.points })),
		pq.Array(column(rows, func(t turnover) int64 { return t.entries })), pq.Array(column(rows, func(t turnover) string { return t.asset })))
	return wrapped("save the turnover", err)
}

const turnoverByDayQuery = `
		select width_bucket(at, $2::timestamptz[]) as day, wallet, name, kind, sum(points)::bigint as points, sum(entries)::bigint as entries
		from loyalty.turnover where site_id = $1 and at >= $3 and at < $4
		group by 1, 2, 3, 4 order by 1, 2, 3, 4`

// turnoverByDay reads what was booked in all wallets on days that begin at some moments, up to an end. They lie together: one wallet by itself is read no sooner.
func turnoverByDay(ctx context.Context, db sqlx.QueryerContext, site int64, begins []time.Time, end time.Time) (rows []finance.Sum, err error) {
	err = sqlx.SelectContext(ctx, db, &rows, turnoverByDayQuery, site, pq.Array(column(begins, stamp)), begins[0], end)
	return rows, wrapped("read the turnover", err)
}

const turnoverBetweenQuery = `
		select wallet, name, sum(points)::bigint as points from loyalty.turnover where site_id = $1 and at >= $2 and at < $3 group by wallet, name`

// addTurnover adds what was booked in a period to balances, times so often: once, or minus once.
func addTurnover(ctx context.Context, db sqlx.QueryerContext, site int64, balances walletBalances, from, to time.Time, times int64) error {
	var rows []finance.Sum
	if err := sqlx.SelectContext(ctx, db, &rows, turnoverBetweenQuery, site, from, to); err != nil {
		return fmt.Errorf("read the turnover: %w", err)
	}
	for _, r := range rows {
		balances.add(r.Wallet, r.Account, times*r.Points)
	}
	return nil
}

// holdChain locks a site's chain, waiting for who seals it.
func holdChain(ctx context.Context, tx sqlx.QueryerContext, site int64) (seal.Chain, error) {
	var r chainRow
	err := sqlx.GetContext(ctx, tx, &r, `select `+chainColumns+` from loyalty.chain where site_id = $1 for update`, site)
	if errors.Is(err, sql.ErrNoRows) {
		return seal.Begin(site), nil
	}
	if err != nil {
		return seal.Chain{}, fmt.Errorf("hold a chain: %w", err)
	}
	return r.chain()
}

// unsealedBefore says whether something that was written before a moment is not in the chain yet.
func unsealedBefore(ctx context.Context, db sqlx.QueryerContext, c seal.Chain, at time.Time) (yes bool, err error) {
	err = sqlx.GetContext(ctx, db, &yes, `select exists (select from loyalty.txn where site_id = $1 and id > $2 and recorded_at < $3)`, c.SiteID, c.ID, at)
	return yes, wrapped("look for what is not sealed", err)
}

func pointValues(ctx context.Context, db sqlx.QueryerContext, site int64) (rows []finance.Value, err error) {
	rows = []finance.Value{}
	err = sqlx.SelectContext(ctx, db, &rows, `
		select version, coalesce(wallet, 'points') as wallet, from_day::text as from_day, points, amount, breakage_bp, currency, set_at
		from loyalty.point_value where site_id = $1 order by program_id, version`, site)
	return rows, wrapped("read what points are worth", err)
}

func addPointValue(ctx context.Context, tx sqlx.ExecerContext, p program, v finance.Value) error {
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.point_value (site_id, program_id, version, wallet, from_day, points, amount, breakage_bp, currency, set_at)
		values ($1, $2, $3, nullif($4, 'points'), $5::date, $6, $7, $8, $9, $10)`,
		p.SiteID, p.ID, v.Version, v.Wallet, v.From, v.Points, v.Amount, v.Breakage, v.Currency, v.SetAt)
	return wrapped("set what points are worth", err)
}

const closingColumns = `journal::text as journal from loyalty.closing k where site_id = $1`

// closingsOf reads a site's closed months up to one ("": the last), newest first.
func closingsOf(ctx context.Context, db sqlx.QueryerContext, site int64, upto string, limit int) ([]finance.Journal, error) {
	if upto == "" {
		upto = "infinity"
	}
	return journals(ctx, db, `select `+closingColumns+` and month <= $2::date order by month desc limit $3`, site, upto, limit)
}

// closedBy reads the last month that ended by a moment; nil: there is none.
func closedBy(ctx context.Context, db sqlx.QueryerContext, site int64, at time.Time) (*finance.Journal, error) {
	found, err := journals(ctx, db, `select `+closingColumns+` and ends_at <= $2 order by ends_at desc limit 1`, site, at)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

func journals(ctx context.Context, db sqlx.QueryerContext, query string, args ...any) ([]finance.Journal, error) {
	var rows []string
	if err := sqlx.SelectContext(ctx, db, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("read closed months: %w", err)
	}
	out := make([]finance.Journal, len(rows))
	for i, r := range rows {
		j, err := finance.Read([]byte(r))
		if err != nil {
			return nil, wrapped("read closed months", err)
		}
		out[i] = j
	}
	return out, nil
}

// addClosing keeps a closed month behind another (nil: it is the first).
func addClosing(ctx context.Context, tx sqlx.ExecerContext, site int64, j finance.Journal, follows *finance.Journal, hash seal.Hash) error {
	var after *time.Time
	if follows != nil {
		after = &follows.EndsAt
	}
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.closing (site_id, month, follows, begins_at, ends_at, zone, place, txn_id, hash, journal, closed_at)
		values ($1, $2::date, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		site, j.Month+"-01", after, j.BeginsAt, j.EndsAt, j.Zone, j.Place, j.TransactionID, hash[:], text(j), j.ClosedAt)
	return wrapped("close a month", err)
}
