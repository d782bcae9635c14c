package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/embedded"
)

const (
	platformDatabase  = "talkable"
	yardstickDatabase = "yardstick"
)

// database is a PostgreSQL of this run's own, with a database for each side.
type database struct {
	server              *embedded.Server
	dir                 string
	platform, yardstick *sqlx.DB
}

// startDatabase starts PostgreSQL as one would set it up on this machine for production.
func startDatabase(ctx context.Context, dir string, o options) (*database, error) {
	server, err := embedded.Start(ctx, embedded.Config{DataDir: dir, BinDir: o.bin, Log: zerolog.Nop(), Settings: settings(dir, o)})
	if err != nil {
		return nil, err
	}
	d := &database{server: server, dir: dir}
	admin, err := open(ctx, server.URL("postgres"))
	if err != nil {
		return nil, errors.Join(err, d.stop())
	}
	defer admin.Close()
	for name, db := range map[string]**sqlx.DB{platformDatabase: &d.platform, yardstickDatabase: &d.yardstick} {
		if _, err = admin.ExecContext(ctx, "create database "+name); err == nil {
			*db, err = open(ctx, server.URL(name))
		}
		if err != nil {
			return nil, errors.Join(err, d.stop())
		}
	}
	return d, nil
}

// open makes a pool without the limits that the platform's own have: loading the yardstick takes long.
func open(ctx context.Context, url string) (*sqlx.DB, error) {
	db, err := sqlx.ConnectContext(ctx, "postgres", url)
	if err == nil {
		db.SetMaxOpenConns(4)
	}
	return db, err
}

func (d *database) stop() error {
	for _, db := range []*sqlx.DB{d.platform, d.yardstick} {
		if db != nil {
			db.Close()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return d.server.Stop(ctx)
}

// settings are the tuning that a server of this size gets: a sixth of the memory for buffers, and room for the write-ahead log, so
// that no checkpoint falls into a measurement. What makes commits durable is the embedded server's own and stays on.
func settings(dir string, o options) map[string]string {
	memory, disk := machineMemory()>>20, freeDisk(dir)>>20
	megabytes := func(n, least, most int64) string { return strconv.FormatInt(max(least, min(n, most)), 10) + "MB" }
	s := map[string]string{
		"shared_buffers":         megabytes(memory/6, 128, 4096),
		"effective_cache_size":   megabytes(memory*2/3, 512, 16384),
		"work_mem":               "32MB",
		"maintenance_work_mem":   megabytes(memory/24, 64, 1024),
		"wal_buffers":            "64MB",
		"max_wal_size":           megabytes(disk/5, 1024, 16384),
		"autovacuum_max_workers": "1",
		"max_connections":        "400",
	}
	if o.statements {
		s["shared_preload_libraries"] = "pg_stat_statements"
		s["pg_stat_statements.track_planning"] = "on"
	}
	return s
}

// assertDurable asks the servers that both sides will use, as each of their users sees them.
func (d *database) assertDurable(ctx context.Context) error {
	for name, db := range map[string]*sqlx.DB{platformDatabase: d.platform, yardstickDatabase: d.yardstick} {
		if _, err := postgres.CheckServer(ctx, db); err != nil {
			return fmt.Errorf("database %s: %w", name, err)
		}
		var off []string
		err := db.SelectContext(ctx, &off, `
			select format('%s of role %s', c, coalesce(r.rolname, 'any')) from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole, unnest(setconfig) c
			where c ~ '^(fsync|synchronous_commit|full_page_writes)='
			union all select format('table %s is not logged', oid::regclass) from pg_class
			where relpersistence = 'u' and relnamespace::regnamespace::text not like 'pg\_%'`)
		if err != nil {
			return err
		}
		if len(off) > 0 {
			return fmt.Errorf("database %s is not durable: %s", name, strings.Join(off, ", "))
		}
	}
	return nil
}

// state is what decides whether a purchase costs a flush.
func (d *database) state(ctx context.Context) (string, error) {
	var s string
	err := d.platform.GetContext(ctx, &s, `
		select string_agg(name || '=' || setting || coalesce(unit, ''), ' ' order by name) from pg_settings
		where name in ('fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size', 'wal_compression')`)
	return s, err
}

// prepare makes what was loaded look as it does in a database that has been running for a while: with statistics, and no checkpoint
// due.
func (d *database) prepare(ctx context.Context) error {
	for _, db := range []*sqlx.DB{d.platform, d.yardstick} {
		if _, err := db.ExecContext(ctx, "vacuum analyze"); err != nil {
			return err
		}
	}
	_, err := d.platform.ExecContext(ctx, "checkpoint")
	return err
}

// flushes measures how long the disk takes to keep 8 kB, as a commit does.
func flushes(dir string) (perSecond float64, median time.Duration, err error) {
	f, err := os.Create(filepath.Join(dir, "flush"))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer f.Close()
	page := make([]byte, 8<<10)
	var times []time.Duration
	began := time.Now()
	for time.Since(began) < 300*time.Millisecond {
		at := time.Now()
		if _, err := f.WriteAt(page, 0); err != nil {
			return 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, err
		}
		times = append(times, time.Since(at))
	}
	return float64(len(times)) / time.Since(began).Seconds(), quantile(times, 0.5), nil
}
