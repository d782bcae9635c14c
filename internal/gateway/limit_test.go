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
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// All secret keys of a site share a rate, beside their own; another site's have theirs.
func TestRates_of_a_site(t *testing.T) {
	h := newHouse(t, func(d *Deps) { d.RatePerMinute, d.Limits.SiteRate = 4, 6 })
	if left := untilNext(); left < 3*time.Second {
		time.Sleep(left) // so that the minute doesn't end in between
	}
	second, _ := h.key(h.shop, Secret)
	for i := range 4 {
		if r := h.call("GET", "/api/v2/site", ""); r.header.Get("RateLimit-Limit") != "4" || r.header.Get("RateLimit-Remaining") != strconv.Itoa(3-i) {
			t.Errorf("%v", r.header)
		}
	}
	h.problem(h.call("GET", "/api/v2/site", ""), 429, "rate_limited") // the key's, which isn't counted to the site
	for range 2 {
		h.fine(h.call("GET", "/api/v2/site", "", "Authorization", "Bearer "+second))
	}
	r := h.call("GET", "/api/v2/site", "", "Authorization", "Bearer "+second)
	h.problem(r, 429, "rate_limited")
	if r.header.Get("RateLimit-Limit") != "6" || r.header.Get("RateLimit-Remaining") != "0" || r.header.Get("RateLimit-Reset") == "" || r.header.Get("Retry-After") == "" {
		t.Errorf("%v", r.header)
	}
	h.fine(h.call("GET", "/api/v2/site", "", "Authorization", "Bearer "+h.otherSecret))
	h.fine(h.call("POST", "/api/v2/loose", "{}", "Authorization", "Bearer "+h.public))
}

func TestRates(t *testing.T) {
	h := newHouse(t, func(d *Deps) {
		d.RatePerMinute, d.Limits.PublicRate, d.Limits.PlainRate, d.Limits.SiteRate = 5, 3, 4, 1000
		d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	if left := untilNext(); left < 3*time.Second {
		time.Sleep(left) // so that the minute doesn't end in between
	}
	over := func(h *house, r reply) {
		h.t.Helper()
		h.problem(r, 429, "rate_limited")
		for _, name := range []string{"Retry-After", "RateLimit-Reset"} {
			if n, err := strconv.Atoi(r.header.Get(name)); err != nil || n < 1 || n > 61 {
				h.t.Errorf("%s: %q", name, r.header.Get(name))
			}
		}
		if r.header.Get("RateLimit-Remaining") != "0" {
			h.t.Errorf("%v", r.header)
		}
	}
	h.on("a secret key's, whatever the address", func(h *house) {
		for i := range 5 {
			r := h.call("GET", "/api/v2/site", "", "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
			h.fine(r)
			if r.header.Get("RateLimit-Limit") != "5" || r.header.Get("RateLimit-Remaining") != strconv.Itoa(4-i) {
				h.t.Errorf("%v", r.header)
			}
		}
		over(h, h.call("GET", "/api/v2/site", ""))
		h.fine(h.call("GET", "/api/v2/site", "", "Authorization", "Bearer "+h.otherSecret))
	})
	h.on("a public key's, address by address", func(h *house) {
		for _, ip := range []string{"203.0.113.1", "203.0.113.2"} {
			for range 3 {
				h.fine(h.call("POST", "/api/v2/loose", "{}", "Authorization", "Bearer "+h.public, "X-Forwarded-For", ip))
			}
			over(h, h.call("POST", "/api/v2/loose", "{}", "Authorization", "Bearer "+h.public, "X-Forwarded-For", ip))
		}
		for i := range 3 { // one IPv6 network is one client
			h.fine(h.call("POST", "/api/v2/loose", "{}", "Authorization", "Bearer "+h.public, "X-Forwarded-For", fmt.Sprintf("2001:db8::%d", i)))
		}
		over(h, h.call("POST", "/api/v2/loose", "{}", "Authorization", "Bearer "+h.public, "X-Forwarded-For", "2001:db8::9"))
	})
	h.on("of wrong keys from one address", func(h *house) {
		for range 3 {
			h.problem(h.call("GET", "/api/v2/site", "", "Authorization", "Bearer "+mint(Secret), "X-Forwarded-For", "203.0.113.9"), 401, "")
		}
		h.problem(h.call("GET", "/api/v2/site", "", "Authorization", "Bearer "+mint(Secret), "X-Forwarded-For", "203.0.113.9"), 429, "rate_limited")
		h.problem(h.call("GET", "/api/v2/site", "", "Authorization", "Bearer "+mint(Secret), "X-Forwarded-For", "203.0.113.10"), 401, "")
	})
	h.on("of plain paths", func(h *house) {
		for i := range 5 {
			r := h.call("GET", "/x/abc", "", "Authorization", "", "X-Forwarded-For", "203.0.113.20")
			if i < 4 && r.status != 200 || i == 4 && r.status != 429 {
				h.t.Errorf("%d: %d", i, r.status)
			}
		}
	})
}

func TestTally_is_bounded_and_slides(t *testing.T) {
	c := newTally()
	first, second := start.Truncate(window), start.Truncate(window).Add(window)
	_ = c.IncrementBy("a", first, 3)
	if now, before, _ := c.Get("a", second, first); now != 0 || before != 3 {
		t.Errorf("%d %d", now, before)
	}
	_ = c.Increment("a", second)
	if now, before, _ := c.Get("a", second, first); now != 1 || before != 3 {
		t.Errorf("%d %d", now, before)
	}
	if now, before, _ := c.Get("a", second.Add(2*window), second.Add(window)); now != 0 || before != 0 {
		t.Errorf("%d %d", now, before)
	}
	for i := range tallies + 1000 {
		_ = c.Increment(strconv.Itoa(i), second)
	}
	if n := c.counts.Len(); n != tallies {
		t.Errorf("%d are remembered", n)
	}
}

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
	h := newHouse(t, func(d *Deps) {
		d.Limits.HeaderTimeout, d.Limits.ReadTimeout = 300*time.Millisecond, 600*time.Millisecond
	})
	for name, text := range map[string]string{
		"in the head": "GET /api/v2/site HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"in the body": "POST /api/v2/loose HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + h.secret + "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			conn, err := net.Dial("tcp", strings.TrimPrefix(h.server, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, text); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			got, err := io.ReadAll(conn)
			if took := time.Since(began); err != nil || took > 5*time.Second {
				t.Errorf("%v after %v", err, took)
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
	for _, c := range [][2]string{{"GET", ""}, {"POST", "{}"}} {
		t.Run(c[0], func(t *testing.T) {
			h := newHouse(t, func(d *Deps) {
				d.Limits.ReadTimeout, d.Limits.HeaderTimeout = 300*time.Millisecond, 300*time.Millisecond
			})
			go func() {
				for h.works.Load() == 0 {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(700 * time.Millisecond)
				close(h.gate)
			}()
			h.fine(h.call(c[0], "/api/v2/slow", c[1]))
		})
	}
}

func TestServe_drains(t *testing.T) {
	h := newHouse(t)
	l, stop, served := h.serve(5 * time.Second)
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
	for end := time.Now().Add(5 * time.Second); ready() != 503 && time.Now().Before(end); {
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
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("still listening")
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(h.t.Context())
	served = make(chan error, 1)
	go func() { served <- h.g.Serve(ctx, l, h.edge, drain) }()
	return l, stop, served
}

// A client that has opened a connection and sends its first request while the server goes is answered: it could not know better.
func TestServe_answers_on_connections_opened_before_the_end(t *testing.T) {
	h := newHouse(t)
	l, stop, served := h.serve(5 * time.Second)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
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
	time.Sleep(50 * time.Millisecond) // all are accepted
	stop()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
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
	if code, text := get("/metrics"); code != 200 || !strings.Contains(text, `talkable_http_requests_total{method="GET",route="/api/v2/site",status="2xx"}`) {
		t.Errorf("%d %s", code, text)
	}
}
