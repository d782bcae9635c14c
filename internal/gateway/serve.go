package gateway

import (
	"context"
	"encoding/json"
	"errors"
	stdlog "log"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Serve answers on l with h until ctx ends, then drains: readiness goes off, the listener closes, answers close their connections,
// requests under way or on their way may finish within drain, and what is left is cut. It returns nil after a stop that was asked
// for and left nobody behind.
func (g *Gateway) Serve(ctx context.Context, l net.Listener, h http.Handler, drain time.Duration) error {
	open := &connections{waiting: map[net.Conn]struct{}{}}
	server := &http.Server{
		Handler:           closing(g.draining.Load, h),
		ConnState:         open.track,
		ReadHeaderTimeout: g.limits.HeaderTimeout,
		ReadTimeout:       g.limits.ReadTimeout,
		WriteTimeout:      g.limits.ReadTimeout + g.limits.Deadline + 10*time.Second,
		IdleTimeout:       g.limits.IdleTimeout,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          stdlog.New(g.log.With().Str("event.module", "http").Logger(), "", 0),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	g.draining.Store(true)
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	select {
	case <-rest.Done():
	case <-time.After(g.limits.Linger):
	}
	err := l.Close()
	if e := <-ended; !errors.Is(e, net.ErrClosed) {
		err = errors.Join(err, e)
	}
	quiet, cancelQuiet := context.WithTimeout(rest, g.limits.Hush)
	defer cancelQuiet()
	open.answered(quiet)
	if e := server.Shutdown(rest); e != nil {
		err = errors.Join(err, e, server.Close())
	}
	return err
}

// Internal is the side that only operators reach: /healthz says that the process lives, /readyz whether it should get requests
// and, if not, which part fails, /metrics what Prometheus collects.
func (g *Gateway) Internal(ready func(ctx context.Context) error) http.Handler {
	type state struct {
		OK      bool   `json:"ok"`
		Failing string `json:"failing,omitempty"`
	}
	say := func(w http.ResponseWriter, s state) {
		w.Header().Set("Content-Type", "application/json")
		if !s.OK {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(s) // the client may be gone
	}
	r := chi.NewRouter()
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, state{OK: true}) })
	r.Get("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if g.draining.Load() {
			say(w, state{Failing: "draining"})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			say(w, state{Failing: err.Error()})
			return
		}
		say(w, state{OK: true})
	})
	r.Handle("/metrics", promhttp.HandlerFor(g.gatherer, promhttp.HandlerOpts{}))
	return r
}
