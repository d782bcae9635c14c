package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

const longestPath = 4096

var (
	errNoRoute  = fault.New(fault.NotFound, "not_found", "There is nothing at this path.")
	errBadQuery = fault.New(fault.Invalid, "invalid_query", "The query is not well formed, or not UTF-8, or holds a NUL character.")
)

// straight refuses paths and queries that could mean something else to whoever reads them next, and takes the slash off the end
// of the API's paths. Paths are routed as they were sent, still escaped, so that an escaped slash stays within its segment.
func straight(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := routed(r)
		if strings.HasPrefix(path, "/api/") && len(path) > len("/api/") {
			path = strings.TrimSuffix(path, "/")
		}
		if !plainPath(path) {
			web.Fail(w, r, errNoRoute)
			return
		}
		if !plainQuery(r.URL.RawQuery) {
			web.Fail(w, r, errBadQuery)
			return
		}
		chi.RouteContext(r.Context()).RoutePath = path
		next.ServeHTTP(w, r)
	})
}

// routed is the path as chi reads it.
func routed(r *http.Request) string {
	if r.URL.RawPath != "" {
		return r.URL.RawPath
	}
	return r.URL.Path
}

// plainPath refuses empty segments, those that go up or stay (also behind an escaped slash or a backslash), NUL, and what isn't
// UTF-8. path is escaped or not; both are looked at.
func plainPath(path string) bool {
	if usual(path) {
		return true
	}
	if len(path) > longestPath || !strings.HasPrefix(path, "/") || strings.Contains(path, "//") {
		return false
	}
	decoded, err := url.PathUnescape(path)
	if err != nil {
		decoded = path // it was decoded before, and holds a percent sign
	}
	for _, p := range []string{path, decoded} {
		if !utf8.ValidString(p) || strings.ContainsRune(p, 0) {
			return false
		}
		for segment := range strings.FieldsFuncSeq(p, func(c rune) bool { return c == '/' || c == '\\' }) {
			if segment == "." || segment == ".." {
				return false
			}
		}
	}
	return true
}

// usual says that nothing in path can mean anything else: it consists of slashes that don't follow each other, letters, digits, hyphens and
// underscores.
func usual(path string) bool {
	if len(path) > longestPath || !strings.HasPrefix(path, "/") {
		return false
	}
	for i := range len(path) {
		switch c := path[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		case c == '/' && (i == 0 || path[i-1] != '/'):
		default:
			return false
		}
	}
	return true
}

func plainQuery(raw string) bool {
	if raw == "" {
		return true
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return false
	}
	for name, many := range values {
		for _, v := range append(many, name) {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return false
			}
		}
	}
	return true
}

// pathValue is a path parameter as the operation sees it.
func pathValue(r *http.Request, name string) string {
	v := r.PathValue(name)
	if r.URL.RawPath == "" {
		return v
	}
	if u, err := url.PathUnescape(v); err == nil {
		return u
	}
	return v
}

func notFound(w http.ResponseWriter, r *http.Request) { web.Fail(w, r, errNoRoute) }

// wrongMethod answers 405 and says which methods the path has.
func wrongMethod(root chi.Routes) http.HandlerFunc {
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	return func(w http.ResponseWriter, r *http.Request) {
		path := chi.RouteContext(r.Context()).RoutePath
		if path == "" {
			path = routed(r)
		}
		var allowed []string
		for _, m := range methods {
			if root.Match(chi.NewRouteContext(), m, path) || m == "HEAD" && len(allowed) > 0 { // GET stands for HEAD
				allowed = append(allowed, m)
			}
		}
		if len(allowed) == 0 { // a method that nothing here has, at a path that isn't there
			notFound(w, r)
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		web.Refuse(w, r, http.StatusMethodNotAllowed, "method_not_allowed", "This path has no such method.")
	}
}
