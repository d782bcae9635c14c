package gateway

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"
)

// inOneMinute waits, if need be, so that what follows doesn't meet the end of a minute, by the machine's clock, at which counts begin anew.
// It takes a tenth of a second, and a hundred times as long at most.
func inOneMinute() {
	if left := untilNext(); left < 10*time.Second {
		time.Sleep(left)
	}
}

// All secret keys of a site share a rate, beside their own; another site's have theirs.
func TestRates_of_a_site(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(d *Deps) { d.RatePerMinute, d.Limits.SiteRate = 4, 6 })
	second, _ := h.key(h.shop, Secret)
	inOneMinute()
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
	t.Parallel()
	h := newHouse(t, func(d *Deps) {
		d.RatePerMinute, d.Limits.PublicRate, d.Limits.PlainRate, d.Limits.SiteRate = 5, 3, 4, 1000
		d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	inOneMinute()
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
