// Package web is the small vocabulary that the modules' HTTP share: who asks, the envelope, problems, pages. It knows no word of
// the domain.
package web

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

// Request is what the edge knows of a request once it let it in. Handlers take it out of the context first thing and pass on as
// arguments what a use case needs.
type Request struct {
	ID          string // request id, echoed in X-Request-Id and in problems
	Site        site.Site
	Public      bool   // asked with a public key: nothing that it says may yield value
	KeyID       int64  // which key
	MemberID    int64  // whose token it asked with: this person, and nobody else, is "me"; 0: it has a key
	Redeems     bool   // and the token lets points be spent
	ClientIP    string // as the configured proxies tell it
	UserAgent   string
	Idempotency idempotency.Key
	DryRun      bool            // nothing of what it does will stay: its transactions are rolled back, and the answer says so
	Log         *zerolog.Logger // of the edge; see the function Log
	Replayed    *bool           // set to true by a handler that answered from an earlier execution; the edge says so in a header
}

type requestKey struct{}

// With puts the request into the context; only the edge does.
func With(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// From takes the request out of the context. Outside the edge's routes it is empty.
func From(ctx context.Context) *Request {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		return r
	}
	return &Request{}
}

// Log writes with the request's id.
func Log(ctx context.Context) *zerolog.Logger {
	r := From(ctx)
	if r.Log == nil {
		return zerolog.Ctx(ctx)
	}
	log := r.Log.With().Str("http.request.id", r.ID).Logger()
	return &log
}

// MarkReplayed notes that the answer is that of an earlier execution with the same Idempotency-Key.
func (r *Request) MarkReplayed(replayed bool) {
	if r.Replayed != nil && replayed {
		*r.Replayed = true
	}
}
