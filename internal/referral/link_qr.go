package referral

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"
	"rsc.io/qr"

	"github.com/talkable/talkable/internal/web"
)

const (
	qrQuiet = 4 // modules of margin, as the standard wants
	qrScale = 8 // pixels a module

	pictureCSP = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
)

// QR serves /x/{code}/qr.svg and /x/{code}/qr.png: a claim link as a QR code, for posters and screens. It is no visit.
func (m *Module) QR() http.Handler {
	r := chi.NewRouter()
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		r.Method(method, "/x/{code}/qr.svg", m.qr("image/svg+xml", func(c *qr.Code) []byte { return drawnQR(c).svg() }))
		r.Method(method, "/x/{code}/qr.png", m.qr("image/png", func(c *qr.Code) []byte { return c.PNG() }))
	}
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
	})
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { notFound(w) })
	return r
}

func (m *Module) qr(kind string, draw func(*qr.Code) []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		code, ok := codeOf(chi.URLParam(r, "code"))
		if !ok {
			notFound(w)
			return
		}
		l, err := m.link(r.Context(), code)
		if err != nil {
			web.Fail(w, r, away(err))
			return
		}
		if l == nil || l.Kind == linkShare {
			notFound(w)
			return
		}
		c, err := qr.Encode(m.linkURL(code), qr.M)
		if err != nil {
			web.Fail(w, r, fmt.Errorf("draw a QR code: %w", err))
			return
		}
		c.Scale = qrScale
		image := draw(c)
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(image)))
		w.Header().Set("Cache-Control", "public, max-age=86400") // a link never changes
		w.Header().Set("Content-Security-Policy", pictureCSP)
		if r.Method == http.MethodGet {
			_, _ = w.Write(image) // the client may be gone
		}
	}
}
