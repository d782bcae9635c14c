package idempotency

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Once does the work of a single request, unless its key was there before: then the answer of the first time is read into answer,
// and replayed is true. Work leaves in answer what is kept, as JSON, with the key. An error keeps nothing; the transaction must
// not commit then.
func Once(ctx context.Context, tx *sqlx.Tx, schema string, now time.Time, siteID int64, key Key, answer any, work func() error) (replayed bool, err error) {
	claim, err := TakeOne(ctx, tx, schema, now, siteID, key)
	if err != nil {
		return false, err
	}
	if claim.Replayed {
		if err := json.Unmarshal(claim.Answer, answer); err != nil {
			return false, fmt.Errorf("answer kept with an idempotency key: %w", err)
		}
		return true, nil
	}
	if err := work(); err != nil {
		return false, err
	}
	kept, err := json.Marshal(answer)
	if err != nil {
		return false, fmt.Errorf("keep the answer with its idempotency key: %w", err)
	}
	return false, KeepOne(ctx, tx, schema, siteID, key, kept)
}
