package bus

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// Parked is an event that was put aside: its handler refused it, or an earlier one of its key is parked.
type Parked struct {
	Record
	Source string
	Error  string
}

// store writes what was put aside. The texts of errors are cut, and freed of what a text column cannot hold.
func (p *pass) store(ctx context.Context) error {
	n := len(p.parked)
	if n == 0 {
		return nil
	}
	seqs, sites, ats := make([]int64, n), make([]int64, n), make([]string, n)
	keys, kinds, bodies, reasons := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, r := range p.parked {
		seqs[i], sites[i], ats[i] = r.Seq, r.Site, r.At.UTC().Format("2006-01-02 15:04:05.999999Z07:00")
		keys[i], kinds[i], bodies[i] = r.Key, r.Type, string(r.Payload)
		reasons[i] = strings.ToValidUTF8(strings.ReplaceAll(r.Error[:min(len(r.Error), 2000)], "\x00", ""), "")
	}
	_, err := p.u.ExecContext(ctx, `
		with put as (
			insert into `+p.outbox.schema+`.park (consumer, source, seq, site, at, key, type, payload, error)
			select $1, $2, seq, site, at::timestamptz, key, type, payload::jsonb, error
			from unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
				u (seq, site, at, key, type, payload, error)
		)
		update `+p.outbox.schema+`.cursor set parked = parked + $10 where name = $1 and source = $2`,
		p.name, p.source, pq.Array(seqs), pq.Array(sites), pq.Array(ats), pq.Array(keys), pq.Array(kinds),
		pq.Array(bodies), pq.Array(reasons), n)
	if err != nil {
		return fmt.Errorf("park %d events: %w", n, err)
	}
	return nil
}

// Parked lists what is parked, oldest first within each source, at most limit.
func (c *Consumer) Parked(ctx context.Context, limit int) ([]Parked, error) {
	rows, err := c.outbox.db.QueryContext(ctx, `
		select source, seq, site, at, key, type, payload, error from `+c.outbox.schema+`.park
		where consumer = $1 order by source, seq limit $2`, c.name, limit)
	if err != nil {
		return nil, fmt.Errorf("parked events of %s: %w", c.name, err)
	}
	parked, err := scanParked(rows)
	if err != nil {
		return nil, fmt.Errorf("parked events of %s: %w", c.name, err)
	}
	return parked, nil
}

func scanParked(rows *sql.Rows) ([]Parked, error) {
	defer rows.Close()
	var all []Parked
	for rows.Next() {
		var p Parked
		if err := rows.Scan(&p.Source, &p.Seq, &p.Site, &p.At, &p.Key, &p.Type, (*[]byte)(&p.Payload), &p.Error); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// Replay hands the parked events of one key to their handlers, in their order and in one transaction, and frees the key. When
// a handler still refuses, nothing has changed. It returns how many were applied.
func (c *Consumer) Replay(ctx context.Context, source, key string) (n int, err error) {
	err = c.outbox.InTx(ctx, func(u *Unit) error {
		if err := c.lock(ctx, u, source); err != nil {
			return err
		}
		rows, err := u.QueryContext(ctx, `
			delete from `+c.outbox.schema+`.park where consumer = $1 and source = $2 and key = $3
			returning source, seq, site, at, key, type, payload, error`, c.name, source, key)
		if err != nil {
			return fmt.Errorf("take the parked events of %s: %w", key, err)
		}
		parked, err := scanParked(rows)
		if err != nil {
			return fmt.Errorf("take the parked events of %s: %w", key, err)
		}
		n = len(parked)
		slices.SortFunc(parked, func(a, b Parked) int { return cmp.Compare(a.Seq, b.Seq) })
		records := make([]Record, n)
		for i := range parked {
			records[i] = parked[i].Record
		}
		p := &pass{Consumer: c, u: u, source: source}
		if err := p.whole(ctx, records); err != nil {
			return fmt.Errorf("replay %s: %w", key, err)
		}
		return c.fewer(ctx, u, source, n)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Discard gives up one parked event, so that those of its key behind it can be replayed. It reports whether there was one.
func (c *Consumer) Discard(ctx context.Context, source string, seq int64) (found bool, err error) {
	err = c.outbox.InTx(ctx, func(u *Unit) error {
		if err := c.lock(ctx, u, source); err != nil {
			return err
		}
		res, err := u.ExecContext(ctx, `
			delete from `+c.outbox.schema+`.park where consumer = $1 and source = $2 and seq = $3`, c.name, source, seq)
		if err != nil {
			return fmt.Errorf("discard %d: %w", seq, err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return fmt.Errorf("discard %d: %w", seq, err)
		}
		found = n > 0
		return c.fewer(ctx, u, source, int(n))
	})
	return found && err == nil, err
}

// lock holds off the batches of source until the transaction ends.
func (c *Consumer) lock(ctx context.Context, u *Unit, source string) error {
	var one int
	err := u.QueryRowContext(ctx, `
		select 1 from `+c.outbox.schema+`.cursor where name = $1 and source = $2 for update`, c.name, source).Scan(&one)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("lock the cursor of %s at %s: %w", c.name, source, err)
	}
	return nil
}

func (c *Consumer) fewer(ctx context.Context, u *Unit, source string, n int) error {
	if n == 0 {
		return nil
	}
	_, err := u.ExecContext(ctx, `
		update `+c.outbox.schema+`.cursor set parked = parked - $3 where name = $1 and source = $2`, c.name, source, n)
	if err != nil {
		return fmt.Errorf("count the parked events: %w", err)
	}
	return nil
}
