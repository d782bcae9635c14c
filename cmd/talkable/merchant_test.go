package main

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// merchant is a shop's own server, which webhooks call; it knows what it has by the ids.
type merchant struct {
	*httptest.Server
	mu   sync.Mutex
	came map[string]int
}

func newMerchant(t testing.TB) *merchant {
	t.Helper()
	m := &merchant{came: map[string]int{}}
	m.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.came[r.Header.Get("Webhook-Id")]++
	}))
	t.Cleanup(m.Close)
	return m
}

// ids counts the messages that came, each once.
func (m *merchant) ids() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.came)
}
