// Package idempotency keeps Idempotency-Keys in the transaction of the work that they guard, in the schema of the module that
// does it. A key that comes back gets the first answer; with another request it is refused. The idea is that of the IETF draft
// draft-ietf-httpapi-idempotency-key-header; natural keys (order numbers) are unique beside it, for ever.
package idempotency

import (
	"context"
	_ "embed"
	"fmt"
	"sort"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
)

// Schema is the table's SQL, a part of postgres.Schema.
//
//go:embed schema.sql
var Schema string

// Key is what the client sent and what it stands for. The zero Key guards nothing.
type Key struct {
	Value       string
	Fingerprint string // hash over operation and body
}

// Claim is one request that wants its key.
type Claim struct {
	SiteID int64
	Key    Key
}

// Claimed says what became of a claim: go ahead, answer as before, or refuse.
type Claimed struct {
	Answer   []byte // the first answer, when Replayed
	Replayed bool
	Err      error // a fault: the key was used for another request
}

// errReused is the answer to a key that comes with another request.
var errReused = fault.New(fault.Unprocessable, "idempotency_key_reused", "This Idempotency-Key was used for another request.")

// Take claims the keys of a batch, in order, inserting those that are new; a concurrent holder of a key is waited for. Equal keys
// within the batch are answered as Replayed without an Answer for all but the first, unless the key was there before: the caller
// repeats the first one's.
func Take(ctx context.Context, tx *sqlx.Tx, schema string, now time.Time, claims []Claim) ([]Claimed, error) {
	out := make([]Claimed, len(claims))
	first, later := map[string]int{}, map[string][]int{}
	var sites []int64
	var keys, prints []string
	var order []int
	for i, c := range claims {
		if c.Key.Value == "" {
			continue
		}
		id := fmt.Sprintf("%d %s", c.SiteID, c.Key.Value)
		if j, seen := first[id]; seen {
			later[id] = append(later[id], i) // the first one's, unless the key is held by an earlier transaction
			out[i].Replayed = true
			if claims[j].Key.Fingerprint != c.Key.Fingerprint {
				out[i] = Claimed{Err: errReused}
			}
			continue
		}
		first[id] = i
		order = append(order, i)
	}
	if len(order) == 0 {
		return out, nil
	}
	sort.Slice(order, func(a, b int) bool { // one lock order for all batches
		x, y := claims[order[a]], claims[order[b]]
		return x.SiteID < y.SiteID || x.SiteID == y.SiteID && x.Key.Value < y.Key.Value
	})
	for _, i := range order {
		sites, keys, prints = append(sites, claims[i].SiteID), append(keys, claims[i].Key.Value), append(prints, claims[i].Key.Fingerprint)
	}
	var fresh []struct {
		SiteID int64  `db:"site_id"`
		Key    string `db:"key"`
	}
	err := tx.SelectContext(ctx, &fresh, fmt.Sprintf(`
		insert into %s.idempotency (site_id, key, fingerprint, created_at)
		select s, k, f, $4 from unnest($1::bigint[], $2::text[], $3::text[]) as u(s, k, f)
		on conflict (site_id, key) do nothing
		returning site_id, key`, schema), pq.Array(sites), pq.Array(keys), pq.Array(prints), now)
	if err != nil {
		return nil, fmt.Errorf("claim idempotency keys: %w", err)
	}
	if len(fresh) == len(order) {
		return out, nil
	}
	var held []struct {
		SiteID      int64  `db:"site_id"`
		Key         string `db:"key"`
		Fingerprint string `db:"fingerprint"`
		Answer      []byte `db:"answer"`
	}
	err = tx.SelectContext(ctx, &held, fmt.Sprintf(`
		select i.site_id, i.key, i.fingerprint, i.answer
		from unnest($1::bigint[], $2::text[]) as u(s, k)
		join %s.idempotency i on i.site_id = u.s and i.key = u.k`, schema), pq.Array(sites), pq.Array(keys))
	if err != nil {
		return nil, fmt.Errorf("read idempotency keys: %w", err)
	}
	isFresh := map[string]bool{}
	for _, f := range fresh {
		isFresh[fmt.Sprintf("%d %s", f.SiteID, f.Key)] = true
	}
	for _, h := range held {
		id := fmt.Sprintf("%d %s", h.SiteID, h.Key)
		if isFresh[id] {
			continue
		}
		for _, i := range append(later[id], first[id]) {
			if h.Fingerprint != claims[i].Key.Fingerprint {
				out[i] = Claimed{Err: errReused}
			} else {
				out[i] = Claimed{Answer: h.Answer, Replayed: true}
			}
		}
	}
	return out, nil
}

// TakeOne is Take for a single request.
func TakeOne(ctx context.Context, tx *sqlx.Tx, schema string, now time.Time, siteID int64, key Key) (Claimed, error) {
	out, err := Take(ctx, tx, schema, now, []Claim{{SiteID: siteID, Key: key}})
	if err != nil {
		return Claimed{}, err
	}
	return out[0], out[0].Err
}

// Keep stores the answers of claims that went ahead, in the same transaction. Claims without a key are passed over.
func Keep(ctx context.Context, tx *sqlx.Tx, schema string, claims []Claim, answers [][]byte) error {
	var sites []int64
	var keys, bodies []string
	for i, c := range claims {
		if c.Key.Value != "" && answers[i] != nil {
			sites, keys, bodies = append(sites, c.SiteID), append(keys, c.Key.Value), append(bodies, string(answers[i]))
		}
	}
	if len(sites) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`
		update %s.idempotency i set answer = u.a
		from unnest($1::bigint[], $2::text[], $3::text[]) as u(s, k, a)
		where i.site_id = u.s and i.key = u.k`, schema), pq.Array(sites), pq.Array(keys), pq.Array(bodies))
	if err != nil {
		return fmt.Errorf("keep answers of idempotency keys: %w", err)
	}
	return nil
}

// KeepOne is Keep for a single request.
func KeepOne(ctx context.Context, tx *sqlx.Tx, schema string, siteID int64, key Key, answer []byte) error {
	return Keep(ctx, tx, schema, []Claim{{SiteID: siteID, Key: key}}, [][]byte{answer})
}

// Sweep forgets up to limit keys that are older than before; natural keys keep guarding. It returns how many went.
func Sweep(ctx context.Context, db *sqlx.DB, schema string, before time.Time, limit int) (int64, error) {
	done, err := db.ExecContext(ctx, fmt.Sprintf(`
		delete from %[1]s.idempotency where ctid = any (array(
			select ctid from %[1]s.idempotency where created_at < $1 order by created_at limit $2))`, schema), before, limit)
	if err != nil {
		return 0, fmt.Errorf("sweep idempotency keys: %w", err)
	}
	return done.RowsAffected()
}
