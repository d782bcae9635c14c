package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	_ "embed"

	"github.com/jmoiron/sqlx"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/talkable/talkable/migrations"
)

//go:embed fill.sql
var fillScript string

// filling is a way to fill a database.
type filling struct {
	database string
	script   string   // steps: see fill.sql
	tables   []string // whose indexes are built after loading
	scale    scale
	found    func(ctx context.Context, pg *database, o options, name string, db *sqlx.DB) error // makes what the steps begin with
}

func crowded(o options) filling {
	return filling{filledDatabase, fillScript, loaded, o.scale, found}
}

// fillStep is a part of a script.
type fillStep struct {
	lane, weight int
	what, sql    string
}

func (f filling) steps() (steps []fillStep, err error) {
	text := strings.NewReplacer("{people}", strconv.FormatInt(f.scale.people, 10), "{visits}", strconv.FormatInt(f.scale.visits, 10),
		"{entries}", strconv.FormatInt(f.scale.entries, 10)).Replace(f.script)
	for part := range strings.SplitSeq(text[strings.Index(text, "\n--- "):], "\n--- ") {
		head, sql, _ := strings.Cut(part, "\n")
		if head == "" {
			continue
		}
		step := fillStep{sql: sql}
		if _, err := fmt.Sscan(head, &step.lane, &step.weight, &step.what); err != nil {
			return nil, fmt.Errorf("%s: step %q: %w", f.database, head, err)
		}
		step.what = strings.Join(strings.Fields(head)[2:], " ")
		steps = append(steps, step)
	}
	return steps, nil
}

// with identifies the content of a filled database: what made it.
func (f filling) with(o options) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, f.scale.people, f.scale.visits, f.scale.entries, o.sites, f.script)
	for _, m := range migrations.Modules {
		schema := migrations.Schema(m)
		err := fs.WalkDir(schema.Files, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(schema.Files, path)
			_, _ = h.Write(text) // a hash takes everything
			return err
		})
		if err != nil {
			return "", err
		}
		for _, part := range schema.Parts {
			fmt.Fprintln(h, part)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fill makes a filled database, unless an earlier run has.
func fill(ctx context.Context, pg *database, o options, f filling) (err error) {
	with, err := f.with(o)
	if err != nil {
		return err
	}
	var there bool
	if err := pg.admin.GetContext(ctx, &there, `select exists (select from pg_database where datname = $1 and shobj_description(oid, 'pg_database') = $2)`, f.database, with); err != nil {
		return err
	}
	if there {
		progress("database %s is filled already", f.database)
		return nil
	}
	if free := freeDisk(pg.data); free > 0 && free < f.scale.bytes() {
		return fmt.Errorf("database %s of scale %s takes about %.1f GB, and the disk of %s has %.1f left: take a smaller -scale, or a -cache or -dir on another disk",
			f.database, f.scale.name, float64(f.scale.bytes())/1e9, pg.data, float64(free)/1e9)
	}
	began, busy := time.Now(), familyTime(pg.server.PID())
	progress("filling database %s: %s on disk", f.database, f.scale)
	db, err := pg.fresh(ctx, f.database)
	if err != nil {
		return err
	}
	if err := f.found(ctx, pg, o, f.database, db); err != nil {
		return err
	}
	if err := f.load(ctx, db, os.Stderr); err != nil {
		return fmt.Errorf("fill database %s: %w", f.database, err)
	}
	var size int64
	if err := db.GetContext(ctx, &size, `select pg_database_size(current_database())`); err != nil {
		return err
	}
	if _, err := pg.admin.ExecContext(ctx, fmt.Sprintf(`comment on database %s is '%s'`, f.database, with)); err != nil {
		return err
	}
	took := familyTime(pg.server.PID()) - busy
	progress("filled in %s (%s of processor time): %.1f GB", time.Since(began).Round(time.Second), took.Round(time.Second), float64(size)/1e9)
	_, err = pg.admin.ExecContext(ctx, "checkpoint")
	return err
}

// found makes the sites by the program itself, and notes them.
func found(ctx context.Context, pg *database, o options, name string, db *sqlx.DB) (err error) {
	p, err := startPlatform(ctx, pg, name, o.binary, "grouped")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.makeSites(ctx, o.sites); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `create schema bench; create table bench.site (n int primary key, site_id bigint not null, slug text not null, key text not null,
		first bigint, people bigint, advocates bigint, buyers bigint, visitors bigint, txns bigint, first_txn bigint, held bigint,
		campaign_id bigint, incentive_id bigint, program_id bigint, tiers_version int, issued bigint)`)
	if err != nil {
		return err
	}
	for i, s := range p.sites {
		if _, err := db.ExecContext(ctx, `insert into bench.site (n, site_id, slug, key) values ($1, $2, $3, $4)`, i+1, s.id, s.slug, s.key); err != nil {
			return err
		}
	}
	return p.quiet(ctx)
}

// load runs the steps of a script: without indexes, which are built at the end.
func (f filling) load(ctx context.Context, db *sqlx.DB, w *os.File) error {
	steps, err := f.steps()
	if err != nil {
		return err
	}
	bare, err := strip(ctx, db, f.tables)
	if err != nil {
		return err
	}
	// The indexes take about as long as the rows, and are built as steps of their own.
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	for _, s := range bare {
		total += s.weight
	}
	bar := progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetVisibility(term.IsTerminal(int(w.Fd()))), progressbar.OptionSetWidth(20), progressbar.OptionClearOnFinish(),
		progressbar.OptionShowElapsedTimeOnFinish(), progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond))
	defer bar.Close()
	for _, lanes := range [][]int{{0}, {1, 2}, {4, 5}, {6}, {3}} {
		group, ctx := errgroup.WithContext(ctx)
		for _, lane := range lanes {
			group.Go(func() error { return runLane(ctx, db, lane, append(steps, bare...), bar) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	for _, table := range f.tables {
		if _, err := db.ExecContext(ctx, "alter table "+table+" reset (autovacuum_enabled)"); err != nil {
			return err
		}
	}
	bar.Describe("vacuum")
	_, err = db.ExecContext(ctx, "vacuum analyze")
	return err
}

// runLane runs the steps of a lane in a session of its own.
func runLane(ctx context.Context, db *sqlx.DB, lane int, steps []fillStep, bar *progressbar.ProgressBar) error {
	c, err := db.Connx(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	defer func() { _, _ = c.ExecContext(context.WithoutCancel(ctx), `reset all`) }() // else the session ends anyway
	if _, err := c.ExecContext(ctx, `set synchronous_commit = off; set work_mem = '256MB'; set max_parallel_maintenance_workers = 1`); err != nil {
		return err
	}
	for _, s := range steps {
		if s.lane != lane {
			continue
		}
		bar.Describe(s.what)
		if _, err := c.ExecContext(ctx, s.sql); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		if err := bar.Add(s.weight); err != nil {
			return err
		}
	}
	return nil
}

// loaded are the tables whose indexes are built after loading. The visits keep theirs: a day's fits the memory.
var loaded = []string{"customer.person", "customer.origin", "customer.visitor", "referral.offer", "referral.link", "referral.friend_offer", "referral.referral",
	"referral.status_log", "referral.attribution", "referral.reward", "referral.identity", "notify.contact", "notify.message", "loyalty.member", "loyalty.account",
	"loyalty.txn", "loyalty.entry", "loyalty.lot", "referral.offer_claim", "referral.page_claim", "referral.coupon", "referral.commission", "referral.account",
	"referral.account_entry", "referral.open_entry", "referral.audit", "referral.reward_refused", "notify.delivery", "notify.attempt"}

// strip drops the constraints and indexes of the tables, and returns the steps that make them anew: in two lanes, by table, and
// foreign keys at the end.
func strip(ctx context.Context, db *sqlx.DB, tables []string) (steps []fillStep, err error) {
	var rows []struct {
		Table string `db:"tab"`
		Drop  string `db:"drop_it"`
		Make  string `db:"make_it"`
		Rank  int    `db:"rank"`
	}
	err = db.SelectContext(ctx, &rows, `
		select conrelid::regclass::text as tab, format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop_it,
			format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as make_it, case contype when 'f' then 0 else 1 end as rank
		from pg_constraint where contype in ('p', 'u', 'f') and conrelid = any ($1::text::text[]::regclass[]) or contype = 'f' and confrelid = any ($1::text::text[]::regclass[])
		union all
		select indrelid::regclass::text, format('drop index %s', indexrelid::regclass), pg_get_indexdef(indexrelid), 2
		from pg_index i where indrelid = any ($1::text::text[]::regclass[]) and not exists (select from pg_constraint c where c.conindid = i.indexrelid and c.contype in ('p', 'u'))
		order by 4, 1, 3`, "{"+strings.Join(tables, ",")+"}")
	if err != nil {
		return nil, err
	}
	for _, table := range tables { // one vacuum at the end is enough
		if _, err := db.ExecContext(ctx, "alter table "+table+" set (autovacuum_enabled = off)"); err != nil {
			return nil, err
		}
	}
	for _, r := range rows {
		if _, err := db.ExecContext(ctx, r.Drop); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Drop, err)
		}
		s := fillStep{lane: 4, weight: 3, what: "indexes of " + r.Table, sql: r.Make}
		switch {
		case r.Rank == 0:
			s.lane, s.what = 6, "foreign keys of "+r.Table
		case strings.HasPrefix(r.Table, "loyalty."):
			s.lane = 5
		}
		steps = append(steps, s)
	}
	return steps, nil
}
