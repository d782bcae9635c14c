package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
)

// Unit is a unit of work: one transaction, its moment, and what it tells.
type Unit struct {
	*sqlx.Tx
	Now  time.Time // every row and every decision of this transaction has this time
	told []told
	err  error // the first event that could not be told
}

// Tell makes body an event of this transaction: it exists if and only if the transaction commits. It is written by the last
// statement before the commit. Events of one key keep the order of their commits if the transaction holds a lock of the key's
// row by then (or inserted it). A body that cannot be written as JSON fails the transaction.
func (u *Unit) Tell(site int64, key string, body Payload) {
	text, err := json.Marshal(body)
	switch {
	case err != nil:
	case key == "" || strings.ContainsAny(key, "\x00\t\n") || !utf8.ValidString(key):
		err = fmt.Errorf("key %q", key)
	case holdsNUL(text): // jsonb cannot
		err = errors.New("the body holds a NUL character")
	}
	if err != nil {
		if u.err == nil {
			u.err = fmt.Errorf("tell %s: %w", body.EventType(), err)
		}
		return
	}
	u.told = append(u.told, told{site: site, key: key, kind: body.EventType(), body: string(text)})
}

// holdsNUL looks for the escape of the NUL character in JSON, and isn't taken in by an escaped backslash before "u0000".
func holdsNUL(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if i++; bytes.HasPrefix(text[i:], []byte("u0000")) {
			return true
		}
	}
	return false
}

// Commit is not the closure's to call: the outbox commits.
func (u *Unit) Commit() error { return errors.New("bus: a unit of work is committed by its outbox") }

// Rollback is not the closure's to call: returning an error rolls back.
func (u *Unit) Rollback() error {
	return errors.New("bus: a unit of work is rolled back by its outbox")
}

// flush writes what was told, in the order of telling.
func (u *Unit) flush(ctx context.Context, insert *statement) error {
	if u.err != nil {
		return u.err
	}
	for part := range slices.Chunk(u.told, batchEvents) {
		if err := insert.exec(ctx, u.Tx, u.Now, len(part), lines(part)); err != nil {
			return fmt.Errorf("tell %d events: %w", len(part), err)
		}
	}
	return nil
}
