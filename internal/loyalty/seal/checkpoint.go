package seal

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Checkpoint is what a chain came to, signed.
type Checkpoint struct {
	Chain
	Day       string    `json:"day,omitempty"` // that was over, UTC
	MadeAt    time.Time `json:"made_at"`
	PublicKey []byte    `json:"public_key,omitempty"` // base64 in JSON, as the signature; empty: nobody has signed
	Signature []byte    `json:"signature,omitempty"`
}

// Sign signs a chain as it is; without a key nobody does.
func Sign(c Chain, day string, at time.Time, key ed25519.PrivateKey) Checkpoint {
	k := Checkpoint{Chain: c.Clone(), Day: day, MadeAt: at.UTC().Truncate(time.Microsecond)}
	if key != nil {
		k.PublicKey = key.Public().(ed25519.PublicKey)
		k.Signature = ed25519.Sign(key, k.bytes())
	}
	return k
}

// Signed says whether its key has signed just this.
func (k Checkpoint) Signed() bool {
	return len(k.PublicKey) == ed25519.PublicKeySize && ed25519.Verify(k.PublicKey, k.bytes(), k.Signature)
}

// bytes are what is signed: see the package's comment.
func (k Checkpoint) bytes() []byte {
	b := field(nil, "checkpoint")
	b = number(b, k.SiteID)
	b = field(b, k.Day)
	b = number(b, k.Place, k.ID)
	b = field(b, k.Hash.String())
	b = number(b, k.Entries, k.Allocations)
	b = field(b, stamp(k.MadeAt))
	b = number(b, int64(len(k.Sums)))
	for _, name := range slices.Sorted(maps.Keys(k.Sums)) {
		b = field(b, name, strconv.FormatInt(k.Sums[name], 10))
	}
	return b
}

// differs says in which way a checkpoint is not the chain's.
func (k Checkpoint) differs(c Chain) error {
	switch {
	case k.SiteID != c.SiteID:
		return fmt.Errorf("is of site %d, the ledger of site %d", k.SiteID, c.SiteID)
	case k.Place != c.Place || k.ID != c.ID:
		return fmt.Errorf("was made at place %d (transaction %d), here stands place %d (transaction %d): transactions are missing or were added", k.Place, k.ID, c.Place, c.ID)
	case k.Hash != c.Hash:
		return fmt.Errorf("has another hash than the %d transactions before it: they are not what was sealed", c.Place)
	case k.Entries != c.Entries || k.Allocations != c.Allocations:
		return fmt.Errorf("counts %d entries and %d allocations, there are %d and %d", k.Entries, k.Allocations, c.Entries, c.Allocations)
	case !maps.Equal(k.Sums, c.Sums):
		return fmt.Errorf("has other sums (%v) than the entries (%v)", k.Sums, c.Sums)
	}
	return nil
}

// ErrKey is a key that is none.
var ErrKey = errors.New("not a key of 32 bytes in base64")

// ParseKey reads a private key: its seed of 32 bytes in base64.
func ParseKey(text string) (ed25519.PrivateKey, error) {
	seed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, ErrKey // never echo it
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// ParsePublicKey reads a public key in base64.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, ErrKey
	}
	return key, nil
}
