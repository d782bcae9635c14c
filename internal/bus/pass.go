package bus

import (
	"context"
	"fmt"

	"github.com/lib/pq"
)

// pass is one transaction of a consumer: what is applied, and what is put aside.
type pass struct {
	*Consumer
	u      *Unit
	source string
	held   map[string]int64 // keys that have a parked event, and the first of it
	parked []Parked
}

// recall learns which keys of records have parked events.
func (p *pass) recall(ctx context.Context, records []Record) error {
	keys := make([]string, len(records))
	for i, r := range records {
		keys[i] = r.Key
	}
	rows, err := p.u.QueryContext(ctx, `
		select key, min(seq) from `+p.outbox.schema+`.park
		where consumer = $1 and source = $2 and key = any ($3)
		group by key`, p.name, p.source, pq.Array(keys))
	if err != nil {
		return fmt.Errorf("keys that are parked: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var seq int64
		if err := rows.Scan(&key, &seq); err != nil {
			return fmt.Errorf("keys that are parked: %w", err)
		}
		p.hold(key, seq)
	}
	return rows.Err()
}

func (p *pass) hold(key string, seq int64) {
	if p.held == nil {
		p.held = map[string]int64{}
	}
	if _, ok := p.held[key]; !ok {
		p.held[key] = seq
	}
}

// aside parks the records whose key has a parked event before them, and returns the others.
func (p *pass) aside(records []Record) []Record {
	if len(p.held) == 0 {
		return records
	}
	free := make([]Record, 0, len(records))
	for _, r := range records {
		if first, ok := p.held[r.Key]; ok {
			p.park(r, fmt.Sprintf("behind %d", first))
		} else {
			free = append(free, r)
		}
	}
	return free
}

func (p *pass) park(r Record, reason string) {
	p.hold(r.Key, r.Seq)
	p.parked = append(p.parked, Parked{Record: r, Source: p.source, Error: reason})
}

// whole applies records at once.
func (p *pass) whole(ctx context.Context, records []Record) error {
	groups := waves(records)
	if p.ahead != nil && len(groups) > 1 {
		if err := p.ahead(ctx, p.u, records); err != nil {
			return err
		}
	}
	for _, g := range groups {
		if err := p.call(ctx, p.u, g.kind, g.records); err != nil {
			return err
		}
	}
	return nil
}

// halve applies records at once or, if that fails, their left half and then their right half, down to the guilty event, which
// it parks. What an attempt did and told is taken back with it.
func (p *pass) halve(ctx context.Context, records []Record) error {
	if records = p.aside(records); len(records) == 0 {
		return nil
	}
	if _, err := p.u.ExecContext(ctx, `savepoint bus`); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	mark := len(p.u.told)
	err := p.whole(ctx, records)
	if err == nil {
		if _, err = p.u.ExecContext(ctx, `release savepoint bus`); err == nil {
			return nil
		}
	}
	if v := judge(err); v == transient || v == tooEarly || ctx.Err() != nil {
		return err
	}
	if _, err := p.u.ExecContext(ctx, `rollback to savepoint bus; release savepoint bus`); err != nil {
		return fmt.Errorf("back to the savepoint: %w", err)
	}
	p.u.told, p.u.err = p.u.told[:mark], nil
	if len(records) == 1 {
		p.park(records[0], err.Error())
		return nil
	}
	half := len(records) / 2
	if err := p.halve(ctx, records[:half]); err != nil {
		return err
	}
	return p.halve(ctx, records[half:])
}
