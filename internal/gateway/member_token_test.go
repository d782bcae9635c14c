package gateway

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// token is a member's of the house's shop, for an hour by the machine's clock.
func (h *house) token(may string, change ...func(*memberClaims)) string {
	c := memberClaims{SiteID: h.shop.ID, KeyID: h.secretKey.ID, PersonID: 7, Until: h.g.keys.real().Add(time.Hour).Unix(), May: may}
	for _, f := range change {
		f(&c)
	}
	return c.sign(hashOf(h.secret))
}

func TestMemberToken(t *testing.T) {
	h := newHouse(t)
	post := func(path, token string, headers ...string) reply {
		return h.call("POST", "/api/v2"+path, `{}`, append([]string{"Authorization", "Bearer " + token}, headers...)...)
	}
	made, until, err := h.g.MemberToken(t.Context(), h.shop.ID, h.secretKey.ID, 7, mayRedeem, time.Hour)
	if err != nil || made != h.token(mayRedeem, func(c *memberClaims) { c.Until = until.Unix() }) {
		t.Errorf("%s %s, %v", made, until, err)
	}
	for path, tokens := range map[string][]string{"/member": {h.token(mayRead), h.token(mayRedeem)}, "/member/spend": {made}} {
		for _, token := range tokens {
			r := post(path, token)
			if h.fine(r); string(r.body.Result) != "7" {
				t.Errorf("%s: %s", path, r.text)
			}
		}
	}
	h.problem(post("/member/spend", h.token(mayRead)), 403, "secret_key_needed")
	h.problem(post("/loose", made), 403, "secret_key_needed") // what a public key may
	h.problem(post("/strict", made), 403, "secret_key_needed")
	h.problem(post("/member", h.public), 403, "secret_key_needed")

	h.problem(post("/member", h.token(mayRead, func(c *memberClaims) { c.Until = h.g.keys.real().Unix() })), 401, "token_expired")
	half := strings.Split(made, ".")
	for name, token := range map[string]string{
		"another site's":          h.token(mayRead, func(c *memberClaims) { c.SiteID = h.other.ID }),
		"another key's":           h.token(mayRead, func(c *memberClaims) { c.KeyID = h.othKey.ID }),
		"no key's":                h.token(mayRead, func(c *memberClaims) { c.KeyID = 1 << 40 }),
		"signed by a public key":  memberClaims{SiteID: h.shop.ID, KeyID: h.publicKey.ID, PersonID: 7, Until: until.Unix(), May: mayRead}.sign(hashOf(h.public)),
		"for ever":                h.token(mayRead, func(c *memberClaims) { c.Until = 1 << 40 }),
		"good for anything":       h.token("write"),
		"nobody's":                h.token(mayRead, func(c *memberClaims) { c.PersonID = 0 }),
		"of other claims":         strings.Split(h.token(mayRedeem, func(c *memberClaims) { c.PersonID = 8 }), ".")[0] + "." + half[1],
		"without a signature":     half[0] + ".",
		"with half of one":        made[:len(made)-22],
		"with bits behind it":     made + "A",
		"with another's encoding": made[:len(made)-1] + "=",
		"nothing":                 memberPrefix,
	} {
		h.on(name, func(h *house) { h.problem(post("/member", token), 401, "unauthenticated") })
	}
	if err := h.g.RevokeKey(t.Context(), h.shop.ID, h.secretKey.ID); err != nil {
		t.Fatal(err)
	}
	h.problem(post("/member", made), 401, "unauthenticated")
}

func TestMemberToken_has_keys_of_its_own_for_repeating(t *testing.T) {
	h := newHouse(t)
	seen := map[string]bool{}
	for _, token := range []string{h.secret, h.token(mayRead), h.token(mayRead, func(c *memberClaims) { c.PersonID = 8 })} {
		r := h.call("POST", "/api/v2/member", `{}`, "Authorization", "Bearer "+token, "Idempotency-Key", "1")
		if r.status != 200 && token != h.secret {
			t.Fatal(r.text)
		}
		h.mu.Lock()
		seen[h.last.Idempotency.Value] = true
		h.mu.Unlock()
	}
	if len(seen) != 3 {
		t.Errorf("%v", seen)
	}
}

// TestMemberToken_from_pages_of_other_origins: a browser asks first, and is told yes for what members may call, and for nothing else.
func TestMemberToken_from_pages_of_other_origins(t *testing.T) {
	h := newHouse(t)
	for path, want := range map[string]string{memberPaths: "*", memberPaths + "/redeem_actions": "*", memberPaths + "n": "", "/api/v2/loose": ""} {
		r := h.call("OPTIONS", path, "", "Authorization", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
		if r.header.Get("Access-Control-Allow-Origin") != want || want == "" && r.status == http.StatusOK || want != "" && !strings.Contains(strings.ToLower(r.header.Get("Access-Control-Allow-Headers")), "authorization") {
			t.Errorf("%s: %d %v", path, r.status, r.header)
		}
		if r := h.call("GET", path, "", "Origin", "https://shop.example"); r.header.Get("Access-Control-Allow-Origin") != want || r.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", path, r.header)
		}
	}
}
