package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/talkable/talkable/migrations"
)

// behindQuery counts the events that the consumers of modules have not heard, and one for each outbox where any wait: the index
// finds that out, while a count would read all that was deleted lately. It is one statement, and so one moment: a consumer's
// effects, what it tells and its cursor are one transaction, so zero means that nothing is under way anywhere.
func behindQuery(modules []string) string {
	var parts, heads []string
	for _, m := range migrations.Modules {
		parts = append(parts, fmt.Sprintf(`coalesce((select 1 from %s.outbox order by id limit 1), 0)`, m))
		heads = append(heads, fmt.Sprintf(`select '%[1]s' as source, seq from %[1]s.head`, m))
	}
	for _, m := range modules {
		parts = append(parts, fmt.Sprintf(`(select coalesce(sum(h.seq - c.seq), 0) from %s.cursor c join head h on h.source = c.source)`, m))
	}
	return `with head as (` + strings.Join(heads, " union all ") + `) select (` + strings.Join(parts, " + ") + `)::bigint`
}

func (p *platform) behind(ctx context.Context) (n int64, err error) {
	err = p.db.GetContext(ctx, &n, behindQuery(migrations.Modules))
	return n, err
}

const (
	glance     = 5 * time.Millisecond // between two looks at whether all is settled
	settleTime = 3 * time.Minute
)

// settle waits until every consumer has heard everything, and returns when that was seen.
func (p *platform) settle(ctx context.Context) (time.Time, error) {
	return p.settled(ctx, migrations.Modules)
}

// settled waits for the consumers of modules.
func (p *platform) settled(ctx context.Context, modules []string) (time.Time, error) {
	query := behindQuery(modules)
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	var last int64
	for {
		var n int64
		if err := p.db.GetContext(ctx, &n, query); err != nil {
			return time.Time{}, fmt.Errorf("wait for the consumers (%d events behind): %w", last, err)
		}
		if n == 0 {
			return time.Now(), p.parked(ctx)
		}
		last = n
		look := glance
		if n > 5000 { // far from the end the looking would only be in the way
			look *= 10
		}
		if err := p.pause(ctx, look); err != nil {
			return time.Time{}, err
		}
	}
}

// quiet waits until the messages are dealt with too, so that the other side of a pair has the machine for itself.
func (p *platform) quiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		var queued int64
		err := p.db.GetContext(ctx, &queued, `select count(*) from notify.message where status in ('queued', 'sending', 'transmitting')`)
		if err != nil {
			return fmt.Errorf("wait for the messages: %w", err)
		}
		if queued == 0 {
			_, err := p.settle(ctx) // what became of them was told
			return err
		}
		if err := p.pause(ctx, 10*glance); err != nil {
			return err
		}
	}
}

// parked refuses events that were put aside.
func (p *platform) parked(ctx context.Context) error {
	for _, m := range migrations.Modules {
		var why []string
		if err := p.db.SelectContext(ctx, &why, `select consumer || ' could not handle ' || type || ': ' || error from `+m+`.park limit 1`); err != nil {
			return err
		}
		if len(why) > 0 {
			return fmt.Errorf("events were parked: %s", why[0])
		}
	}
	return nil
}

// pause waits a moment, and returns an error when there is nothing to wait for any more.
func (p *platform) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.ended:
		return p.failure()
	case <-time.After(d):
		return nil
	}
}
