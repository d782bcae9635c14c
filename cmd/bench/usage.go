package main

import (
	"context"
	"runtime"
	"time"
)

// usage is what was used: processor time by who took it, and write-ahead log.
type usage struct {
	span                       time.Duration
	serve, postgres, own, busy time.Duration // busy: by everybody on the machine
	wal, pages, flushes        int64         // bytes, full pages among them, flushes of the log
}

var begin = time.Now()

// used reads what has been used until now.
func (p *platform) used(ctx context.Context) (usage, error) {
	serve, _, _ := processTime(p.serve.Process.Pid)
	u := usage{span: time.Since(begin), serve: serve, postgres: familyTime(p.pg.server.PID()), own: selfTime(), busy: busyTime()}
	err := p.db.QueryRowContext(ctx, p.walQuery).Scan(&u.wal, &u.pages, &u.flushes)
	return u, err
}

// walQueries are for servers before 18 and since.
var walQueries = [2]string{
	`select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint, wal_fpi, wal_sync from pg_stat_wal`,
	`select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint, wal_fpi,
		(select coalesce(sum(fsyncs), 0)::bigint from pg_stat_io where object = 'wal') from pg_stat_wal`,
}

func (u usage) minus(v usage) usage {
	return usage{span: u.span - v.span, serve: u.serve - v.serve, postgres: u.postgres - v.postgres, own: u.own - v.own, busy: u.busy - v.busy,
		wal: u.wal - v.wal, pages: u.pages - v.pages, flushes: u.flushes - v.flushes}
}

func (u usage) plus(v usage) usage {
	return usage{span: u.span + v.span, serve: u.serve + v.serve, postgres: u.postgres + v.postgres, own: u.own + v.own, busy: u.busy + v.busy,
		wal: u.wal + v.wal, pages: u.pages + v.pages, flushes: u.flushes + v.flushes}
}

// others is the share of the machine that other programs took, 0 to 1; client is what pgbench took in that time.
func (u usage) others(client time.Duration) float64 {
	all := u.span * time.Duration(runtime.NumCPU())
	if all <= 0 || u.busy <= 0 {
		return 0
	}
	return max(0, float64(u.busy-u.serve-u.postgres-u.own-client)/float64(all))
}
