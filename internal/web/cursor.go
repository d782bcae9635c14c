package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/talkable/talkable/internal/fault"
)

// Cursors signs the places where pages end, so that a client can neither read meaning into one nor carry it to another site or list.
type Cursors struct{ secret []byte }

// NewCursors takes the secret that all replicas share.
func NewCursors(secret []byte) *Cursors { return &Cursors{secret: secret} }

const macSize = 12

// Page is embedded in the inputs of lists: which page is wanted, and how long.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"25"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}

// Encode makes the cursor of a list ("entries") of a site that continues after the row described by after (small, JSON).
func (c *Cursors) Encode(siteID int64, list string, after any) string {
	body, err := json.Marshal(after)
	if err != nil {
		panic(fmt.Sprintf("cursor of %s: %v", list, err)) // a struct of plain fields always encodes
	}
	return base64.RawURLEncoding.EncodeToString(append(c.mac(siteID, list, body), body...))
}

// Decode reads a cursor into after. An empty one leaves it alone and returns false. A cursor that isn't ours, or is of another
// site or list, is a fault.
func (c *Cursors) Decode(siteID int64, list, cursor string, after any) (bool, error) {
	if cursor == "" {
		return false, nil
	}
	bad := fault.New(fault.Invalid, "invalid_cursor", "The cursor is not one that this list gave.").At("query.cursor", "not a cursor of this list")
	if len(cursor) > 1024 {
		return false, bad
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) <= macSize || !hmac.Equal(raw[:macSize], c.mac(siteID, list, raw[macSize:])) {
		return false, bad
	}
	if err := json.Unmarshal(raw[macSize:], after); err != nil {
		return false, bad.Because(err)
	}
	return true, nil
}

func (c *Cursors) mac(siteID int64, list string, body []byte) []byte {
	h := hmac.New(sha256.New, c.secret)
	fmt.Fprintf(h, "%d\x00%s\x00", siteID, list)
	h.Write(body)
	return h.Sum(nil)[:macSize]
}
