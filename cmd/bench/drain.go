package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/migrations"
)

// drained is how fast a backlog went.
type drained struct {
	recorded  float64 // purchases a second, while nobody heard of them
	recording usage   // what they took
	count     int64
	purchases float64 // a second, caught up with
	behind    float64 // events that the consumers had before them
	heard     float64 // events a second, each counted once for every consumer that passed it
}

// held is how long cursors are locked at most: a consumer gives up waiting for its own after 8 s, and pauses before it tries again.
const held = 3 * time.Second

// drain records purchases while the consumers can't go on, as if another replica had them, and then measures how long the consumers
// need for all that follows from them, with nothing else going on.
func (b *bench) drain(ctx context.Context) (d drained, err error) {
	span := min(held, b.span())
	if err := b.stock(ctx, int(2*b.rate*span.Seconds())+2000, b.anySite, &b.pool); err != nil {
		return d, err
	}
	before, err := b.heard(ctx)
	if err != nil {
		return d, err
	}
	lock, err := b.hold(ctx, migrations.Modules...)
	if err != nil {
		return d, err
	}
	defer func() { _ = lock.Rollback() }() // does nothing the second time
	start, err := b.used(ctx)
	if err != nil {
		return d, err
	}
	t, err := b.buy(ctx, b.all(connections, span))
	if err != nil && !errors.Is(err, errNoFriends) {
		return d, err
	}
	end, err := b.used(ctx)
	if err != nil {
		return d, err
	}
	waiting, err := b.waiting(ctx)
	if err != nil {
		return d, err
	}
	if err := lock.Rollback(); err != nil {
		return d, err
	}
	began := time.Now()
	done, err := b.settle(ctx)
	if err != nil {
		return d, err
	}
	after, err := b.heard(ctx)
	if err != nil {
		return d, err
	}
	took := done.Sub(began).Seconds()
	return drained{recorded: t.rate(), recording: end.minus(start), count: t.count, purchases: float64(t.count) / took, behind: waiting, heard: float64(after-before) / took}, nil
}

// hold keeps the consumers of modules from going on until the transaction ends.
func (p *platform) hold(ctx context.Context, modules ...string) (*sqlx.Tx, error) {
	lock, err := p.db.BeginTxx(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		if _, err := lock.ExecContext(ctx, `select from `+m+`.cursor order by name, source for update`); err != nil {
			return nil, errors.Join(err, lock.Rollback())
		}
	}
	return lock, nil
}

// heard is the sum of all cursors.
func (p *platform) heard(ctx context.Context) (n int64, err error) {
	var parts []string
	for _, m := range migrations.Modules {
		parts = append(parts, fmt.Sprintf(`(select coalesce(sum(seq), 0) from %s.cursor)`, m))
	}
	err = p.db.GetContext(ctx, &n, `select (`+strings.Join(parts, " + ")+`)::bigint`)
	return n, err
}

// waiting is how many events all cursors have before them.
func (p *platform) waiting(ctx context.Context) (float64, error) {
	n, err := p.behind(ctx)
	return float64(n), err
}
