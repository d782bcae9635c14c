package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/fault"
)

// A member's token lets a page in a browser or an app speak for one loyalty member for a while, without a key in it:
//
//	tk_member_ CLAIMS . MAC
//
// both in base64url without padding. CLAIMS is JSON, MAC is HMAC-SHA256 of the encoded claims with the SHA-256 of the secret key that asked
// for the token: so nothing is kept of tokens, and revoking the key ends those that it signed.
const memberPrefix = "tk_member_"

// What tokens may do.
const (
	mayRead   = "read"   // what the member has
	mayRedeem = "redeem" // that, and spend the member's points
)

const (
	mostToken   = 24 * time.Hour
	thisMember  = "me" // how a path names the member of the token
	memberPaths = "/api/v2/loyalty/members/" + thisMember
)

var (
	errTokenOver  = fault.New(fault.Unauthenticated, "token_expired", "The member's token is over; ask your server for a new one.")
	errNotMembers = fault.New(fault.Forbidden, "secret_key_needed", "A member's token can't do this.")
	errOnlyMe     = fault.New(fault.Forbidden, "only_me", "A member's token speaks for its member alone: /loyalty/members/me.")
)

// memberClaims is what a token says.
type memberClaims struct {
	SiteID   int64  `json:"site"`
	KeyID    int64  `json:"key"` // that signed it
	PersonID int64  `json:"person"`
	Until    int64  `json:"until"` // seconds since 1970
	May      string `json:"may"`
}

// memberToken is a token as it was sent; nobody has looked at its signature yet.
type memberToken struct {
	memberClaims
	signed string
	mac    []byte
}

// sign makes the token; key is the hash of the key that KeyID names.
func (c memberClaims) sign(key keyHash) string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // plain fields always encode
	}
	signed := base64.RawURLEncoding.EncodeToString(text)
	return memberPrefix + signed + "." + base64.RawURLEncoding.EncodeToString(macOf(signed, key))
}

func macOf(signed string, key keyHash) []byte {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte(memberPrefix + signed))
	return h.Sum(nil)
}

// readMemberToken takes a token apart; false: it can be none of ours.
func readMemberToken(plain string) (t memberToken, ok bool) {
	rest, ok := strings.CutPrefix(plain, memberPrefix)
	signed, mac, dot := strings.Cut(rest, ".")
	if !ok || !dot {
		return t, false
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(signed)
	if err != nil || json.Unmarshal(text, &t.memberClaims) != nil {
		return t, false
	}
	if t.mac, err = base64.RawURLEncoding.Strict().DecodeString(mac); err != nil || len(t.mac) != sha256.Size {
		return t, false
	}
	t.signed = signed
	return t, t.SiteID > 0 && t.KeyID > 0 && t.PersonID > 0 && (t.May == mayRead || t.May == mayRedeem)
}

// of is whom the token stands for, if the key that c is signed it, and its time isn't over.
func (t memberToken) of(c caller, now time.Time) (caller, error) {
	switch until := time.Unix(t.Until, 0); {
	case c.public || !hmac.Equal(t.mac, macOf(t.signed, c.hash)), until.After(now.Add(mostToken + time.Minute)):
		return caller{}, errUnknownKey
	case !until.After(now):
		return caller{}, errTokenOver
	}
	c.public, c.personID, c.may = true, t.PersonID, t.May
	return c, nil
}
