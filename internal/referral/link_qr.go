package referral

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"rsc.io/qr"

	"github.com/talkable/talkable/internal/web"
)

const (
	qrQuiet = 4 // modules of margin, as the standard wants
	qrScale = 8 // pixels a module
)

// QR serves /x/{code}/qr.svg and /x/{code}/qr.png: a claim link as a QR code, for posters and screens. It is no visit.
func (m *Module) QR() http.Handler {
	r := chi.NewRouter()
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		r.Method(method, "/x/{code}/qr.svg", m.qr("image/svg+xml", func(c *qr.Code) []byte { return svg(c) }))
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
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		if r.Method == http.MethodGet {
			_, _ = w.Write(image) // the client may be gone
		}
	}
}

// svg draws the code as one path, a run of dark modules a stroke, so that it is sharp at every size.
func svg(c *qr.Code) []byte {
	var path strings.Builder
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			from := x
			for x < c.Size && c.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+qrQuiet, y+qrQuiet, x-from, x-from)
			}
		}
	}
	side := c.Size + 2*qrQuiet
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%dv%dH0z"/><path d="%s"/></svg>`, side, side, side*qrScale, side*qrScale, side, side, path.String())
	return out.Bytes()
}
