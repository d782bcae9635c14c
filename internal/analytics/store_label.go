package analytics

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// placed is a label with its place among those of its site, from 1: unique, so that there can't be more than there are places.
type placed struct {
	label
	place int
}

// lockSites makes those who add labels of a site follow each other.
func lockSites(ctx context.Context, tx sqlx.ExtContext, sites map[int64]bool) error {
	_, err := tx.ExecContext(ctx, `select from analytics.site where site_id = any ($1) order by site_id for no key update`,
		pq.Array(slices.Sorted(maps.Keys(sites))))
	if err != nil {
		return fmt.Errorf("lock sites: %w", err)
	}
	return nil
}

// labelsOf reads the labels of sites that are locked: those that were there before, and those of this transaction's moment, which are its
// own and may be rolled back yet.
func labelsOf(ctx context.Context, tx sqlx.QueryerContext, sites map[int64]bool, now time.Time) (earlier, mine []label, err error) {
	var found []struct {
		Site int64  `db:"site_id"`
		Kind string `db:"facet"`
		Name string `db:"name"`
		Mine bool   `db:"mine"`
	}
	err = sqlx.SelectContext(ctx, tx, &found, `
		select site_id, facet, name, made_at >= $2 as mine from analytics.label where site_id = any ($1)`,
		pq.Array(slices.Sorted(maps.Keys(sites))), now)
	if err != nil {
		return nil, nil, fmt.Errorf("read labels: %w", err)
	}
	for _, f := range found {
		one := label{free{f.Site, facetNamed(f.Kind)}, f.Name}
		if f.Mine {
			mine = append(mine, one)
		} else {
			earlier = append(earlier, one)
		}
	}
	return earlier, mine, nil
}

// facetNamed finds a facet by its column.
func facetNamed(column string) int {
	return slices.IndexFunc(facetKinds[:], func(k facetKind) bool { return k.column == column })
}

func insertLabels(ctx context.Context, tx sqlx.ExtContext, now time.Time, added []placed) error {
	if len(added) == 0 {
		return nil
	}
	n := len(added)
	sites, places, kinds, names := make([]int64, n), make([]int64, n), make([]string, n), make([]string, n)
	for i, p := range added {
		sites[i], places[i], kinds[i], names[i] = p.site, int64(p.place), facetKinds[p.facet].column, p.name
	}
	_, err := tx.ExecContext(ctx, `
		insert into analytics.label (site_id, facet, name, place, made_at)
		select s, f, n, p, $5 from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) as u (s, f, n, p)`,
		pq.Array(sites), pq.Array(kinds), pq.Array(names), pq.Array(places), now)
	if err != nil {
		return fmt.Errorf("add labels: %w", err)
	}
	return nil
}
