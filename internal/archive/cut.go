package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/postgres"
)

// Busy says that something of the site is under way between modules, so that what they hold doesn't fit together. A moment later it may.
type Busy struct{ What string }

func (b *Busy) Error() string { return "the site is not at rest: " + b.What }

// doors are a transaction in each database of an installation.
type doors struct {
	pools map[string]*sqlx.DB // by URL
	txs   map[string]*sqlx.Tx
	of    map[string]string // module to URL
}

// open begins a transaction in each database.
func open(ctx context.Context, modules []Module, options *sql.TxOptions) (*doors, error) {
	d := &doors{pools: map[string]*sqlx.DB{}, txs: map[string]*sqlx.Tx{}, of: map[string]string{}}
	for _, m := range modules {
		d.of[m.Name] = m.URL
		if d.txs[m.URL] != nil {
			continue
		}
		pool, err := postgres.Open(ctx, postgres.Pool{URL: m.URL, Application: "talkable archive", Size: 2})
		if err != nil {
			return nil, errors.Join(err, d.close())
		}
		d.pools[m.URL] = pool
	}
	for url, pool := range d.pools {
		tx, err := pool.BeginTxx(ctx, options)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("begin: %w", err), d.close())
		}
		d.txs[url] = tx
		// It may take long, and values are to be written as text in one way only.
		if _, err := tx.ExecContext(ctx, `
			set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; set local lock_timeout = '`+lockPatience+`';
			set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres'; set local bytea_output = 'hex'; set local extra_float_digits = 1`); err != nil {
			return nil, errors.Join(fmt.Errorf("begin: %w", err), d.close())
		}
	}
	for _, tx := range d.txs { // so that all moments are near to each other
		if _, err := tx.ExecContext(ctx, `select pg_current_snapshot()`); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	return d, nil
}

func (d *doors) tx(module string) *sqlx.Tx   { return d.txs[d.of[module]] }
func (d *doors) pool(module string) *sqlx.DB { return d.pools[d.of[module]] }

// close gives up what isn't committed.
func (d *doors) close() (err error) {
	for _, tx := range d.txs {
		_ = tx.Rollback() // after a commit this does nothing
	}
	for _, pool := range d.pools {
		err = errors.Join(err, pool.Close())
	}
	return err
}

// rest returns a Busy unless what the modules hold of a site fits together: all that each has told of the site is heard by all who hear it, and
// nobody has heard more than that.
func (d *doors) rest(ctx context.Context, in Installation, site int64) error {
	cursors := map[Hearing]int64{}
	for _, m := range in.Modules {
		schema := pq.QuoteIdentifier(m.Name)
		var waiting, parked int64
		err := d.tx(m.Name).QueryRowContext(ctx, `
			select (select count(*) from `+schema+`.waiting where site = $1), (select count(*) from `+schema+`.park where site = $1)`, site).Scan(&waiting, &parked)
		switch {
		case err != nil:
			return fmt.Errorf("events of %s: %w", m.Name, err)
		case parked > 0:
			return fmt.Errorf("%d events of the site are parked in %s: `talkable events parked` shows them; replay or discard them first", parked, m.Name)
		case waiting > 0:
			return &Busy{fmt.Sprintf("%d events of %s have no place in its log yet", waiting, m.Name)}
		}
		var heard []struct {
			Name, Source string
			Seq          int64
		}
		if err := d.tx(m.Name).SelectContext(ctx, &heard, `select name, source, seq from `+schema+`.cursor`); err != nil {
			return fmt.Errorf("cursors of %s: %w", m.Name, err)
		}
		for _, h := range heard {
			cursors[Hearing{h.Name, h.Source}] = h.Seq
		}
	}
	for _, h := range in.Hearings {
		if err := d.heard(ctx, h, cursors[h], site); err != nil {
			return err
		}
	}
	return nil
}

// heard returns a Busy unless a consumer is where the log ends, as far as events of the site go.
func (d *doors) heard(ctx context.Context, h Hearing, at, site int64) error {
	schema := pq.QuoteIdentifier(h.Source)
	var end int64
	if err := d.tx(h.Source).GetContext(ctx, &end, `select seq from `+schema+`.head`); err != nil {
		return fmt.Errorf("end of the log of %s: %w", h.Source, err)
	}
	between := func(db sqlx.QueryerContext, from, to int64) (n int64, err error) {
		err = sqlx.GetContext(ctx, db, &n, `
			select count(*) from `+schema+`.log l cross join string_to_table(l.body, E'\n') with ordinality e (line, i)
			where l.seq > $1 and l.seq - l.n < $2 and l.seq - l.n + e.i > $1 and l.seq - l.n + e.i <= $2 and split_part(e.line, E'\t', 1) = $3::text`, from, to, fmt.Sprint(site))
		if err != nil {
			return 0, fmt.Errorf("log of %s: %w", h.Source, err)
		}
		return n, nil
	}
	switch {
	case at < end:
		if n, err := between(d.tx(h.Source), at, end); err != nil || n > 0 {
			return busy(err, "%s has not heard %d events of %s", h.Consumer, n, h.Source)
		}
	case at > end: // what was told since is in no snapshot
		if n, err := between(d.pool(h.Source), end, at); err != nil || n > 0 {
			return busy(err, "%s has heard %d events of %s since", h.Consumer, n, h.Source)
		}
	}
	return nil
}

func busy(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return &Busy{fmt.Sprintf(format, args...)}
}
