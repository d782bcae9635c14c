package notify

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/leaktest"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/mailsink"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
	"github.com/talkable/talkable/migrations"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench is a module on a database of its own, with a mail server that remembers.
type bench struct {
	*Module
	t     *testing.T
	clock *clock.Movable
	sink  *mailsink.Sink
	url   string

	mu     sync.Mutex
	mails  []mailsink.Mail
	onData func(mailsink.Mail) mailsink.Reply
	onRcpt func(mailsink.Mail) mailsink.Reply
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, clock: clock.NewMovable(start)}
	b.url = pgtest.Database(t, "notify", func(ctx context.Context, url string) error {
		_, err := migrations.Schema("notify").Migrate(ctx, url)
		return err
	})
	sink, err := mailsink.Start(t.TempDir(), mailsink.Options{
		OnMail: func(m mailsink.Mail) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.mails = append(b.mails, m)
		},
		OnData: func(m mailsink.Mail) mailsink.Reply { return b.scripted(m, &b.onData) },
		OnRcpt: func(m mailsink.Mail) mailsink.Reply { return b.scripted(m, &b.onRcpt) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	})
	b.sink = sink
	b.Module = b.replica()
	return b
}

func (b *bench) scripted(m mailsink.Mail, how *func(mailsink.Mail) mailsink.Reply) mailsink.Reply {
	b.mu.Lock()
	f := *how
	b.mu.Unlock()
	if f == nil {
		return mailsink.Reply{}
	}
	return f(m)
}

// data scripts the answer to the end of DATA.
func (b *bench) data(f func(mailsink.Mail) mailsink.Reply) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.onData = f
}

// arrived are the mails that the server keeps.
func (b *bench) arrived() []mailsink.Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]mailsink.Mail(nil), b.mails...)
}

// replica is another module on the same database.
func (b *bench) replica() *Module {
	b.t.Helper()
	db, err := postgres.Open(b.t.Context(), postgres.Pool{URL: b.url, Role: "talkable_notify"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { db.Close() })
	return New(Deps{DB: db, Outbox: bus.NewOutbox("notify", db, b.clock.Now, nil), Log: zerolog.Nop(), Reg: prometheus.NewRegistry(),
		Now: b.clock.Now, Cursors: web.NewCursors([]byte("secret")), SMTP: b.sink.URL(), From: "talkable@localhost",
		SMSDaily: 3, Secret: []byte("the secret of all replicas"), Calls: outcall.New(outcall.Settings{Private: true, Now: b.clock.Now, Key: []byte("the secret of all replicas")})})
}

// worker of a module, on the bench's mail server.
func (b *bench) worker(m *Module) *worker {
	b.t.Helper()
	server, err := ParseSMTP(m.SMTP)
	if err != nil {
		b.t.Fatal(err)
	}
	w := &worker{Module: m, server: server, sender: m.From}
	provider, err := ParseSMS(m.SMS)
	if err != nil {
		b.t.Fatal(err)
	}
	if provider != nil {
		w.sms = provider
	}
	return w
}

func (b *bench) round() {
	b.t.Helper()
	if _, err := b.worker(b.Module).round(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) do(fn func(ctx context.Context, u *bus.Unit) error) {
	b.t.Helper()
	if err := b.Outbox.InTx(b.t.Context(), func(u *bus.Unit) error { return fn(b.t.Context(), u) }); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) site(id int64, name string) {
	b.t.Helper()
	b.do(func(ctx context.Context, u *bus.Unit) error {
		return b.onSite(ctx, u, events(gatewayevent.SiteChanged{SiteID: id, Slug: fmt.Sprintf("site-%d", id), Name: name, TimeZone: "UTC", URL: "https://shop.example",
			EmailFrom: fmt.Sprintf("hello@shop%d.example", id), ChangedAt: start}))
	})
}

func (b *bench) person(siteID, id int64, email, first string) {
	b.t.Helper()
	b.do(func(ctx context.Context, u *bus.Unit) error {
		return b.onPerson(ctx, u, events(customerevent.PersonChanged{SiteID: siteID, PersonID: id, Email: email, FirstName: first, ChangedAt: b.clock.Now()}))
	})
}

func earned(siteID, transaction, person int64) loyaltyevent.PointsEarned {
	return loyaltyevent.PointsEarned{SiteID: siteID, TransactionID: transaction, PersonID: person, FriendID: 999, Points: 500, Balance: 1500,
		Reason: loyaltyevent.ForReward, EffectiveAt: start, RecordedAt: start}
}

func (b *bench) earn(all ...loyaltyevent.PointsEarned) {
	b.t.Helper()
	b.do(func(ctx context.Context, u *bus.Unit) error { return b.onPointsEarned(ctx, u, events(all...)) })
}

func events[T bus.Payload](bodies ...T) []bus.Event[T] {
	batch := make([]bus.Event[T], len(bodies))
	for i, b := range bodies {
		batch[i] = bus.Event[T]{Seq: int64(i + 1), Body: b}
	}
	return batch
}

// states are the messages of a site, oldest first: "status reason attempts".
func (b *bench) states(siteID int64) []string {
	b.t.Helper()
	found, err := messages(b.t.Context(), b.DB, siteID, filter{}, 1000)
	if err != nil {
		b.t.Fatal(err)
	}
	out := make([]string, 0, len(found))
	for i := len(found) - 1; i >= 0; i-- {
		reason := "-"
		if found[i].Reason != nil {
			reason = *found[i].Reason
		}
		out = append(out, fmt.Sprintf("%s %s %d", found[i].Status, reason, found[i].Attempts))
	}
	return out
}

func (b *bench) want(siteID int64, want ...string) {
	b.t.Helper()
	if got := b.states(siteID); strings.Join(got, ", ") != strings.Join(want, ", ") {
		b.t.Fatalf("messages of site %d: %q, want %q", siteID, got, want)
	}
}

// told are the types of the events that wait in the outbox, with a status where they have one.
func (b *bench) told() []string {
	b.t.Helper()
	db, err := sqlx.Open("postgres", b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	defer db.Close()
	var out []string
	if err := db.Select(&out, `select concat_ws(' ', type, key, payload->>'status', 'doubted ' || (payload->>'uncertain_at')) from notify.waiting order by id, i`); err != nil {
		b.t.Fatal(err)
	}
	return out
}

// transmitting is a worker that has begun to transmit the one message in the queue, and gets no further.
func (b *bench) transmitting() (*worker, job) {
	b.t.Helper()
	w := b.worker(b.Module)
	jobs, _, err := w.claim(b.t.Context())
	if err != nil || len(jobs) != 1 {
		b.t.Fatal(len(jobs), err)
	}
	l, err := jobs[0].render(w.sender)
	if err != nil {
		b.t.Fatal(err)
	}
	if mine, err := startTransmission(b.t.Context(), b.DB, jobs[0], l, b.clock.Now().Add(handLease)); !mine || err != nil {
		b.t.Fatal(mine, err)
	}
	return w, jobs[0]
}

// server answers the module's operations for a site.
func (b *bench) server(siteID int64) http.Handler {
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			key := idempotency.Key{Value: r.Header.Get("Idempotency-Key"), Fingerprint: r.URL.Path}
			req := &web.Request{ID: "req", Site: site.Site{ID: siteID, Zone: time.UTC}, KeyID: 5, Idempotency: key}
			next.ServeHTTP(w, r.WithContext(web.With(r.Context(), req)))
		})
	})
	b.Routes(web.NewAPI(r, "test", "1", ""))
	return r
}

func call(t *testing.T, h http.Handler, method, path string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// golden compares with a file of testdata; GOLDEN=write renews it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if os.Getenv("GOLDEN") == "write" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", name, got)
	}
}

func leaks(t *testing.T) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { leaktest.None(t, ignore) })
}
