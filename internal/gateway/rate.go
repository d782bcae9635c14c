package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/httprate"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

const (
	window  = time.Minute
	tallies = 100_000 // keys and addresses that one limiter remembers; the longest unseen are forgotten
)

// newRate makes a limiter of perMinute requests for each key. It counts in this process: n replicas let n times as many pass.
func newRate(perMinute int, headers bool) *httprate.RateLimiter {
	named := httprate.ResponseHeaders{}
	if headers {
		named = httprate.ResponseHeaders{Limit: "Ratelimit-Limit", Remaining: "Ratelimit-Remaining"} // as package http writes them
	}
	// With a counter of ours the windows begin with the minutes, which is what RateLimit-Reset tells below.
	return httprate.NewRateLimiter(perMinute, window, httprate.WithLimitCounter(newTally()), httprate.WithResponseHeaders(named))
}

// withinRate counts the caller's request; over the rate it answers with 429 and returns false.
func (g *Gateway) withinRate(w http.ResponseWriter, r *http.Request, c caller) bool {
	key := strconv.FormatInt(c.keyID, 10)
	if c.public {
		return g.pass(g.publicRate, w, r, key+" "+addressKey(r))
	}
	return g.pass(g.secretRate, w, r, key) && g.withinSite(w, r, c.site.ID)
}

// withinSite counts the request to what all secret keys of the site may ask together. Public keys have no part in it: whoever has one could use
// the site's up. What is left is told of the key, and of the site only when nothing is.
func (g *Gateway) withinSite(w http.ResponseWriter, r *http.Request, siteID int64) bool {
	if !g.siteRate.OnLimit(w, r, strconv.FormatInt(siteID, 10)) {
		return true
	}
	w.Header()["Ratelimit-Limit"] = []string{strconv.Itoa(g.limits.SiteRate)}
	w.Header()["Ratelimit-Remaining"] = []string{"0"}
	web.Fail(w, r, tooMany())
	return false
}

// perAddress limits what is open to everybody.
func (g *Gateway) perAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.pass(g.plainRate, w, r, addressKey(r)) {
			next.ServeHTTP(w, r)
		}
	})
}

func (g *Gateway) pass(rate *httprate.RateLimiter, w http.ResponseWriter, r *http.Request, key string) bool {
	over := rate.OnLimit(w, r, key)
	w.Header()["Ratelimit-Reset"] = []string{strconv.Itoa(int(untilNext().Seconds()) + 1)}
	if over {
		g.refuse(w, r, tooMany())
	}
	return !over
}

// refuse answers instead of whoever would have: the API with a problem, plain paths as they say.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if g.refused == nil || strings.HasPrefix(r.URL.Path, "/api/") {
		web.Fail(w, r, err)
		return
	}
	g.refused(w, r, err)
}

func tooMany() error {
	f := fault.New(fault.TooMany, "rate_limited", "Too many requests; please wait.")
	f.Retry = untilNext()
	return f
}

func untilNext() time.Duration {
	now := clock.System()
	return now.Truncate(window).Add(window).Sub(now)
}

// addressKey is the client's address for counting: all of an IPv6 network of 64 bits is one client.
func addressKey(r *http.Request) string {
	return httprate.CanonicalizeIP(web.From(r.Context()).ClientIP)
}

// tally is a httprate.LimitCounter of bounded memory. httprate calls it under its own lock.
type tally struct {
	counts *lru.Cache[string, count]
}

type count struct {
	window      time.Time
	now, before int
}

func newTally() *tally {
	counts, _ := lru.New[string, count](tallies) // fails for sizes below one only
	return &tally{counts}
}

// Config implements httprate.LimitCounter.
func (t *tally) Config(int, time.Duration) {}

// Increment implements httprate.LimitCounter.
func (t *tally) Increment(key string, current time.Time) error { return t.IncrementBy(key, current, 1) }

// IncrementBy implements httprate.LimitCounter.
func (t *tally) IncrementBy(key string, current time.Time, amount int) error {
	c, _ := t.counts.Peek(key) // adding it makes it the latest
	now, before := c.in(current, current.Add(-window))
	t.counts.Add(key, count{current, now + amount, before})
	return nil
}

// Get implements httprate.LimitCounter.
func (t *tally) Get(key string, current, previous time.Time) (now, before int, err error) {
	c, _ := t.counts.Get(key)
	now, before = c.in(current, previous)
	return now, before, nil
}

// in is what was counted in two windows.
func (c count) in(current, previous time.Time) (now, before int) {
	switch {
	case c.window.Equal(current):
		return c.now, c.before
	case c.window.Equal(previous):
		return 0, c.now
	}
	return 0, 0 // also where nothing was
}
