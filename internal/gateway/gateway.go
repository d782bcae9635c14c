// Package gateway is the edge: it owns the sites and their API keys (schema "gateway"), lets requests in, checks them, and hands
// them to the modules' operations.
//
// It tells:  gateway.site_changed.v1
// It hears:  nothing
//
// A request passes, in this order: request id, client address, access log, metrics, recovery, headers, path and query, the bound
// on requests in flight, the deadline, the route; then, under /api/v2, the key, the rate limit, the body, the site and the
// idempotency key. What passed has a web.Request in its context, and nothing behind the edge looks at a header again.
package gateway

import (
	"context"
	"math"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/go-chi/httprate"
	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
)

// Deps is what the gateway stands on.
type Deps struct {
	DB             *sqlx.DB    // pool whose role sees schema gateway only
	Outbox         *bus.Outbox // the door for transactions that tell
	Log            zerolog.Logger
	Reg            prometheus.Registerer
	Gatherer       prometheus.Gatherer // what /metrics shows
	Version        string              // of the program, for the API description
	PublicURL      string              // where clients reach this server; the API description names it
	TrustedProxies []netip.Prefix      // peers whose X-Forwarded-For is believed; by default nobody's is
	RatePerMinute  int                 // requests of one secret key in one process; 6000
	Limits         Limits

	// Refused answers plain paths that are put off, where a person may read it; nil: with the problem, as the API does.
	Refused func(w http.ResponseWriter, r *http.Request, err error)

	// Old says where an address of no route leads by which somebody shared before the site moved here; "": nowhere. nil: nobody asks.
	Old func(ctx context.Context, host, path string) (to string, err error)
}

// Limits bounds what one process takes on. Zero values stand for the defaults.
type Limits struct {
	PublicRate    int           // requests a minute of one public key from one address, and wrong keys from one address; 600
	SiteRate      int           // requests a minute of all secret keys of a site, in one process; twice that of one key
	PlainRate     int           // requests a minute from one address to short links and pages; 6000
	Misses        int           // short links, names and tokens a minute that one address may ask for in vain; 120
	Forms         int           // forms of pages a minute from one address; 30
	InFlight      int           // requests at once; 512
	Body          int64         // bytes of a body; 1 MiB
	Deadline      time.Duration // of a request's work; 30 s
	HeaderTimeout time.Duration // for a request's head to arrive; 10 s
	ReadTimeout   time.Duration // for all of a request to arrive; 30 s
	IdleTimeout   time.Duration // of a connection between two requests; 2 min
	Linger        time.Duration // from "not ready" to the listener's closing, for balancers to notice; none
	Hush          time.Duration // after that, for the request of a connection that was opened just before; 2 s
}

func (l *Limits) defaults() {
	either(&l.PublicRate, 600)
	either(&l.PlainRate, 6000)
	either(&l.Misses, 120)
	either(&l.Forms, 30)
	either(&l.InFlight, 512)
	either(&l.Body, 1<<20)
	either(&l.Deadline, 30*time.Second)
	either(&l.HeaderTimeout, 10*time.Second)
	either(&l.ReadTimeout, 30*time.Second)
	either(&l.IdleTimeout, 2*time.Minute)
	either(&l.Hush, 2*time.Second)
}

func either[T comparable](v *T, byDefault T) {
	var zero T
	if *v == zero {
		*v = byDefault
	}
}

// Gateway is the module.
type Gateway struct {
	db        *sqlx.DB
	outbox    *bus.Outbox
	log       zerolog.Logger
	gatherer  prometheus.Gatherer
	version   string
	publicURL string
	proxies   []netip.Prefix
	limits    Limits
	refused   func(w http.ResponseWriter, r *http.Request, err error)
	old       func(ctx context.Context, host, path string) (to string, err error)
	keys      *keyring
	metrics   *metrics
	places    chan struct{} // one for each request in flight
	draining  atomic.Bool

	secretRate, siteRate, publicRate, plainRate, strangers, misses, formRate *httprate.RateLimiter
}

// New makes the gateway; it does nothing yet.
func New(d Deps) *Gateway {
	d.Limits.defaults()
	either(&d.RatePerMinute, 6000)
	either(&d.Limits.SiteRate, 2*min(d.RatePerMinute, math.MaxInt32))
	either(&d.Version, "0")
	either(&d.PublicURL, "/")
	return &Gateway{
		db: d.DB, outbox: d.Outbox, log: d.Log, gatherer: d.Gatherer, version: d.Version, publicURL: d.PublicURL,
		proxies: d.TrustedProxies, limits: d.Limits, refused: d.Refused, old: d.Old,
		keys:       newKeyring(d.DB, clock.System),
		metrics:    newMetrics(d.Reg),
		places:     make(chan struct{}, d.Limits.InFlight),
		secretRate: newRate(d.RatePerMinute, true),
		siteRate:   newRate(d.Limits.SiteRate, false),
		publicRate: newRate(d.Limits.PublicRate, true),
		plainRate:  newRate(d.Limits.PlainRate, true),
		strangers:  newRate(d.Limits.PublicRate, false),
		misses:     newRate(d.Limits.Misses, false),
		formRate:   newRate(d.Limits.Forms, true),
	}
}

// Consumer is none: the gateway hears nothing.
func (g *Gateway) Consumer() *bus.Consumer { return nil }

// Run has nothing to do and returns when ctx ends.
func (g *Gateway) Run(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
