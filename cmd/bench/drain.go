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
	lock, err := b.pg.platform.BeginTxx(ctx, nil)
	if err != nil {
		return d, err
	}
	defer func() { _ = lock.Rollback() }() // does nothing the second time
	for _, m := range migrations.Modules {
		if _, err := lock.ExecContext(ctx, `select from `+m+`.cursor order by name, source for update`); err != nil {
			return d, err
		}
	}
	start, err := b.used(ctx)
	if err != nil {
		return d, err
	}
	t, err := b.buy(ctx, span)
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

// heard is the sum of all cursors.
func (p *platform) heard(ctx context.Context) (n int64, err error) {
	var parts []string
	for _, m := range migrations.Modules {
		parts = append(parts, fmt.Sprintf(`(select coalesce(sum(seq), 0) from %s.cursor)`, m))
	}
	err = p.pg.platform.GetContext(ctx, &n, `select (`+strings.Join(parts, " + ")+`)::bigint`)
	return n, err
}

// waiting is how many events all cursors have before them.
func (p *platform) waiting(ctx context.Context) (float64, error) {
	n, err := p.behind(ctx)
	return float64(n), err
}

// probe shows that nothing is acknowledged before it is committed: while a table that every request writes is locked, no request
// may be answered, and all of them once it isn't.
func (b *bench) probe(ctx context.Context) error {
	const requests, wait = 20, 700 * time.Millisecond
	if err := b.stock(ctx, requests, b.anySite, &b.pool); err != nil {
		return err
	}
	for table, work := range map[string]func(i int) job{
		"customer.origin": func(i int) job { return &buying{platform: b.platform, from: &b.pool, n: i} },
		"referral.visit":  func(int) job { return &visiting{platform: b.platform, site: b.anySite} },
	} {
		lock, err := b.pg.platform.BeginTxx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err := lock.ExecContext(ctx, `lock table `+table+` in access exclusive mode`); err != nil {
			return errors.Join(err, lock.Rollback())
		}
		if err := b.answered(ctx, table, requests, wait, lock, work); err != nil {
			return err
		}
	}
	return b.quiet(ctx)
}

func (b *bench) answered(ctx context.Context, table string, requests int, wait time.Duration, lock *sqlx.Tx, work func(i int) job) error {
	jobs := make([]*once, requests)
	for i := range jobs {
		jobs[i] = &once{job: work(i)}
	}
	type end struct {
		t   tally
		err error
	}
	ended := make(chan end, 1)
	go func() {
		t, err := drive(ctx, b.address, requests, 0, func(i int) job { return jobs[i] })
		ended <- end{t, err}
	}()
	time.Sleep(wait)
	early := 0
	for _, j := range jobs {
		if j.answered.Load() {
			early++
		}
	}
	err := lock.Rollback()
	e := <-ended
	if err = errors.Join(err, e.err); err != nil {
		return err
	}
	if early > 0 || e.t.count != int64(requests) {
		return fmt.Errorf("%s was locked, and %d of %d requests were answered all the same (%d in the end)", table, early, requests, e.t.count)
	}
	for _, j := range jobs {
		switch w := j.job.(type) {
		case *buying:
			b.took.bought(w)
		case *visiting:
			b.took.visits++
		}
	}
	return nil
}
