package agenda

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

// Due is a table of things to do, each from its next_at on, which is counted by its tries.
type Due struct {
	What    string // in a few words, for people
	Table   string // with its schema
	ID      string // its key, beside site_id
	Columns string // that are read, of "a"
	Open    string // which are to be done: "state = 'waiting'"
	Set     string // what else a claim says: "state = 'asking'"; "": nothing
}

// Claim takes what is due, a few of each site, so that a slow shop keeps nobody else waiting. Until lease has passed nobody else takes it; whoever dies meanwhile has
// used up a try.
func (d Due) Claim(ctx context.Context, db sqlx.QueryerContext, into any, now time.Time, lease time.Duration, limit, each int) error {
	set := "tries = a.tries + 1, next_at = $4"
	if d.Set != "" {
		set += ", " + d.Set
	}
	err := sqlx.SelectContext(ctx, db, into, strings.NewReplacer("$table", d.Table, "$id", d.ID, "$open", d.Open, "$set", set, "$columns", d.Columns).Replace(`
		with due as (
			select site_id, $id from (
				select site_id, $id, next_at, row_number() over (partition by site_id order by next_at, $id) as n
				from $table where $open and next_at <= $1) d
			where n <= $3 order by next_at limit $2),
		held as (
			select h.site_id, h.$id from $table h
			join due using (site_id, $id)
			where $open and next_at <= $1
			order by h.site_id, h.$id
			for update of h skip locked)
		update $table a set $set
		from held where a.site_id = held.site_id and a.$id = held.$id
		returning $columns`), now, limit, each, now.Add(lease))
	if err != nil {
		return fmt.Errorf("claim %s: %w", d.What, err)
	}
	return nil
}

// Rounds does what is due, all of a claim at once, until nothing is, and returns how much it was. An error ends it behind its round.
func Rounds[T any](claim func() ([]T, error), do func(T) error) (total int, err error) {
	for {
		due, err := claim()
		if err != nil || len(due) == 0 {
			return total, err
		}
		errs := make([]error, len(due))
		var all sync.WaitGroup
		for i := range due {
			all.Go(func() { errs[i] = do(due[i]) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return total, err
		}
		total += len(due)
	}
}

// Every does something time and again until ctx ends.
func Every(ctx context.Context, pause time.Duration, do func()) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}
