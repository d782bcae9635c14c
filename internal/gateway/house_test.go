package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/leaktest"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
	"github.com/talkable/talkable/internal/web"
	"github.com/talkable/talkable/migrations"
)

func TestMain(m *testing.M) {
	zerolog.TimestampFieldName, zerolog.LevelFieldName, zerolog.MessageFieldName, zerolog.ErrorFieldName = "@timestamp", "log.level", "message", "error.message"
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() != "" { // the fuzzer's own goroutines outlive it
		os.Exit(m.Run())
	}
	leaktest.Main(m, pgtest.IgnoreServer())
}

var start = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// house is a gateway on a real database, with two sites and operations that show what reached them.
type house struct {
	t      *testing.T
	g      *Gateway
	url    string
	db     *sqlx.DB
	clock  *clock.Movable
	reg    *prometheus.Registry
	log    *logBook
	edge   *Edge
	server string

	shop, other                  Site
	secret, public, otherSecret  string
	secretKey, publicKey, othKey Key

	works atomic.Int64 // how often an operation ran
	mu    sync.Mutex
	last  web.Request
	gate  chan struct{} // what /slow waits for
}

type logBook struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func open(t *testing.T) (url string, db *sqlx.DB) {
	t.Helper()
	url = pgtest.Database(t, "gateway", func(ctx context.Context, url string) error {
		_, err := migrations.Schema("gateway").Migrate(ctx, url)
		return err
	})
	db, err := postgres.Open(t.Context(), postgres.Pool{URL: url, Role: "talkable_gateway"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return url, db
}

func newHouse(t *testing.T, change ...func(*Deps)) *house {
	t.Helper()
	h := &house{t: t, clock: clock.NewMovable(start), reg: prometheus.NewRegistry(), log: &logBook{}, gate: make(chan struct{})}
	h.url, h.db = open(t)
	d := Deps{DB: h.db, Outbox: bus.NewOutbox("gateway", h.db, h.clock.Now, nil), Reg: h.reg, Gatherer: h.reg, PublicURL: "https://api.example",
		Log: zerolog.New(h.log).With().Timestamp().Str("ecs.version", "8.11.0").Str("service.name", "talkable").Logger()}
	for _, c := range change {
		c(&d)
	}
	h.g = New(d)
	h.shop, h.other = h.site("my-store"), h.site("other-store")
	h.secret, h.secretKey = h.key(h.shop, Secret)
	h.public, h.publicKey = h.key(h.shop, Public)
	h.otherSecret, h.othKey = h.key(h.other, Secret)
	h.edge = h.g.Handler(func(api huma.API) {
		h.g.Routes(api)
		h.operations(api)
	}, func(r chi.Router) {
		r.HandleFunc("/x/{code}", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Method+" "+r.PathValue("code"))
		})
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.server = "http://" + l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	edge := h.edge // a test may give the house another one
	go func() { ended <- h.g.Serve(ctx, l, edge, longest) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return h
}

func (h *house) site(slug string) Site {
	h.t.Helper()
	s, err := h.g.CreateSite(h.t.Context(), NewSite{Slug: slug, Currency: "USD", TimeZone: "America/New_York", URL: "https://" + slug + ".example"})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *house) key(s Site, kind string) (string, Key) {
	h.t.Helper()
	plain, k, err := h.g.CreateKey(h.t.Context(), s.ID, kind, "test")
	if err != nil {
		h.t.Fatal(err)
	}
	return plain, k
}

type strictBody struct {
	web.SiteBody
	ExternalID string            `json:"external_id" minLength:"1"`
	Amount     int64             `json:"amount" minimum:"0"`
	Email      string            `json:"email,omitempty"`
	Custom     map[string]string `json:"custom,omitempty"`
	Tags       []string          `json:"tags,omitempty" maxItems:"100"`
}

type looseBody struct {
	_ struct{} `json:"-" additionalProperties:"true"`
	web.SiteBody
	Amount int64 `json:"amount,omitempty"`
}

type slugInput struct {
	Slug string `path:"slug"`
}

func (h *house) saw(ctx context.Context) {
	h.works.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = *web.From(ctx)
}

func (h *house) operations(api huma.API) {
	op := func(method, path string, more ...func(*huma.Operation)) huma.Operation {
		o := huma.Operation{OperationID: method + path, Method: method, Path: "/api/v2" + path, Summary: "For tests"}
		for _, m := range more {
			m(&o)
		}
		return o
	}
	open := func(o *huma.Operation) { o.Metadata = map[string]any{"public": true} }
	huma.Register(api, op("POST", "/strict"), func(ctx context.Context, in *struct{ Body strictBody }) (*web.OK[strictBody], error) {
		h.saw(ctx)
		return web.Answer(in.Body), nil
	})
	huma.Register(api, op("POST", "/strict/{slug}"), func(ctx context.Context, in *struct {
		slugInput
		Body strictBody
	}) (*web.OK[strictBody], error) {
		h.saw(ctx)
		return web.Answer(in.Body), nil
	})
	loose := func(ctx context.Context, in *struct{ Body looseBody }) (*web.OK[looseBody], error) {
		h.saw(ctx)
		return web.Answer(in.Body), nil
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		huma.Register(api, op(method, "/loose", open), loose)
	}
	for _, method := range []string{"POST", "PUT"} {
		huma.Register(api, op(method, "/form", open), func(ctx context.Context, in *struct{ Body formBody }) (*web.OK[formBody], error) {
			h.saw(ctx)
			return web.Answer(in.Body), nil
		})
	}
	huma.Register(api, op("POST", "/bodyless/{slug}"), func(ctx context.Context, in *slugInput) (*web.OK[string], error) {
		h.saw(ctx)
		web.From(ctx).MarkReplayed(true)
		return web.Answer(in.Slug), nil
	})
	huma.Register(api, op("GET", "/people/{slug}"), func(ctx context.Context, in *slugInput) (*web.OK[string], error) {
		h.saw(ctx)
		return web.Answer(in.Slug), nil
	})
	huma.Register(api, op("GET", "/people/{slug}/rewards"), func(ctx context.Context, in *slugInput) (*web.OK[string], error) {
		h.saw(ctx)
		return web.Answer("rewards of " + in.Slug), nil
	})
	for path, may := range map[string]string{"/member": mayRead, "/member/spend": mayRedeem} {
		huma.Register(api, op("POST", path, func(o *huma.Operation) { o.Metadata = forMembers(may) }), func(ctx context.Context, in *struct{ Body looseBody }) (*web.OK[int64], error) {
			h.saw(ctx)
			return web.Answer(web.From(ctx).MemberID), nil
		})
	}
	huma.Register(api, op("GET", "/panic"), func(context.Context, *struct{}) (*web.OK[string], error) { panic("a secret detail") })
	huma.Register(api, op("GET", "/broken"), func(context.Context, *struct{}) (*web.OK[string], error) {
		return nil, errors.New("a secret detail")
	})
	huma.Register(api, op("GET", "/gone"), func(ctx context.Context, _ *struct{}) (*web.OK[string], error) {
		return nil, fault.New(fault.Invalid, "reward_not_found", "Reward not found")
	})
	wait := func(ctx context.Context) (*web.OK[string], error) {
		h.saw(ctx)
		select {
		case <-h.gate:
			return web.Answer("done"), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	huma.Register(api, op("GET", "/slow"), func(ctx context.Context, _ *struct{}) (*web.OK[string], error) { return wait(ctx) })
	huma.Register(api, op("POST", "/slow"), func(ctx context.Context, _ *struct{ Body looseBody }) (*web.OK[string], error) { return wait(ctx) })
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	text   string
	body   struct {
		OK           bool            `json:"ok"`
		Result       json.RawMessage `json:"result"`
		Type         string          `json:"type"`
		Title        string          `json:"title"`
		Status       int             `json:"status"`
		Detail       string          `json:"detail"`
		Instance     string          `json:"instance"`
		Code         string          `json:"code"`
		ErrorMessage string          `json:"error_message"`
		Errors       []fault.Field   `json:"errors"`
	}
}

// longest is how long a machine may take, at the very most, to do what it does at once when it isn't busy. A test that passes never waits
// for it.
const longest = 3 * time.Minute

var client = &http.Client{Timeout: longest, Transport: &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// call sends a request with the secret key. headers are pairs that replace what would be sent; an empty value leaves one out.
func (h *house) call(method, path, body string, headers ...string) reply {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.server+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.secret)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if req.Header.Del(headers[i]); headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	return h.do(req)
}

func (h *house) do(req *http.Request) reply {
	h.t.Helper()
	res, err := client.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.read(res)
}

func (h *house) read(res *http.Response) reply {
	h.t.Helper()
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	r := reply{status: res.StatusCode, header: res.Header, text: string(raw)}
	if strings.Contains(res.Header.Get("Content-Type"), "json") && len(raw) > 0 {
		if err := json.Unmarshal(raw, &r.body); err != nil {
			h.t.Fatalf("%v: %s", err, raw)
		}
	}
	return r
}

// raw sends bytes as they are, for what no decent client sends.
func (h *house) raw(request string) reply {
	h.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.server, "http://"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(longest))
	if _, err := io.WriteString(conn, request); err != nil {
		h.t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if len(text) == 0 {
		h.t.Fatalf("no answer: %v", err)
	}
	_, rest, _ := strings.Cut(string(text), "\r\n\r\n")
	r := reply{text: rest, header: http.Header{}}
	head, _, _ := strings.Cut(string(text), "\r\n\r\n")
	for i, line := range strings.Split(head, "\r\n") {
		if i == 0 {
			if len(line) > 12 {
				r.status = int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0')
			}
			continue
		}
		name, value, _ := strings.Cut(line, ": ")
		r.header.Add(name, value)
	}
	return r
}

// problem fails the test unless r is a problem of this status and code that gives nothing away.
func (h *house) problem(r reply, status int, code string) {
	h.t.Helper()
	if r.status != status || code != "" && r.body.Code != code {
		h.t.Errorf("got %d %s: %s; want %d %s", r.status, r.body.Code, r.text, status, code)
		return
	}
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		h.t.Errorf("content type %q", got)
	}
	if r.body.OK || r.body.Status != status || r.body.ErrorMessage == "" || r.body.ErrorMessage != r.body.Detail || r.body.Title == "" ||
		r.body.Type != "urn:talkable:problem:"+r.body.Code || r.body.Instance != r.header.Get("X-Request-Id") {
		h.t.Errorf("incomplete problem: %s", r.text)
	}
	for _, leak := range []string{"pq:", "SQLSTATE", "goroutine", ".go:", "json:", "jsontext", "int64", "gateway.", "secret detail", h.secret} {
		if strings.Contains(r.text, leak) {
			h.t.Errorf("the answer gives %q away: %s", leak, r.text)
		}
	}
}

// on runs a subtest whose failures are its own.
func (h *house) on(name string, fn func(h *house)) {
	h.t.Helper()
	h.t.Run(name, func(t *testing.T) {
		parent := h.t
		defer func() { h.t = parent }()
		h.t = t
		fn(h)
	})
}

func (h *house) fine(r reply) {
	h.t.Helper()
	if r.status != 200 || !r.body.OK || r.header.Get("Content-Type") != "application/json" {
		h.t.Errorf("got %d %q: %s; want 200", r.status, r.header.Get("Content-Type"), r.text)
	}
}
