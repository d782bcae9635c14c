package referral

import (
	"crypto/rand"
	"strings"

	"github.com/google/uuid"
)

// Codes are Crockford's base 32 in lower case: no i, l, o, u. The first character is a letter, so no code is a number, and a
// path that takes ids and codes is never ambiguous. 22 × 32⁹ codes are 49 bits.
const (
	alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	letters  = "abcdefghjkmnpqrstvwxyz"
	codeSize = 10
)

// newCode draws a code from the system's secure source.
func newCode() string {
	var b [2 * codeSize]byte
	for {
		_, _ = rand.Read(b[:]) // never fails, since Go 1.24
		code := make([]byte, 0, codeSize)
		for _, x := range b {
			switch {
			case len(code) == codeSize:
				return string(code)
			case len(code) > 0:
				code = append(code, alphabet[x&31])
			case int(x) < 256/len(letters)*len(letters): // no letter is likelier than another
				code = append(code, letters[int(x)%len(letters)])
			}
		}
		if len(code) == codeSize {
			return string(code)
		}
	}
}

// codeOf reads a code as a person or a QR scanner may give it; false if it can't be one.
func codeOf(s string) (string, bool) {
	if len(s) != codeSize {
		return "", false
	}
	s = strings.ToLower(s)
	for i := range len(s) {
		if strings.IndexByte(alphabet, s[i]) < 0 {
			return "", false
		}
	}
	return s, s[0] > '9'
}

// visitorOf reads a visitor's uuid in its one canonical form. The nil uuid is nobody.
func visitorOf(s string) (string, bool) {
	if len(s) != 36 {
		return "", false
	}
	id, err := uuid.Parse(s)
	if err != nil || id == uuid.Nil {
		return "", false
	}
	return id.String(), true
}

// visitorsOf keeps the uuids of a list, each once, in their order.
func visitorsOf(list []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range list {
		if v, ok := visitorOf(s); ok && !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}
