package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/web"
)

// answer is the response as the edge watches it. Handlers that need more of the connection reach it by http.ResponseController.
type answer struct {
	http.ResponseWriter
	status   int
	replayed bool // the operation answered from an earlier execution
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 { // 1xx come before the answer
		a.status = status
		if a.replayed {
			a.Header().Set("Idempotent-Replayed", "true")
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// bare is the server's own writer, which package http knows how to close after a body that is too large.
func bare(w http.ResponseWriter) http.ResponseWriter {
	if a, ok := w.(*answer); ok {
		return a.ResponseWriter
	}
	return w
}

var saneID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// exchange is what the edge keeps of a request, in one piece.
type exchange struct {
	answer
	request web.Request
}

// Values of headers that are always the same. Who adds to them makes a copy, because there is no room left.
var noSniff, noReferrer, noStore = []string{"nosniff"}, []string{"no-referrer"}, []string{"no-store"}

// keptBrowser is how much of a browser's name is looked at, bytes.
const keptBrowser = 512

// begin gives the request its id, its place in the context and its deadline.
func (g *Gateway) begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{answer: answer{ResponseWriter: w}}
		req := &x.request
		*req = web.Request{UserAgent: text(r.UserAgent(), keptBrowser), Replayed: &x.replayed, ClientIP: middleware.GetClientIP(r.Context()), Log: &g.log}
		if sent := r.Header["X-Request-Id"]; len(sent) == 1 && saneID.MatchString(sent[0]) {
			req.ID = sent[0]
		} else {
			req.ID = uuid.Must(uuid.NewV7()).String() // fails without randomness only
		}
		h := w.Header() // the names are in their canonical form
		h["X-Request-Id"] = []string{req.ID}
		h["X-Content-Type-Options"] = noSniff
		h["Referrer-Policy"] = noReferrer
		ctx, cancel := context.WithTimeout(web.With(r.Context(), req), g.limits.Deadline)
		defer cancel()
		next.ServeHTTP(&x.answer, r.WithContext(ctx))
	})
}

// clientIP is who asks: the peer, or whom a trusted proxy names. If what the proxies say makes no sense, it is the peer.
func clientIP(proxies []netip.Prefix) func(http.Handler) http.Handler {
	if len(proxies) == 0 {
		return middleware.ClientIPFromRemoteAddr
	}
	named := make([]string, len(proxies))
	for i, p := range proxies {
		named[i] = p.String()
	}
	forwarded := middleware.ClientIPFromXFF(named...)
	return func(next http.Handler) http.Handler {
		peer := middleware.ClientIPFromRemoteAddr(next)
		return forwarded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if middleware.GetClientIPAddr(r.Context()).IsValid() {
				next.ServeHTTP(w, r)
			} else {
				peer.ServeHTTP(w, r)
			}
		}))
	}
}

// observe logs and counts each request once it is answered. It stands around recovered, so that it sees its answers too.
func (g *Gateway) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := clock.System()
		g.metrics.inFlight.Inc()
		defer func() {
			g.metrics.inFlight.Dec()
			g.note(r, w.(*answer).status, max(clock.System().Sub(began), 0).Nanoseconds())
		}()
		next.ServeHTTP(w, r)
	})
}

func (g *Gateway) note(r *http.Request, status int, took int64) {
	if status == 0 {
		status = http.StatusOK // nothing was written: package http does
	}
	req, route := web.From(r.Context()), chi.RouteContext(r.Context()).RoutePattern()
	path := route
	if route == "" {
		route, path = unmatched, masked(r.URL.Path)
	}
	m := g.metrics.of(kind{methodLabel(r.Method), route, statusLabel(status)})
	m.requests.Inc()
	m.seconds.Observe(float64(took) / 1e9)
	level := zerolog.InfoLevel
	if status >= 500 {
		level = zerolog.ErrorLevel
	}
	e := g.log.WithLevel(level).Str("http.request.id", req.ID).
		Str("http.request.method", r.Method).Int("http.response.status_code", status).
		Str("url.path", path).Str("http.route", route).
		Int64("event.duration", took).Str("client.ip", req.ClientIP)
	if req.Site.Slug != "" {
		e = e.Str("site", req.Site.Slug)
	}
	e.Msg("request")
}

// masked is a path that led nowhere, without what could be somebody's address. Of paths that lead somewhere only the route is
// logged: their values name people. The query is logged never: the oldest clients put their key there.
func masked(path string) string {
	segments := strings.Split(text(path, 200), "/")
	for i, s := range segments {
		if strings.ContainsAny(s, "@+") {
			segments[i] = "*"
		}
	}
	return strings.Join(segments, "/")
}

// text is at most n bytes of s as valid UTF-8.
func text(s string, n int) string {
	return strings.ToValidUTF8(s[:min(len(s), n)], "\uFFFD")
}

// recovered turns a panic into a 500 that is logged once. A half-written answer is cut off, so that nobody takes it for whole.
func recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer apologize(w.(*answer), r)
		next.ServeHTTP(w, r)
	})
}

func apologize(a *answer, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // compared as package http compares it
		panic(p)
	}
	web.Log(r.Context()).Error().Str("error.message", fmt.Sprint(p)).Bytes("error.stack_trace", debug.Stack()).Msg("panic")
	if a.status != 0 {
		panic(http.ErrAbortHandler)
	}
	web.Refuse(a, r, http.StatusInternalServerError, "internal", "Something went wrong here. The request's id leads us to it.")
}
