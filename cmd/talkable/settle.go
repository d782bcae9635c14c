package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/talkable/talkable/migrations"
)

// floor is how far everybody has heard a module's log.
func (p *platform) floor(ctx context.Context, source string) (int64, error) {
	head, err := p.tables[source].Head(ctx)
	if err != nil {
		return 0, err
	}
	return p.heard(ctx, source, head.Seq)
}

// heard is how far everybody has heard a module's log that ends at seq.
func (p *platform) heard(ctx context.Context, source string, seq int64) (int64, error) {
	least := seq
	for _, c := range p.consumers {
		if !slices.Contains(c.Sources(), source) {
			continue
		}
		at, err := c.Cursor(ctx, source)
		if err != nil {
			return 0, err
		}
		least = min(least, at)
	}
	return least, nil
}

// bearings counts the events that somebody has still to hear, and what waits in outboxes, and says where the logs end.
func (p *platform) bearings(ctx context.Context) (left int64, ends string, err error) {
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
			heard, err := p.heard(ctx, m, head.Seq)
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
		left, _, err := p.bearings(ctx)
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
