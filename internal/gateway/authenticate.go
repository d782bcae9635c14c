package gateway

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/web"
)

const longestKey = 512 // of the whole header: longer ones aren't looked at

var (
	errOtherSite = fault.New(fault.Invalid, "site_not_found", "No site found by ``site_slug``.").At("site_slug", "not the site of this key")
	errNotPublic = fault.New(fault.Forbidden, "secret_key_needed", "This operation needs a secret key.")
)

// letIn finds who asks, holds them to their rate, reads the body and checks that it speaks of their own site. What it puts into
// the context is all that operations know of the request.
func (g *Gateway) letIn(forms *shapes) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := g.enter(w, r, forms, next); err != nil {
				web.Fail(w, r, err)
			}
		})
	}
}

func (g *Gateway) enter(w http.ResponseWriter, r *http.Request, forms *shapes, next http.Handler) error {
	req := web.From(r.Context())
	b := &body{w: bare(w), r: r, limit: g.limits.Body, forms: forms}
	c, err := g.identify(w, r, b)
	if fault.Is(err, fault.Unauthenticated) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="talkable"`)
	}
	if err != nil {
		return err
	}
	req.Site, req.KeyID, req.Public, req.MemberID, req.Redeems = c.site, c.keyID, c.public, c.personID, c.may == mayRedeem
	if !g.withinRate(w, r, c) {
		return nil
	}
	if foreign(r) {
		return errForeign
	}
	if req.DryRun, err = dryRun(r, forms); err != nil {
		return err
	}
	if streamed(r) {
		if err := ownSite(r, document{}, c.site.Slug); err != nil {
			return err
		}
		if req.DryRun {
			r = r.WithContext(postgres.Rehearsal(r.Context()))
		}
		return stream(w, r, next)
	}
	doc, err := b.read()
	if err == nil {
		err = ownSite(r, doc, c.site.Slug)
	}
	if err == nil {
		req.Idempotency, err = idempotencyKey(r, doc.raw, c)
	}
	if req.DryRun { // its answer is nobody's
		r, req.Idempotency = r.WithContext(postgres.Rehearsal(r.Context())), idempotency.Key{}
	}
	if err == nil {
		next.ServeHTTP(w, r)
	}
	return err
}

// identify finds whom the request's key stands for. A key that cannot be one of ours is refused without asking the database;
// an address that keeps sending wrong ones is put off.
func (g *Gateway) identify(w http.ResponseWriter, r *http.Request, b *body) (caller, error) {
	plain := credential(r, b)
	if token, ok := readMemberToken(plain); ok {
		c, err := g.holder(w, r, named{siteID: token.SiteID, keyID: token.KeyID})
		if err != nil {
			return c, err
		}
		return token.of(c, g.keys.real())
	}
	if !wellFormed(plain) {
		return caller{}, errUnknownKey
	}
	return g.holder(w, r, named{hash: hashOf(plain)})
}

// holder is whom a key stands for. Who names many that there aren't is put off.
func (g *Gateway) holder(w http.ResponseWriter, r *http.Request, key named) (caller, error) {
	if c, ok, err := g.keys.cached(key); ok {
		return c, err
	}
	from := addressKey(r)
	if _, rate, err := g.strangers.Status(from); err == nil && int(rate) >= g.limits.PublicRate {
		return caller{}, tooMany()
	}
	c, err := g.keys.find(r.Context(), key)
	if fault.Is(err, fault.Unauthenticated) {
		g.strangers.OnLimit(w, r, from) // counts it
	}
	return c, err
}

// credential is the key that the request carries: a Bearer token, the user of HTTP Basic with a blank password, or, as the
// oldest clients send it, api_key in the query or in the body. Anything doubtful is no key.
func credential(r *http.Request, b *body) string {
	if headers, sent := r.Header["Authorization"]; sent {
		if len(headers) != 1 || len(headers[0]) > longestKey {
			return ""
		}
		scheme, rest, _ := strings.Cut(headers[0], " ")
		if strings.EqualFold(scheme, "Bearer") {
			return rest
		}
		if strings.EqualFold(scheme, "Basic") {
			pair, err := base64.StdEncoding.DecodeString(rest)
			if user, password, colon := strings.Cut(string(pair), ":"); err == nil && colon && password == "" {
				return user
			}
		}
		return ""
	}
	if keys, sent := r.URL.Query()["api_key"]; sent {
		if len(keys) != 1 {
			return ""
		}
		return keys[0]
	}
	if streamed(r) { // its body is no place for a key
		return ""
	}
	doc, err := b.read()
	if err != nil {
		return ""
	}
	return doc.apiKey
}

// ownSite looks for the site's slug in the body's top level, then in the query, for every verb, as Talkable's clients put it in
// either. Whether another site exists makes no difference.
func ownSite(r *http.Request, doc document, slug string) error {
	if doc.site != nil {
		if *doc.site != slug {
			return errOtherSite
		}
		return nil
	}
	for _, named := range r.URL.Query()["site_slug"] {
		if named != slug {
			return errOtherSite
		}
	}
	return nil
}

// onlyPublic keeps public keys and members' tokens to the operations that say they are for them.
func onlyPublic(ctx huma.Context, next func(huma.Context)) {
	if err := allowed(web.From(ctx.Context()), ctx.Operation().Metadata); err != nil {
		r, w := humachi.Unwrap(ctx)
		web.Fail(w, r, err)
		return
	}
	next(ctx)
}

// allowed says why a request may not have an operation, by what that is for: "public" is true, or "member" says what a token must be good for.
func allowed(req *web.Request, operation map[string]any) error {
	switch may := operation["member"]; {
	case req.MemberID != 0 && may != mayRead && (may != mayRedeem || !req.Redeems):
		return errNotMembers
	case req.MemberID == 0 && req.Public && operation["public"] != true:
		return errNotPublic
	}
	return nil
}
