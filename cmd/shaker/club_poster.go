package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

// The club's posters, which each member wants and of which there are too few.
const (
	posterCost, posters = 30, 15
	posterRefused       = "refused reward_out_of_stock"
)

func (w *world) printPosters(ctx context.Context, programme int64) (err error) {
	w.club.poster, err = w.create(ctx, w.club.shop, fmt.Sprintf("/api/v2/loyalty/programs/%d/redemption_batches", programme), "redemption_batch",
		object{"description": "Poster", "kind": "product", "points_cost": posterCost, "terms": object{"fulfilment": "at_once", "stock": posters}})
	return err
}

// sellPosters has two members want a poster at once.
func (w *world) sellPosters(ctx context.Context, a, b *clubMember) error {
	var first error
	var all sync.WaitGroup
	all.Go(func() { first = a.takePoster(ctx, w, 0) })
	second := b.takePoster(ctx, w, 1)
	all.Wait()
	return errors.Join(first, second)
}

// takePoster redeems points for a poster, if there is one left.
func (m *clubMember) takePoster(ctx context.Context, w *world, replica int) error {
	target := "/api/v2/loyalty/members/" + url.PathEscape(m.email) + "/redeem_actions"
	body := object{"data": object{"redemption_batch_id": w.club.poster}}
	for try := 0; ctx.Err() == nil; try++ {
		r := w.replicas[(replica+try)%len(w.replicas)].send(ctx, w.club.Key, "POST", target, body, "poster-"+m.email)
		switch done, fault, note := classify(kindRedeem, r); {
		case done == yes:
			m.poster = true
			w.tally.reach("posters taken", 1)
			return nil
		case done == no && fault == "reward_out_of_stock":
			w.tally.reach(posterRefused, 1)
			w.club.refused.Store(true)
			return nil
		case done == no:
			return fmt.Errorf("a poster for %s: %s %s", m.email, note, fault)
		}
		wait(ctx, 50*time.Millisecond)
	}
	return ctx.Err()
}

const postersSQL = `
	select 'posters' as name, count(*)::text as value from loyalty.redemption where site_id = $1 and batch_id = $2 and status <> 'cancelled'`

// wrongPosters says whether more were taken than there are, or fewer while somebody was refused one.
func (c *club) wrongPosters(ctx context.Context, db *sqlx.DB) ([]string, error) {
	got, err := pairs(ctx, db, postersSQL, c.ID, c.poster)
	if err != nil {
		return nil, fmt.Errorf("read the club's posters: %w", err)
	}
	var taken int
	for _, m := range c.members {
		if m.poster {
			taken++
		}
	}
	var n int
	if _, err := fmt.Sscan(got["posters"], &n); err != nil {
		return nil, fmt.Errorf("read how many posters were taken: %w", err)
	}
	if n < taken || n > posters || c.refused.Load() && n < posters { // of some who were cut off nobody knows whether they got theirs
		return []string{fmt.Sprintf("%d of %d posters were taken, %d members know that they got one, somebody was refused: %v", n, posters, taken, c.refused.Load())}, nil
	}
	return nil, nil
}
