package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/singleflight"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/site"
)

// caller is whom a key stands for.
type caller struct {
	site   site.Site
	keyID  int64
	hash   keyHash // of the key
	public bool

	personID int64 // of a member's token, which public is true of, too; else 0
	may      string
}

// named is how a request names a key: by the key itself, or in a member's token by its site and number.
type named struct {
	hash          keyHash
	siteID, keyID int64
}

// A revoked key is refused within a second: what the database said is believed for less than that, and a question to it takes
// less, too. Only while the database cannot be asked does a key that it knew in the last minute go on: the work itself then finds
// out what still can be done, and a revocation could not be recorded anyway.
const (
	believed = 700 * time.Millisecond
	patience = time.Second
	trusted  = time.Minute
	ringSize = 10_000 // known keys, and as many unknown ones apart, so that guesses drive no key out
)

var errUnknownKey = fault.New(fault.Unauthenticated, "unauthenticated", "A valid API key is needed, as in: Authorization: Bearer KEY")

// keyring remembers for a moment what the database says of keys.
type keyring struct {
	db      *sqlx.DB
	real    clock.Clock // the machine's, also where the platform's clock is moved
	known   *lru.Cache[named, remembered]
	unknown *lru.Cache[named, time.Time]
	asking  singleflight.Group
}

type remembered struct {
	caller caller
	at     time.Time // when the question began
}

func newKeyring(db *sqlx.DB, real clock.Clock) *keyring {
	k := &keyring{db: db, real: real}
	k.known, _ = lru.New[named, remembered](ringSize) // fails for sizes below one only
	k.unknown, _ = lru.New[named, time.Time](ringSize)
	return k
}

// cached answers from memory; ok is false when the database must be asked.
func (k *keyring) cached(key named) (c caller, ok bool, err error) {
	if r, hit := k.known.Get(key); hit && k.within(r.at, believed) {
		return r.caller, true, nil
	}
	if at, hit := k.unknown.Get(key); hit && k.within(at, believed) {
		return caller{}, true, errUnknownKey
	}
	return caller{}, false, nil
}

// find asks the database, once for all who want to know of the same key at the same time.
func (k *keyring) find(ctx context.Context, key named) (caller, error) {
	flight := k.asking.DoChan(fmt.Sprint(key), func() (any, error) {
		return k.ask(context.WithoutCancel(ctx), key) // others wait for the answer even if this request goes away
	})
	select {
	case <-ctx.Done():
		return caller{}, fmt.Errorf("wait for key: %w", ctx.Err())
	case r := <-flight:
		if r.Err != nil {
			return caller{}, r.Err
		}
		return r.Val.(caller), nil
	}
}

func (k *keyring) ask(ctx context.Context, key named) (caller, error) {
	began := k.real()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := callerOf(ctx, k.db, key)
	switch {
	case err == nil:
		k.known.Add(key, remembered{c, began})
	case errors.Is(err, errUnknownKey):
		k.known.Remove(key)
		k.unknown.Add(key, began)
	case postgres.Away(err) || ctx.Err() != nil:
		if r, hit := k.known.Peek(key); hit && k.within(r.at, trusted) {
			return r.caller, nil
		}
		f := fault.New(fault.Unavailable, "unavailable", "A part of the service is away; please repeat the request.").Because(err)
		f.Retry = 2 * time.Second
		return caller{}, f
	}
	return c, err
}

// within also is false for times to come: the machine's clock was set back.
func (k *keyring) within(at time.Time, span time.Duration) bool {
	age := k.real().Sub(at)
	return age >= 0 && age < span
}

// forget drops everything remembered; other processes notice a change within a second.
func (k *keyring) forget() {
	k.known.Purge()
	k.unknown.Purge()
}
