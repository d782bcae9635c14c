package main

import (
	"context"
	"fmt"
	"strings"
)

// forgetStatements begins the database's own account of its time anew.
func (p *platform) forgetStatements(ctx context.Context) error {
	_, err := p.db.ExecContext(ctx, `create extension if not exists pg_stat_statements; 
		select pg_stat_statements_reset(0, (select oid from pg_database where datname = current_database()), 0)`)
	return err
}

// showStatements notes where the database's time went: by module, and by statement. Where the processors are the limit, the time
// of a statement includes its waiting for one.
func (p *platform) showStatements(ctx context.Context, r *report, what string, n int64) error {
	const platform = `
		with s as (
			select pg_get_userbyid(s.userid) as role, s.*, s.total_exec_time + s.total_plan_time as total
			from pg_stat_statements s join pg_database d on d.oid = s.dbid
			where d.datname = current_database() and pg_get_userbyid(s.userid) like 'talkable\_%')`
	var roles []struct {
		Role  string  `db:"role"`
		Calls float64 `db:"calls"`
		Exec  float64 `db:"exec"`
		Plan  float64 `db:"plan"`
		WAL   float64 `db:"wal"`
	}
	err := p.db.SelectContext(ctx, &roles, platform+`
		select coalesce(role, 'talkable_all') as role, sum(calls)::float8 as calls, sum(total_exec_time) as exec, sum(total_plan_time) as plan, sum(wal_bytes)::float8 as wal
		from s group by rollup (role) order by sum(total) desc`)
	if err != nil {
		return fmt.Errorf("pg_stat_statements: %w", err)
	}
	per := float64(max(n, 1))
	for _, m := range roles {
		r.note(strings.TrimPrefix(m.Role, "talkable_"), "%s: %.2f statements, %.0f µs executing, %.0f µs planning, %.0f bytes of log",
			what, m.Calls/per, 1000*m.Exec/per, 1000*m.Plan/per, m.WAL/per)
	}
	var rows []struct {
		Role  string  `db:"role"`
		Calls int64   `db:"calls"`
		Exec  float64 `db:"exec"`
		Plan  float64 `db:"plan"`
		Share float64 `db:"share"`
		Rows  float64 `db:"rows"`
		WAL   float64 `db:"wal"`
		Query string  `db:"query"`
	}
	err = p.db.SelectContext(ctx, &rows, platform+`
		select role, calls, mean_exec_time as exec, total_plan_time / calls as plan, 100 * total / sum(total) over () as share,
			rows::float8 / calls as rows, wal_bytes::float8 / calls as wal, query
		from s order by total desc limit 60`)
	if err != nil {
		return fmt.Errorf("pg_stat_statements: %w", err)
	}
	for _, s := range rows {
		r.note(fmt.Sprintf("%4.1f %% %s", s.Share, strings.TrimPrefix(s.Role, "talkable_")), "%d × (%.3f + %.3f planning) ms, %.1f rows, %.0f bytes of log: %.110s",
			s.Calls, s.Exec, s.Plan, s.Rows, s.WAL, strings.Join(strings.Fields(s.Query), " "))
	}
	return nil
}
