package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
)

// static is the least that a redirect can be: the same router, the same requests, nothing known and nothing kept.
type static struct {
	server  http.Server
	address string
	ended   chan error
}

func startStatic() (*static, error) {
	r := chi.NewRouter()
	r.Get("/x/{code}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Location", "https://shop.example/welcome?code="+chi.URLParam(r, "code"))
		w.WriteHeader(http.StatusFound)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &static{server: http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}, address: l.Addr().String(), ended: make(chan error, 1)}
	go func() { s.ended <- s.server.Serve(l) }()
	return s, nil
}

func (s *static) stop() error {
	err := s.server.Close()
	if e := <-s.ended; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// unanswered is a visit to the static handler.
type unanswered struct{ visiting }

func (u *unanswered) done(r *response) error {
	if r.status != 302 || !bytes.HasPrefix(r.location, []byte("https://shop.example/")) {
		return r.unexpected("a visit to the static handler")
	}
	return nil
}

func (s *static) visit(ctx context.Context, p *platform, span time.Duration) (tally, error) {
	return drive(ctx, s.address, connections, span, func(int) job { return &unanswered{visiting{platform: p, site: p.anySite}} })
}
