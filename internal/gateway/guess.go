package gateway

import "net/http"

// guarded puts off whoever guesses codes, names or tokens: after so many in vain an address gets no answer to any of them for a while,
// not even to a right one. A right one costs as much as a wrong one until then. Forms are fewer than looks.
func (g *Gateway) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := addressKey(r)
		if _, rate, err := g.misses.Status(from); err == nil && int(rate) >= g.limits.Misses {
			g.refuse(w, r, tooMany())
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !g.pass(g.formRate, w, r, from) {
			return
		}
		next.ServeHTTP(w, r)
		if a, ok := w.(*answer); ok && a.status == http.StatusNotFound {
			g.misses.OnLimit(w, r, from) // counts it
		}
	})
}
