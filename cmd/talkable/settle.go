package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/migrations"
)

// floor is how far everybody has heard a module's log.
func (p *platform) floor(ctx context.Context, source string) (int64, error) {
	head, err := p.tables[source].Head(ctx)
	if err != nil {
		return 0, err
	}
	return p.heard(source, head.Seq, func(c *bus.Consumer) (int64, error) { return c.Cursor(ctx, source) })
}

// heard is how far everybody has heard a module's log that ends at seq, by what at says of each.
func (p *platform) heard(source string, seq int64, at func(*bus.Consumer) (int64, error)) (int64, error) {
	least := seq
	for _, c := range p.consumers {
		if !slices.Contains(c.Sources(), source) {
			continue
		}
		place, err := at(c)
		if err != nil {
			return 0, err
		}
		least = min(least, place)
	}
	return least, nil
}

// drained counts what waits in outboxes and the events that this process has still to hear, if it is the only one, and says where the logs end.
func (p *platform) drained(ctx context.Context) (left int64, ends string, err error) {
	at := func(source string, c *bus.Consumer) (int64, error) { return c.Heard(source), nil }
	for _, m := range migrations.Modules { // mostly somebody is known to be behind, so that no database has to be asked
		known := p.tables[m].Known()
		heard, err := p.heard(m, known, func(c *bus.Consumer) (int64, error) { return at(m, c) })
		if err != nil || heard < known {
			return known - heard, "", err
		}
	}
	return p.bearings(ctx, at)
}

// behind counts what waits in outboxes and the events that somebody has still to hear, in whatever process.
func (p *platform) behind(ctx context.Context) (int64, error) {
	left, _, err := p.bearings(ctx, func(source string, c *bus.Consumer) (int64, error) { return c.Cursor(ctx, source) })
	return left, err
}

// bearings looks at all logs at once.
func (p *platform) bearings(ctx context.Context, at func(source string, c *bus.Consumer) (int64, error)) (left int64, ends string, err error) {
	lefts, heads := make([]int64, len(migrations.Modules)), make([]string, len(migrations.Modules))
	group, ctx := errgroup.WithContext(ctx)
	for i, m := range migrations.Modules {
		group.Go(func() error {
			waiting, err := p.tables[m].Waiting(ctx)
			if err != nil {
				return err
			}
			head, err := p.tables[m].Head(ctx)
			if err != nil {
				return err
			}
			heard, err := p.heard(m, head.Seq, func(c *bus.Consumer) (int64, error) { return at(m, c) })
			lefts[i], heads[i] = waiting+head.Seq-heard, fmt.Sprint(head.Seq)
			return err
		})
	}
	err = group.Wait()
	for _, n := range lefts {
		left += n
	}
	return left, strings.Join(heads, " "), err
}

// settle waits until every event that was told has been heard, telling progress how many are left.
func (p *platform) settle(ctx context.Context, progress func(left int64)) error {
	for quiet := 0; quiet < 2; { // twice in a row: a consumer may have told something in between
		left, err := p.behind(ctx)
		if err != nil {
			return err
		}
		if quiet++; left > 0 {
			quiet = 0
		}
		progress(left)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
