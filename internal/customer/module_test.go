package customer

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
	"github.com/talkable/talkable/migrations"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type bundle struct {
	*Module
	t     testing.TB
	url   string
	clock *clock.Movable
	a, b  site.Site // twins
}

// newBundle is a module on a database of its own. size is the pool's.
func newBundle(t testing.TB, size int) *bundle {
	t.Helper()
	url := pgtest.Database(t, "customer", func(ctx context.Context, url string) error {
		_, err := migrations.Schema("customer").Migrate(ctx, url)
		return err
	})
	b := &bundle{t: t, url: url, clock: clock.NewMovable(noon),
		a: site.Site{ID: 1, Slug: "a", Currency: "USD", Zone: time.UTC}, b: site.Site{ID: 2, Slug: "b", Currency: "USD", Zone: time.UTC}}
	b.Module = b.replica(size)
	return b
}

// replica is another process on the same database.
func (b *bundle) replica(size int) *Module {
	b.t.Helper()
	db, err := postgres.Open(b.t.Context(), postgres.Pool{URL: b.url, Role: "talkable_customer", Size: size})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { db.Close() })
	return New(Deps{DB: db, Outbox: bus.NewOutbox("customer", db, b.clock.Now, nil), Log: zerolog.Nop(),
		Reg: prometheus.NewRegistry(), Now: b.clock.Now, Cursors: web.NewCursors([]byte("secret"))})
}

// admin is a connection that sees everything.
func (b *bundle) admin() *sqlx.DB {
	db, err := postgres.Open(b.t.Context(), postgres.Pool{URL: b.url, Size: 2})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { db.Close() })
	return db
}

type told struct {
	Site    int64           `db:"site"`
	Key     string          `db:"key"`
	Type    string          `db:"type"`
	Payload json.RawMessage `db:"payload"`
}

// told reads what waits in the outbox.
func (b *bundle) told() []told {
	b.t.Helper()
	var out []told
	if err := b.admin().Select(&out, `select site, key, type, payload from customer.waiting order by id, i`); err != nil {
		b.t.Fatal(err)
	}
	return out
}

func toldOf[T bus.Payload](b *bundle) []T {
	b.t.Helper()
	var out []T
	for _, e := range b.told() {
		var body T
		if e.Type != body.EventType() {
			continue
		}
		if err := json.Unmarshal(e.Payload, &body); err != nil {
			b.t.Fatal(err)
		}
		out = append(out, body)
	}
	return out
}

func (b *bundle) count(table string) (n int) {
	b.t.Helper()
	if err := b.admin().Get(&n, `select count(*) from customer.`+table); err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bundle) must(in customerapi.Origin) customerapi.Recorded {
	b.t.Helper()
	r, err := b.Record(b.t.Context(), b.a, in)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func purchase(number, email string, subtotal int64) customerapi.Origin {
	return customerapi.Origin{Type: customerevent.Purchase, Number: number, Subtotal: subtotal, Verified: true,
		Person: customerapi.Identity{Email: email}}
}

func wantFault(t *testing.T, err error, kind fault.Kind, code string) *fault.Error {
	t.Helper()
	f, ok := fault.Of(err)
	if !ok || f.Kind != kind || f.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	return f
}

// state is all that the module holds, without the ids that depend on the order of inserts.
func (b *bundle) state() string {
	b.t.Helper()
	db := b.admin()
	var out []string
	for _, q := range []string{
		`select to_jsonb(p) - 'id' || jsonb_build_object('who', coalesce(email_norm, customer_id, phone)) from customer.person p`,
		`select to_jsonb(o) - 'id' - 'person_id' || jsonb_build_object('number', case when o.number like 'person:%' then '' else o.number end,
			'who', (select coalesce(email_norm, customer_id, phone) from customer.person p where p.site_id = o.site_id and p.id = o.person_id),
			'items', (select jsonb_agg(to_jsonb(i) - 'origin_id' order by position) from customer.origin_item i where i.site_id = o.site_id and i.origin_id = o.id))
			from customer.origin o`,
		`select to_jsonb(v) - 'person_id' || jsonb_build_object(
			'who', (select coalesce(email_norm, customer_id, phone) from customer.person p where p.site_id = v.site_id and p.id = v.person_id))
			from customer.visitor v`,
		`select payload - 'origin_id' - 'person_id' - 'number' || jsonb_build_object('type', type, 'number', payload->>'number')
			from customer.waiting`,
	} {
		var rows []string
		if err := db.Select(&rows, q); err != nil {
			b.t.Fatal(err)
		}
		sort.Strings(rows)
		out = append(out, rows...)
	}
	return strings.Join(out, "\n")
}

func ptr[T any](v T) *T { return &v }

func numbered(i int) string { return fmt.Sprintf("order-%d", i) }
