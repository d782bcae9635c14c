package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"strings"
	"time"
)

// The kinds of keys.
const (
	Secret = "secret" // from server to server: may do everything in its site
	Public = "public" // in a browser or an app: may call the public operations, and what it says earns nothing by itself
)

// Key is an API key as it may be shown: the key itself is known to nobody but its holder.
type Key struct {
	SiteID    int64      `db:"site_id" json:"site_id"`
	ID        int64      `db:"id" json:"id"`
	Kind      string     `db:"kind" json:"kind"`
	Prefix    string     `db:"prefix" json:"prefix"` // the key's beginning, to tell keys apart
	Name      string     `db:"name" json:"name"`
	CreatedAt time.Time  `db:"created_at" json:"created_at"`
	RevokedAt *time.Time `db:"revoked_at" json:"revoked_at"`
}

// A key is its kind's prefix, 43 digits of base 62 that hold 256 random bits, and 6 more that hold their checksum: a mistyped or
// truncated key is refused without asking the database, and a scanner of leaked secrets can tell a key from noise.
const (
	digits    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	bodySize  = 43
	checkSize = 6
)

var prefixes = map[string]string{Secret: "tk_secret_", Public: "tk_public_"}

func mint(kind string) (plain string) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: the program ends if the system has no randomness
	start := prefixes[kind] + base62(new(big.Int).SetBytes(random[:]), bodySize)
	return start + checksum(start)
}

// wellFormed says whether a key of ours can look like this.
func wellFormed(plain string) bool {
	start, ok := strings.CutPrefix(plain, prefixes[Secret])
	if !ok {
		start, ok = strings.CutPrefix(plain, prefixes[Public])
	}
	if !ok || len(start) != bodySize+checkSize {
		return false
	}
	cut := len(plain) - checkSize
	return plain[cut:] == checksum(plain[:cut])
}

func checksum(start string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(start)))), checkSize)
}

func base62(n *big.Int, size int) string {
	out := make([]byte, size)
	base, digit := big.NewInt(62), new(big.Int)
	n = new(big.Int).Set(n)
	for i := size - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		out[i] = digits[digit.Int64()]
	}
	return string(out)
}

type keyHash [sha256.Size]byte

func hashOf(plain string) keyHash { return sha256.Sum256([]byte(plain)) }

// shown is how much of a key a list shows: its kind and 4 digits.
func shown(plain string) string { return plain[:len(prefixes[Secret])+4] }
