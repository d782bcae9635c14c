package notify

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// finished is a delivery after an attempt.
type finished struct {
	errand
	tried
	verdict
	began time.Time
}

// finishErrands stores what became of claimed deliveries, each once, and keeps their attempts. Those that another worker has by now
// stay as they are: their attempt was made nevertheless. It returns the places in all of those that were still ours.
func finishErrands(ctx context.Context, tx sqlx.ExtContext, all []finished, now time.Time) ([]int, error) {
	n := len(all)
	sites, ids, claims, statuses, took := make([]int64, n), make([]int64, n), make([]int64, n), make([]sql.NullInt64, n), make([]int64, n)
	states, reasons, nexts, errs, answers, began := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]sql.NullString, n), make([]string, n)
	for i, f := range all {
		sites[i], ids[i], claims[i] = f.SiteID, f.ID, int64(f.Claim)
		states[i], reasons[i], errs[i], took[i] = f.state, f.reason, f.verdict.err, f.answer.Took.Milliseconds()
		nexts[i], began[i] = now.Format(time.RFC3339Nano), f.began.Format(time.RFC3339Nano)
		if !f.next.IsZero() {
			nexts[i] = f.next.Format(time.RFC3339Nano)
		}
		if f.answer.Status != 0 {
			statuses[i] = sql.NullInt64{Int64: int64(f.answer.Status), Valid: true}
			answers[i] = sql.NullString{String: printable(f.answer.Body), Valid: true}
		}
	}
	_, err := tx.ExecContext(ctx, `
		insert into notify.attempt (site_id, delivery_id, number, started_at, milliseconds, status, error, answer)
		select s, i, c, b::timestamptz, m, h, nullif(e, ''), a
		from unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::bigint[], $6::int[], $7::text[], $8::text[]) as u (s, i, c, b, m, h, e, a)
		on conflict on constraint attempt_pkey do nothing`,
		pq.Array(sites), pq.Array(ids), pq.Array(claims), pq.Array(began), pq.Array(took), pq.Array(statuses), pq.Array(errs), pq.Array(answers))
	if err != nil {
		return nil, fmt.Errorf("keep attempts: %w", err)
	}
	var ours []int
	err = sqlx.SelectContext(ctx, tx, &ours, `
		update notify.delivery d
		set state = t, reason = nullif(r, ''), next_at = n::timestamptz, lease_until = null, last_status = h, last_error = nullif(e, ''),
			delivered_at = case when t = 'delivered' then $9::timestamptz end, failed_at = case when t = 'failed' then $9::timestamptz end
		from unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[], $7::int[], $8::text[]) with ordinality
			as u (s, i, c, t, r, n, h, e, place)
		where d.site_id = u.s and d.id = u.i and d.claim = u.c and d.state = 'sending'
		returning place - 1`,
		pq.Array(sites), pq.Array(ids), pq.Array(claims), pq.Array(states), pq.Array(reasons), pq.Array(nexts), pq.Array(statuses), pq.Array(errs), now)
	if err != nil {
		return nil, fmt.Errorf("finish deliveries: %w", err)
	}
	return ours, nil
}

// returnErrands gives claimed deliveries back whose call this process ended.
func returnErrands(ctx context.Context, tx sqlx.ExecerContext, all []finished, now time.Time) error {
	if len(all) == 0 {
		return nil
	}
	sites, ids, claims := make([]int64, len(all)), make([]int64, len(all)), make([]int64, len(all))
	for i, f := range all {
		sites[i], ids[i], claims[i] = f.SiteID, f.ID, int64(f.Claim)
	}
	_, err := tx.ExecContext(ctx, `
		update notify.delivery d set state = 'waiting', attempts = attempts - 1, lease_until = null, next_at = $4
		from unnest($1::bigint[], $2::bigint[], $3::int[]) as u (s, i, c)
		where d.site_id = u.s and d.id = u.i and d.claim = u.c and d.state = 'sending'`, pq.Array(sites), pq.Array(ids), pq.Array(claims), now)
	if err != nil {
		return fmt.Errorf("give deliveries back: %w", err)
	}
	return nil
}

// healths notes which endpoints have just answered well and which have not; each is in one of the two.
func healths(ctx context.Context, tx sqlx.ExecerContext, well, ill []endpointPlace, now time.Time) error {
	for _, h := range []struct {
		of   []endpointPlace
		stmt string
	}{
		{well, `
			update notify.endpoint e set failing_since = null
			from unnest($1::bigint[], $2::bigint[]) as u (s, i)
			where e.site_id = u.s and e.id = u.i and e.failing_since is not null and $3::timestamptz is not null`},
		{ill, `
			update notify.endpoint e set failing_since = $3
			from unnest($1::bigint[], $2::bigint[]) as u (s, i)
			where e.site_id = u.s and e.id = u.i and e.failing_since is null`},
	} {
		if len(h.of) == 0 {
			continue
		}
		sites, ids := split(h.of)
		if _, err := tx.ExecContext(ctx, h.stmt, pq.Array(sites), pq.Array(ids), now); err != nil {
			return fmt.Errorf("note how endpoints are: %w", err)
		}
	}
	return nil
}

// endpointPlace is an endpoint of a site.
type endpointPlace struct{ siteID, id int64 }

func split(all []endpointPlace) (sites, ids []int64) {
	for _, p := range all {
		sites, ids = append(sites, p.siteID), append(ids, p.id)
	}
	return sites, ids
}

// disableEndpoints tells no more to endpoints that are gone, and to those that have only failed since before.
func disableEndpoints(ctx context.Context, tx sqlx.QueryerContext, goneOnes, ill []endpointPlace, before, now time.Time) ([]endpoint, error) {
	goneSites, goneIDs := split(goneOnes)
	illSites, illIDs := split(ill)
	var out []endpoint
	err := sqlx.SelectContext(ctx, tx, &out, `
		update notify.endpoint e
		set enabled = false, disabled_at = $5, changed_at = $5, disabled_reason = w.reason
		from (
			select s, i, 'gone' as reason from unnest($1::bigint[], $2::bigint[]) as g (s, i)
			union all
			select s, i, 'failing' from unnest($3::bigint[], $4::bigint[]) as f (s, i)) w
		where e.site_id = w.s and e.id = w.i and e.enabled and (w.reason = 'gone' or e.failing_since < $6)
		returning `+endpointColumns("e"), pq.Array(goneSites), pq.Array(goneIDs), pq.Array(illSites), pq.Array(illIDs), now, before)
	if err != nil {
		return nil, fmt.Errorf("disable endpoints: %w", err)
	}
	return out, nil
}

// sortPlaces puts endpoints into the one order in which they are locked.
func sortPlaces(all []endpointPlace) {
	slices.SortFunc(all, func(x, y endpointPlace) int { return cmp.Or(cmp.Compare(x.siteID, y.siteID), cmp.Compare(x.id, y.id)) })
}
