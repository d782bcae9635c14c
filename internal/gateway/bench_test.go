package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// nobody takes an answer and keeps its headers only.
type nobody struct{ header http.Header }

func (n nobody) Header() http.Header         { return n.header }
func (n nobody) Write(b []byte) (int, error) { return len(b), nil }
func (n nobody) WriteHeader(int)             {}

// BenchmarkEdge is what the edge takes for a path that needs no key.
func BenchmarkEdge(b *testing.B) {
	g := New(Deps{Log: zerolog.New(io.Discard).With().Timestamp().Str("service.name", "talkable").Logger(), Reg: prometheus.NewRegistry(), Gatherer: prometheus.NewRegistry(),
		PublicURL: "https://api.example", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Limits: Limits{PlainRate: 1 << 60}})
	edge := g.Handler(func(huma.API) {}, func(r chi.Router) {
		r.HandleFunc("/x/{code}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) })
	})
	r := httptest.NewRequest(http.MethodGet, "/x/abcdefghjk", nil)
	r.RemoteAddr = "127.0.0.1:1234"
	r.Header.Set("X-Forwarded-For", "100.64.1.2")
	r.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36")
	b.ReportAllocs()
	for b.Loop() {
		edge.ServeHTTP(nobody{http.Header{}}, r)
	}
}
