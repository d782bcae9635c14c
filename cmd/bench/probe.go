package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
)

// once sends one request and notes its answer.
type once struct {
	job
	sent     bool
	answered atomic.Bool
}

func (o *once) next(buf []byte) []byte {
	if o.sent {
		return nil
	}
	o.sent = true
	return o.job.next(buf)
}

func (o *once) done(r *response) error {
	o.answered.Store(true)
	return o.job.done(r)
}

// probe shows that nothing is acknowledged before it is committed: while a table that every request writes is locked, no request
// may be answered, and all of them once it isn't.
func (b *bench) probe(ctx context.Context) error {
	const requests, wait = 20, 700 * time.Millisecond
	if err := b.stock(ctx, requests, b.anySite, &b.pool); err != nil {
		return err
	}
	for table, work := range map[string]func(i int) job{
		"customer.origin": func(i int) job { return &buying{platform: b.platform, site: b.anySite, from: &b.pool, n: i} },
		"referral.visit":  func(int) job { return &visiting{platform: b.platform, site: b.anySite} },
	} {
		lock, err := b.db.BeginTxx(ctx, nil)
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
