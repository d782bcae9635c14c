package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
)

var errIdempotencyKey = fault.New(fault.Invalid, "invalid_idempotency_key",
	"The Idempotency-Key must be 1 to 255 visible ASCII characters, once.").At("header.Idempotency-Key", "not such a key")

// idempotencyKey reads the header of a write. A quoted key is the same as a bare one: the draft standard has quotes, most
// clients have none. A member's keys are their own: what one member was answered is nothing for another.
func idempotencyKey(r *http.Request, raw []byte, c caller) (idempotency.Key, error) {
	sent, given := r.Header["Idempotency-Key"]
	if !given || !writes(r.Method) {
		return idempotency.Key{}, nil
	}
	if len(sent) != 1 {
		return idempotency.Key{}, errIdempotencyKey
	}
	key := sent[0]
	if len(key) >= 2 && key[0] == '"' && key[len(key)-1] == '"' {
		key = key[1 : len(key)-1]
	}
	if len(key) == 0 || len(key) > 255 {
		return idempotency.Key{}, errIdempotencyKey
	}
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' || c == '"' {
			return idempotency.Key{}, errIdempotencyKey
		}
	}
	if c.personID != 0 {
		key += " of member " + strconv.FormatInt(c.personID, 10) // no key has a blank
	}
	return idempotency.Key{Value: key, Fingerprint: fingerprint(r, raw)}, nil
}

// fingerprint tells requests apart: by method, route, the path's values, the query but for what only says who asks, and the
// body, whose white space and order of names don't matter. Numbers count as they are written.
func fingerprint(r *http.Request, raw []byte) string {
	h := sha256.New()
	say := func(s string) { fmt.Fprintf(h, "%d:%s", len(s), s) }
	say(r.Method)
	route := chi.RouteContext(r.Context())
	say(route.RoutePattern())
	for _, name := range route.URLParams.Keys {
		say(pathValue(r, name))
	}
	query := r.URL.Query()
	query.Del("api_key")
	query.Del("site_slug")
	say(query.Encode())
	body := jsontext.Value(slices.Clone(raw))
	if len(body) > 0 {
		if err := body.Canonicalize(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false)); err != nil {
			body = raw // cannot be: it was scanned
		}
	}
	say(string(body))
	return hex.EncodeToString(h.Sum(nil))
}
