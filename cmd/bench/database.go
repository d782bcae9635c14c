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

// Databases of a run. Those that are filled may outlive it.
const (
	platformDatabase  = "talkable"
	singleDatabase    = "single"
	filledDatabase    = "filled"
	ledgerDatabase    = "ledger"
	sparseDatabase    = "sparse" // what the ledger is compared with: the same, but small
	yardstickDatabase = "yardstick"
)

// kept says whether a database comes filled, with statistics.
func kept(name string) bool {
	return name == filledDatabase || name == ledgerDatabase || name == sparseDatabase
}

// database is a PostgreSQL of this run's own, with a database for each side.
type database struct {
	server    *embedded.Server
	dir       string // of this run, for scripts, programs and logs
	data      string // of the cluster
	admin     *sqlx.DB
	open      map[string]*sqlx.DB
	yardstick *sqlx.DB
}

// startDatabase starts PostgreSQL as one would set it up on this machine for production; its data are in dir, or are kept in the
// cache from run to run.
func startDatabase(ctx context.Context, dir string, o options) (*database, error) {
	data := dir
	if o.cache != "" {
		data = filepath.Join(o.cache, o.scale.name)
		if err := os.MkdirAll(data, 0o755); err != nil {
			return nil, err
		}
	}
	server, err := embedded.Start(ctx, embedded.Config{DataDir: data, BinDir: o.bin, Log: zerolog.Nop(), Settings: settings(dir, o)})
	if err != nil {
		return nil, err
	}
	d := &database{server: server, dir: dir, data: data, open: map[string]*sqlx.DB{}}
	if d.admin, err = open(ctx, server.URL("postgres")); err == nil {
		d.yardstick, err = d.fresh(ctx, yardstickDatabase)
	}
	if err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

// fresh makes an empty database, in place of one that an earlier run left.
func (d *database) fresh(ctx context.Context, name string) (*sqlx.DB, error) {
	for _, step := range []string{"drop database if exists ", "create database "} {
		if _, err := d.admin.ExecContext(ctx, step+name); err != nil {
			return nil, err
		}
	}
	return d.use(ctx, name)
}

// use opens a database.
func (d *database) use(ctx context.Context, name string) (db *sqlx.DB, err error) {
	if db = d.open[name]; db == nil {
		if db, err = open(ctx, d.server.URL(name)); err == nil {
			d.open[name] = db
		}
	}
	return db, err
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
	for _, db := range d.open {
		db.Close()
	}
	if d.admin != nil {
		d.admin.Close()
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
	if o.only.part(nightly) { // what is loaded into a new table needs no log, and so no room for it
		s["wal_level"], s["max_wal_senders"] = "minimal", "0"
		s["max_wal_size"] = megabytes(disk/20, 1024, 4096)
	}
	if o.statements {
		s["shared_preload_libraries"] = "pg_stat_statements"
		s["pg_stat_statements.track_planning"] = "on"
	}
	return s
}

// assertDurable asks the servers that both sides will use, as each of their users sees them.
func (d *database) assertDurable(ctx context.Context) error {
	for name, db := range d.open {
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
	err := d.admin.GetContext(ctx, &s, `
		select string_agg(name || '=' || setting || coalesce(unit, ''), ' ' order by name) from pg_settings
		where name in ('fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size', 'wal_compression')`)
	return s, err
}

// prepare makes what was loaded look as it does in a database that has been running for a while: with statistics, and no checkpoint
// due.
func (d *database) prepare(ctx context.Context) error {
	for name, db := range d.open {
		if kept(name) { // was, when it was filled
			continue
		}
		if _, err := db.ExecContext(ctx, "vacuum analyze"); err != nil {
			return err
		}
	}
	_, err := d.admin.ExecContext(ctx, "checkpoint")
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
