package gateway

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// connections knows those that wait for an answer: a request is under way on them, or they were just opened to send one.
//
// It is there because http.Server.Shutdown drops a request that it reads from a connection opened shortly before: a client that
// never used the connection has no reason to believe that the request wasn't carried out.
type connections struct {
	mu      sync.Mutex
	waiting map[net.Conn]struct{}
}

// track is the server's ConnState hook.
func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew, http.StateActive:
		c.waiting[conn] = struct{}{}
	case http.StateIdle, http.StateHijacked, http.StateClosed:
		delete(c.waiting, conn)
	}
}

// answered waits until no connection waits for an answer, or ctx ends.
func (c *connections) answered(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c.mu.Lock()
		n := len(c.waiting)
		c.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// closing tells the client of each answer to open another connection, once told() says that the server goes.
func closing(told func() bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if told() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
