package main

import (
	"context"
	"fmt"
	"strings"
)

// forgetStatements begins the database's own account of its time anew.
func (d *database) forgetStatements(ctx context.Context) error {
	_, err := d.platform.ExecContext(ctx, `create extension if not exists pg_stat_statements; select pg_stat_statements_reset()`)
	return err
}

// showStatements notes which of the platform's statements took the most of the database's time.
func (d *database) showStatements(ctx context.Context, r *report) error {
	var rows []struct {
		Role  string  `db:"role"`
		Calls int64   `db:"calls"`
		Each  float64 `db:"each"`
		Share float64 `db:"share"`
		Rows  float64 `db:"rows"`
		WAL   int64   `db:"wal"`
		Query string  `db:"query"`
	}
	err := d.platform.SelectContext(ctx, &rows, `
		select pg_get_userbyid(s.userid) as role, s.calls, s.mean_exec_time as each, 100 * s.total_exec_time / sum(s.total_exec_time) over () as share,
			s.rows::float8 / s.calls as rows, (s.wal_bytes / s.calls)::bigint as wal, s.query
		from pg_stat_statements s join pg_database d on d.oid = s.dbid
		where d.datname = current_database() and s.toplevel and pg_get_userbyid(s.userid) like 'talkable\_%'
		order by s.total_exec_time desc limit 30`)
	if err != nil {
		return fmt.Errorf("pg_stat_statements: %w", err)
	}
	for _, s := range rows {
		r.note(fmt.Sprintf("%4.1f %% %s", s.Share, strings.TrimPrefix(s.Role, "talkable_")), "%d × %.3f ms, %.1f rows, %d bytes of log: %.110s",
			s.Calls, s.Each, s.Rows, s.WAL, strings.Join(strings.Fields(s.Query), " "))
	}
	return nil
}
