package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestRequests_in_flight_are_bounded(t *testing.T) {
	h := newHouse(t, func(d *Deps) { d.Limits.InFlight = 3 })
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() { h.fine(h.call("GET", "/api/v2/slow", "")) })
	}
	for h.works.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	for range 20 {
		r := h.call("GET", "/api/v2/site", "")
		h.problem(r, 503, "overloaded")
		if r.header.Get("Retry-After") != "1" {
			t.Errorf("%v", r.header)
		}
	}
	close(h.gate)
	group.Wait()
	h.fine(h.call("GET", "/api/v2/site", ""))
}

func TestDeadline(t *testing.T) {
	h := newHouse(t, func(d *Deps) { d.Limits.Deadline = 200 * time.Millisecond })
	r := h.call("GET", "/api/v2/slow", "")
	h.problem(r, 503, "unavailable")
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestSlow_clients_are_cut_off(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(d *Deps) { d.Limits.HeaderTimeout, d.Limits.ReadTimeout = 2*time.Second, 2*time.Second })
	for name, text := range map[string]string{
		"in the head": "GET /api/v2/site HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"in the body": "POST /api/v2/loose HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + h.secret + "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(h.server, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, text); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(longest))
			got, err := io.ReadAll(conn)
			if err != nil { // the server's usual limits are shorter than ours here, but nothing else would end it
				t.Error(err)
			}
			if name == "in the body" && !strings.Contains(string(got), "incomplete_body") {
				t.Errorf("got %s", got)
			}
		})
	}
	if h.works.Load() != 0 {
		t.Error("an operation ran")
	}
}

// A read deadline left on the connection would end the operation's context.
func TestLong_work_outlives_reading(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"GET", ""}, {"POST", "{}"}} {
		t.Run(c[0], func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, func(d *Deps) { d.Limits.ReadTimeout, d.Limits.HeaderTimeout = 2*time.Second, 2*time.Second })
			go func() {
				for h.works.Load() == 0 {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(2500 * time.Millisecond)
				close(h.gate)
			}()
			h.fine(h.call(c[0], "/api/v2/slow", c[1]))
		})
	}
}

func TestServe_drains(t *testing.T) {
	h := newHouse(t)
	l, stop, served := h.serve(longest)
	answered := make(chan reply, 1)
	go func() {
		req, _ := http.NewRequest("GET", "http://"+l.Addr().String()+"/api/v2/slow", nil)
		req.Header.Set("Authorization", "Bearer "+h.secret)
		answered <- h.do(req)
	}()
	for h.works.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	internal := h.g.Internal(func(context.Context) error { return nil })
	ready := func() int {
		w := httptest.NewRecorder()
		internal.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		return w.Code
	}
	if got := ready(); got != 200 {
		t.Errorf("ready: %d", got)
	}
	stop()
	for end := time.Now().Add(longest); ready() != 503 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if got := ready(); got != 503 {
		t.Errorf("ready while draining: %d", got)
	}
	select {
	case err := <-served:
		t.Fatalf("it ended before the request did: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	for end := time.Now().Add(longest); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		if conn.Close(); time.Now().After(end) {
			t.Fatal("still listening")
		}
	}
	close(h.gate)
	if r := <-answered; r.status != 200 {
		t.Errorf("got %d %s", r.status, r.text)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// serve begins to serve on loopback, until stop is called; what Serve returned comes by served.
func (h *house) serve(drain time.Duration) (l net.Listener, stop func(), served chan error) {
	h.t.Helper()
	bare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	l = &counted{Listener: bare}
	ctx, stop := context.WithCancel(h.t.Context())
	served = make(chan error, 1)
	go func() { served <- h.g.Serve(ctx, l, h.edge, drain) }()
	return l, stop, served
}

// counted knows how many connections were accepted.
type counted struct {
	net.Listener
	accepted atomic.Int64
}

func (c *counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.accepted.Add(1)
	}
	return conn, err
}

// A client that has opened a connection and sends its first request while the server goes is answered: it could not know better.
func TestServe_answers_on_connections_opened_before_the_end(t *testing.T) {
	h := newHouse(t, func(d *Deps) { d.Limits.Hush = longest })
	l, stop, served := h.serve(longest)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(longest)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	request := "GET /api/v2/site HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer " + h.secret + "\r\n\r\n"
	send := func(conn net.Conn, text string) {
		if _, err := io.WriteString(conn, text); err != nil {
			t.Error(err)
		}
	}
	answer := func(conn net.Conn) string {
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("a request under way was cut: %v", err)
			return ""
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return fmt.Sprint(res.StatusCode, " ", res.Close)
	}
	kept, silent, half := dial(), dial(), dial()
	send(kept, request)
	if got := answer(kept); got != "200 false" {
		t.Errorf("got %s", got)
	}
	send(half, request[:20])
	for l.(*counted).accepted.Load() < 3 { // those that nobody has accepted are the system's, which cuts them with the listener
		time.Sleep(time.Millisecond)
	}
	stop()
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if conn, err := net.Dial("tcp", l.Addr().String()); err != nil {
			break // the listener has closed
		} else {
			_ = conn.Close()
		}
	}
	time.Sleep(50 * time.Millisecond)
	for _, one := range []struct {
		conn net.Conn
		text string
	}{{half, request[20:]}, {kept, request}, {silent, request}} {
		send(one.conn, one.text)
		if got := answer(one.conn); got != "200 true" {
			t.Errorf("got %s", got)
		}
		_ = one.conn.Close()
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestServe_ends_what_does_not_finish(t *testing.T) {
	h := newHouse(t)
	l, stop, served := h.serve(100 * time.Millisecond)
	done := make(chan error, 1)
	go func() {
		req, _ := http.NewRequest("GET", "http://"+l.Addr().String()+"/api/v2/slow", nil)
		req.Header.Set("Authorization", "Bearer "+h.secret)
		res, err := client.Do(req)
		if err == nil {
			res.Body.Close()
		}
		done <- err
	}()
	for h.works.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-served; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := <-done; err == nil {
		t.Error("it was answered")
	}
}

func TestInternal(t *testing.T) {
	h := newHouse(t)
	var failing error
	internal := h.g.Internal(func(context.Context) error { return failing })
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		internal.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	if code, text := get("/healthz"); code != 200 || text != "{\"ok\":true}\n" {
		t.Errorf("%d %s", code, text)
	}
	failing = errors.New("loyalty: no connection")
	code, text := get("/readyz")
	var said struct{ Failing string }
	if err := json.Unmarshal([]byte(text), &said); err != nil || code != 503 || said.Failing != failing.Error() {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := get("/healthz"); code != 200 {
		t.Errorf("%d", code)
	}
	h.call("GET", "/api/v2/site", "")
	counted := func() bool {
		code, text = get("/metrics")
		return code == 200 && strings.Contains(text, `talkable_http_requests_total{method="GET",route="/api/v2/site",status="2xx"}`)
	}
	for end := time.Now().Add(longest); !counted(); time.Sleep(time.Millisecond) { // a request is counted after its answer
		if time.Now().After(end) {
			t.Fatalf("%d %s", code, text)
		}
	}
}
