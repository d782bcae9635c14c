package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
)

// invariant is one statement about the platform's tables. Its SQL returns the rows that break it, set by set, over all modules at
// once: only a checker with a superuser's connection may look so far.
type invariant struct {
	ID, Says string
	Settled  bool // holds when nothing is under way; the others hold at any instant
	SQL      string
}

// violation is an invariant, or a check of the checker's own, that does not hold.
type violation struct {
	Invariant, Detail string
	Rows              []string // the first few offenders
}

// invariants are all there are.
var invariants = slices.Concat(ledgerInvariants, customerInvariants, referralInvariants, rewardInvariants, commissionInvariants, loyaltyInvariants, memberInvariants,
	redemptionInvariants, couponInvariants, limitInvariants, payoutInvariants, analyticsInvariants, notifyInvariants, busInvariants, schemaInvariants)

const offendersShown = 3

// checkInvariants looks at one snapshot of the database: at the invariants that hold at any instant or, settled, at all.
func checkInvariants(ctx context.Context, db *sqlx.DB, settled bool) ([]violation, error) {
	tx, err := db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return nil, fmt.Errorf("look at the invariants: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := prepare(ctx, tx); err != nil {
		return nil, err
	}
	var broken []violation
	for _, i := range invariants {
		if i.Settled && !settled {
			continue
		}
		v, err := i.look(ctx, tx)
		if err != nil {
			return broken, err
		}
		if v != nil {
			broken = append(broken, *v)
		}
	}
	return broken, nil
}

// prepare unrolls the logs into a table of this transaction. Every statement reads whole tables, of which the planner may know
// nothing yet: nested loops would be the end.
func prepare(ctx context.Context, tx *sqlx.Tx) error {
	_, err := tx.ExecContext(ctx, `
		set local enable_nestloop = off; set local work_mem = '64MB'; set local temp_buffers = '64MB'; set local jit = off;
		create temp table told on commit drop as
		`+each(`select '{m}' as log, seq, site, at, key, type as kind, payload as p from {m}.event
			union all select '{m}', null, site, at, key, type, payload from {m}.waiting`)+`;
		analyze told`)
	if err != nil {
		return fmt.Errorf("unroll the logs: %w", err)
	}
	return nil
}

// look returns what breaks the invariant; nil: it holds.
func (i invariant) look(ctx context.Context, tx *sqlx.Tx) (*violation, error) {
	var rows []struct {
		Row string `db:"offender"`
		All int64  `db:"n"`
	}
	err := tx.SelectContext(ctx, &rows, `with offenders as materialized (`+i.SQL+`)
		select row_to_json(offenders)::text as offender, count(*) over () as n from offenders limit `+fmt.Sprint(offendersShown))
	if err != nil {
		return nil, fmt.Errorf("invariant %s: %w", i.ID, err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	v := &violation{Invariant: i.ID, Detail: fmt.Sprintf("%d rows break: %s", rows[0].All, i.Says)}
	for _, r := range rows {
		v.Rows = append(v.Rows, r.Row)
	}
	return v, nil
}

// poisoned is how the keys of events begin that nobody can handle and that the checker has put into a log on purpose.
const poisoned = "poison:"

// told are the events of the given types, those in the log and those that still wait in the outbox, as (seq, site, kind, key, p).
// The logs are unrolled once, by prepare.
func told(kinds ...string) string {
	return `(select seq, site, kind, key, p from pg_temp.told where kind in (` + names(kinds...) + `) and key not like '` + poisoned + `%')`
}

// modules own a schema each.
var modules = []string{"gateway", "customer", "referral", "loyalty", "analytics", "notify"}

// each repeats a select for every module, whose name stands for {m}.
func each(query string) string {
	parts := make([]string, len(modules))
	for i, m := range modules {
		parts[i] = "(" + strings.ReplaceAll(query, "{m}", m) + ")"
	}
	return strings.Join(parts, " union all ")
}

// names writes words as a list of SQL.
func names(words ...string) string { return "'" + strings.Join(words, "', '") + "'" }
