package gateway

import (
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/talkable/talkable/internal/fault"
)

// Edge is the public side: everything that a client can reach.
type Edge struct {
	http.Handler
	API    huma.API   // with its description
	Routes chi.Routes // what the router really has
}

// Handler builds the public side: register adds the operations, all of them under /api/v2, and plain the paths that need no key.
func (g *Gateway) Handler(register func(api huma.API), plain func(r chi.Router)) *Edge {
	root := chi.NewRouter()
	root.Use(clientIP(g.proxies), g.begin, g.observe, recovered, straight, g.bounded, fromPages(), middleware.GetHead)
	root.NotFound(g.unknown(g.perAddress(g.guarded(http.HandlerFunc(g.elsewhere)))))
	root.MethodNotAllowed(wrongMethod(root))
	edge := &Edge{Handler: root, Routes: root}
	root.Group(func(r chi.Router) {
		forms := &shapes{}
		r.Use(private, g.letIn(forms))
		edge.API = newAPI(r, g.version, g.publicURL, register)
		*forms = *shapesOf(edge.API.OpenAPI())
	})
	root.Group(func(r chi.Router) {
		r.Use(g.perAddress)
		pages(r, edge.API)
		if plain != nil {
			plain(r.With(g.guarded))
		}
	})
	return edge
}

// unknown answers where no route is. What can be an address by which somebody shared elsewhere goes to old, and is guarded like other links: what
// a browser asks for by itself can't.
func (g *Gateway) unknown(old http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		link := g.old != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) && path.Ext(r.URL.Path) == "" &&
			!strings.HasPrefix(r.URL.Path, "/api/") && !strings.HasPrefix(r.URL.Path, "/.")
		if !link {
			notFound(w, r)
			return
		}
		old.ServeHTTP(w, r)
	}
}

// elsewhere leads on to where an old address leads; where that isn't known, there is nothing here.
func (g *Gateway) elsewhere(w http.ResponseWriter, r *http.Request) {
	to, err := g.old(r.Context(), r.Host, r.URL.Path)
	switch {
	case err != nil:
		g.refuse(w, r, fault.New(fault.Unavailable, "unavailable", "A part of the service is away; please repeat the request.").Because(err))
	case to == "":
		notFound(w, r)
	default:
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, to, http.StatusFound)
	}
}

// bounded takes a place among the requests in flight, or says at once that there is none.
func (g *Gateway) bounded(next http.Handler) http.Handler {
	full := fault.New(fault.Unavailable, "overloaded", "Too much is going on here; please repeat the request.")
	full.Retry = time.Second
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case g.places <- struct{}{}:
			defer func() { <-g.places }()
		default:
			g.refuse(w, r, full)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// private keeps answers of the API out of every cache.
func private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Cache-Control"] = noStore
		next.ServeHTTP(w, r)
	})
}
