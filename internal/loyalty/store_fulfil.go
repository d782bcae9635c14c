package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/agenda"
)

const fulfilAskColumns = `a.site_id, a.redemption_id, a.state, a.answer, a.tries, a.attempts::text as attempts, a.asked_at, a.next_at, a.settled_at`

// fulfilAsks asks about redemptions that a hook is to fulfil.
func (s *saving) fulfilAsks(all []*redemption) {
	var rows []*redemption
	for _, r := range all {
		if r.Status == waiting && r.Terms.of().Fulfilment == byHook {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return
	}
	s.add("questions of fulfilment", `
		insert into loyalty.fulfilment_ask (site_id, redemption_id, asked_at, next_at)
		select site_id, id, at::timestamptz, at::timestamptz from $rows`, `site_id id at:text`,
		column(rows, func(r *redemption) int64 { return r.SiteID }), column(rows, func(r *redemption) int64 { return r.ID }),
		column(rows, func(r *redemption) string { return stamp(r.CreatedAt) }))
}

// fulfilAsksDue are questions that are to be put, or whose call has ended without a word.
var fulfilAsksDue = agenda.Due{What: "questions of fulfilment", Table: "loyalty.fulfilment_ask", ID: "redemption_id", Columns: fulfilAskColumns,
	Open: "state in ('waiting', 'asking')", Set: "state = 'asking'"}

// lockFulfilAsks locks what is asked about redemptions, which are locked already.
func lockFulfilAsks(ctx context.Context, tx sqlx.QueryerContext, of []siteID) (map[siteID]*fulfilAsk, error) {
	if len(of) == 0 {
		return nil, nil
	}
	sites, ids := pairs(of)
	var rows []*fulfilAsk
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select `+fulfilAskColumns+`
		from (select * from unnest($1::bigint[], $2::bigint[]) with ordinality as u (site_id, id, o) order by o) u
		cross join lateral (select * from loyalty.fulfilment_ask a where a.site_id = u.site_id and a.redemption_id = u.id for update) a`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("lock questions of fulfilment: %w", err)
	}
	out := make(map[siteID]*fulfilAsk, len(rows))
	for _, a := range rows {
		out[siteID{a.SiteID, a.RedemptionID}] = a
	}
	return out, nil
}

// fulfilAskOf reads what is asked about a redemption; nil: nothing.
func fulfilAskOf(ctx context.Context, db sqlx.QueryerContext, site, id int64) (*fulfilAsk, error) {
	var a fulfilAsk
	err := sqlx.GetContext(ctx, db, &a, `select `+fulfilAskColumns+` from loyalty.fulfilment_ask a where a.site_id = $1 and a.redemption_id = $2`, site, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read question of fulfilment: %w", err)
	}
	return &a, nil
}

// saveFulfilAsk keeps what a try came to; false: the question was taken by somebody else when the lease had ended.
func saveFulfilAsk(ctx context.Context, tx sqlx.ExecerContext, a fulfilAsk, t fulfilAttempt) (bool, error) {
	done, err := tx.ExecContext(ctx, `
		update loyalty.fulfilment_ask set state = $4, answer = $5, next_at = $6, settled_at = $7,
			attempts = (select coalesce(jsonb_agg(x order by n), '[]') from (
				select x, n, row_number() over (order by n desc) as back from jsonb_array_elements(attempts || $8::jsonb) with ordinality as y (x, n)) z where back <= $9)
		where site_id = $1 and redemption_id = $2 and state = 'asking' and tries = $3`,
		a.SiteID, a.RedemptionID, a.Tries, a.State, a.Answer, a.NextAt, a.SettledAt, text([]fulfilAttempt{t}), attemptsKept)
	if err != nil {
		return false, fmt.Errorf("save question of fulfilment: %w", err)
	}
	n, err := done.RowsAffected()
	return n == 1, err
}

// fulfilHookOf reads a site's hook; nil: none is set.
func fulfilHookOf(ctx context.Context, db sqlx.QueryerContext, site int64) (*fulfilHook, error) {
	var h fulfilHook
	err := sqlx.GetContext(ctx, db, &h, `
		select site_id, url, secret, timeout_ms, deadline_minutes, on_failure, enabled, key_id, at from loyalty.fulfilment_hook where site_id = $1`, site)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read fulfilment hook: %w", err)
	}
	return &h, nil
}

func saveFulfilHook(ctx context.Context, tx sqlx.ExecerContext, h fulfilHook) error {
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.fulfilment_hook (site_id, url, secret, timeout_ms, deadline_minutes, on_failure, enabled, key_id, at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		on conflict on constraint fulfilment_hook_pkey do update set url = excluded.url, secret = excluded.secret, timeout_ms = excluded.timeout_ms,
			deadline_minutes = excluded.deadline_minutes, on_failure = excluded.on_failure, enabled = excluded.enabled, key_id = excluded.key_id, at = excluded.at`,
		h.SiteID, h.URL, h.Secret, h.TimeoutMS, h.Deadline, h.OnFailure, h.Enabled, h.KeyID, h.At)
	if err != nil {
		return fmt.Errorf("save fulfilment hook: %w", err)
	}
	return nil
}

// personOfMember is who a member is by now: of a merged one, the survivor.
func personOfMember(ctx context.Context, db sqlx.QueryerContext, site, member int64) (id int64, err error) {
	if err := sqlx.GetContext(ctx, db, &id, `
		select coalesce(s.person_id, m.person_id) from loyalty.member m
		left join loyalty.member s on s.site_id = m.site_id and s.id = m.merged_into
		where m.site_id = $1 and m.id = $2`, site, member); err != nil {
		return 0, fmt.Errorf("read whose redemption it is: %w", err)
	}
	return id, nil
}

// ruleOf reads how a transaction was decided.
func ruleOf(ctx context.Context, db sqlx.QueryerContext, site, id int64) (rule string, err error) {
	if err := sqlx.GetContext(ctx, db, &rule, `select rule from loyalty.txn where site_id = $1 and id = $2`, site, id); err != nil {
		return "", fmt.Errorf("read rule: %w", err)
	}
	return rule, nil
}
