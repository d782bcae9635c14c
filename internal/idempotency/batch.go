package idempotency

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Done is what became of one request of a batch.
type Done[T any] struct {
	Value    T
	Err      error // a fault: the request was refused, or its key had been used for another one
	Replayed bool  // the key's request was done before; Value is what was answered then
}

// Batch is Once for all requests of a transaction: work does those that are new, which it is given by their places in claims, and puts
// their answers into out. Who comes with the key of another of the batch gets that one's answer. The key of a request that was refused
// is free again, as it is when a request alone is rolled back.
func Batch[T any](ctx context.Context, tx *sqlx.Tx, schema string, now time.Time, claims []Claim, work func(fresh []int, out []Done[T]) error) ([]Done[T], error) {
	claimed, err := Take(ctx, tx, schema, now, claims)
	if err != nil {
		return nil, err
	}
	out, fresh := make([]Done[T], len(claims)), make([]int, 0, len(claims))
	for i, c := range claimed {
		if out[i].Err = c.Err; c.Err == nil && !c.Replayed {
			fresh = append(fresh, i)
		}
	}
	if len(fresh) > 0 {
		if err := work(fresh, out); err != nil {
			return nil, err
		}
	}
	answers, kept := make([][]byte, len(claims)), make([][]byte, len(claims))
	var refused []Claim
	for _, i := range fresh {
		if claims[i].Key.Value == "" {
			continue
		}
		if answers[i], err = Encode(out[i].Value, out[i].Err); err != nil {
			return nil, err
		}
		if out[i].Err == nil {
			kept[i] = answers[i]
		} else {
			refused = append(refused, claims[i])
		}
	}
	if err := Keep(ctx, tx, schema, claims, kept); err != nil {
		return nil, err
	}
	if err := free(ctx, tx, schema, refused); err != nil {
		return nil, err
	}
	return out, Repeat(claims, claimed, answers, func(i int, first T, no error) {
		out[i] = Done[T]{Value: first, Err: no, Replayed: no == nil}
	})
}

// free gives back keys that the transaction has taken.
func free(ctx context.Context, tx *sqlx.Tx, schema string, claims []Claim) error {
	if len(claims) == 0 {
		return nil
	}
	sites, keys := make([]int64, len(claims)), make([]string, len(claims))
	for i, c := range claims {
		sites[i], keys[i] = c.SiteID, c.Key.Value
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`
		delete from %s.idempotency i using unnest($1::bigint[], $2::text[]) u (s, k)
		where i.site_id = u.s and i.key = u.k`, schema), pq.Array(sites), pq.Array(keys))
	if err != nil {
		return fmt.Errorf("free idempotency keys: %w", err)
	}
	return nil
}
