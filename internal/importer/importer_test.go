package importer_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/importer"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/migrations"
)

type bundle struct {
	*customer.Module
	t     testing.TB
	admin *sqlx.DB
	o     importer.Options
	wrong bytes.Buffer // the report
}

func newBundle(t testing.TB) *bundle {
	t.Helper()
	url := pgtest.Database(t, "importer", func(ctx context.Context, url string) error {
		_, err := migrations.Schema("customer").Migrate(ctx, url)
		return err
	})
	open := func(role string) *sqlx.DB {
		db, err := postgres.Open(t.Context(), postgres.Pool{URL: url, Role: role, Size: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	now := clock.NewMovable(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)).Now
	zone, err := time.LoadLocation("Pacific/Kiritimati") // 14 hours ahead: a day that is kept as UTC noon would be the next one there
	if err != nil {
		t.Fatal(err)
	}
	db := open("talkable_customer")
	b := &bundle{t: t, admin: open(""), Module: customer.New(customer.Deps{DB: db, Outbox: bus.NewOutbox("customer", db, now, nil),
		Log: zerolog.Nop(), Reg: prometheus.NewRegistry(), Now: now})}
	b.o = importer.Options{Site: site.Site{ID: 1, Currency: "USD", Zone: zone}, Name: "shop", Now: now, Report: &b.wrong}
	return b
}

func (b *bundle) purchases(text string) importer.Summary {
	b.t.Helper()
	s, err := importer.Purchases(b.t.Context(), b, strings.NewReader(text), b.o)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bundle) origin(slug string) customerapi.Recorded {
	b.t.Helper()
	o, err := b.Origin(b.t.Context(), b.o.Site.ID, slug)
	if err != nil {
		b.t.Fatalf("%s: %v", slug, err)
	}
	return o
}

func (b *bundle) count(table string) (n int64) {
	b.t.Helper()
	if err := b.admin.Get(&n, "select count(*) from customer."+table); err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bundle) findings() [][]string {
	b.t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(b.wrong.Bytes())).ReadAll()
	if err != nil {
		b.t.Fatal(err)
	}
	if len(rows) == 0 {
		return nil
	}
	return rows[1:]
}

func TestCSV(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	text := "\ufeffOrder Number;E-Mail;email;customer_id;subtotal;currency;created_at;coupon_codes;custom_properties.size;first_name\r\n" +
		"1001;x;a@example.com;;12.50;;2026-02-03;A; XL;\"An;n\r\nLee\"\r\n" +
		"\r\n" +
		" 1001;x;b@example.com;;7;eur;2026-02-03 10:20:30;A;;\r\n" +
		"=1+1;x;c@example.com;;12,50;USD;2026-02-03;;;\r\n" + // line 6
		"4;x;nonsense;;1;USD;03.02.2026;;;\r\n" +
		"5;x\r\n" +
		"6;x;\"a\"b;;1;USD;2026-02-03;;;\r\n" +
		"1001;x;a@example.com;;13;;2026-02-03;A;;\r\n" +
		"7;x;;c7;0.00;JPY;2026-02-03T01:02:03Z;A;;"
	s := b.purchases(text)
	if s.Format != importer.CSV || s.Read != 8 || s.New != 3 || s.Failed != 5 || s.Sum["USD"] != 1250 || s.Sum["EUR"] != 700 || len(s.Ignored) != 1 || s.Ignored[0] != "E-Mail" {
		t.Errorf("got %+v\n%s", s, b.wrong.String())
	}
	zone := b.o.Site.Zone
	if got := b.origin("1001").OccurredAt.In(zone).Format(time.DateTime); got != "2026-02-03 12:00:00" {
		t.Errorf("a day is kept as %s", got)
	}
	if got := b.origin(" 1001").OccurredAt.In(zone).Format(time.DateTime); got != "2026-02-03 10:20:30" {
		t.Errorf("a local time is kept as %s", got)
	}
	if o := b.origin("7"); o.CustomerID != "c7" || o.Email != "" || !o.Verified || o.Currency != "JPY" {
		t.Errorf("got %+v", o)
	}
	p, err := b.Person(t.Context(), 1, "a@example.com")
	if err != nil || p.FirstName != "An;n\nLee" || p.CustomProperties["size"] != "XL" {
		t.Errorf("got %+v, %v", p, err)
	}
	want := map[string]string{"6": "subtotal", "7": "date", "8": "", "9": "", "10": "order_number"}
	for _, f := range b.findings() {
		if column, ok := want[f[0]]; !ok || column != f[1] {
			t.Errorf("finding %q", f)
		}
		delete(want, f[0])
	}
	if len(want) > 0 {
		t.Errorf("not reported: %v\n%s", want, b.wrong.String())
	}
	again := b.purchases(text)
	if again.New != 0 || again.Unchanged != 3 || again.Failed != 5 || again.Skipped != 0 || again.Sum["USD"] != 1250 {
		t.Errorf("again: %+v", again)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for name, text := range map[string]string{
		"empty":            "",
		"no date":          "order_number,email,subtotal\n",
		"nobody":           "order_number,date,subtotal\n",
		"no number":        "email,date,subtotal\n",
		"two of a kind":    "order_number,email,date,created_at,subtotal\n",
		"UTF-16":           "\xff\xfeo\x00",
		"an endless quote": "order_number,email,date,subtotal\n1,\"" + strings.Repeat("x\n", 1<<20),
		"a long header":    strings.Repeat("x,", 1<<16),
	} {
		if s, err := importer.Purchases(t.Context(), b, strings.NewReader(text), b.o); err == nil {
			t.Errorf("%s: taken in: %+v", name, s)
		}
	}
	if n := b.count("origin"); n != 0 {
		t.Errorf("%d origins", n)
	}
}

func TestNDJSON(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	s := b.purchases(`{"order_number":1001,"email":"a@example.com","subtotal":100.44,"date":"2026-02-03T10:00:00+02:00","coupon_codes":["A;B","C"],"custom_properties":{"vip":"yes"}}
{"event_category":"poll","event_number":"1","email":"a@example.com","created_at":"2026-02-03","first_name":null}

{"order_number":"2","email":"a@example.com","subtotal":1,"date":"2026-02-03","nope":1}
{"order_number":"3","order_number":"4"}
[1]
null
{"order_number":1.5}
{"order_number":"5","email":"a@example.com","subtotal":1e3,"date":"2026-02-03"}
` + "{\"order_number\":\"\xff\"}\n" + `{"order_number":"` + strings.Repeat("x", 2<<20) + `"}` + "\n" +
		`{"order_number":"6","email":"a@example.com","subtotal":"1","date":"2026-02-03"}`)
	if s.Format != importer.NDJSON || s.New != 3 || s.Failed != 8 || s.Sum["USD"] != 10144 {
		t.Errorf("got %+v\n%s", s, b.wrong.String())
	}
	if o := b.origin("1001"); len(o.CouponCodes) != 2 || o.CouponCodes[0] != "A;B" || o.OccurredAt.Hour() != 8 {
		t.Errorf("got %+v", o)
	}
	if o := b.origin("poll:1"); o.Type != "Event" || o.Subtotal != 0 {
		t.Errorf("got %+v", o)
	}
	if f := b.findings(); f[0][0] != "4" || f[0][1] != "nope" {
		t.Errorf("got %q", f)
	}
}

func TestReportIsHarmless(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.purchases("order_number,email,date,subtotal\n1,\"=HYPERLINK(\"\"http://evil\"\",\"\"x\"\")\",2026-02-03,1\n2,\"\t@SUM(1)\",2026-02-03,-1\n" +
		"3,a@example.com,2026-02-03," + strings.Repeat("9", 500) + "\n")
	for _, f := range b.findings() {
		for _, cell := range f {
			if cell != "" && strings.ContainsRune("=@+-\t\r", rune(cell[0])) || len([]rune(cell)) > 81 {
				t.Errorf("the cell %q", cell)
			}
		}
	}
	if len(b.findings()) < 3 {
		t.Errorf("got %q", b.findings())
	}
}

func TestPeople(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	people := func(text string) importer.Summary {
		s, err := importer.People(t.Context(), b, strings.NewReader(text), b.o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	text := "email,phone,first_name,subtotal\na@example.com,+12025551111,Ann,1\nb@example.com,,Bob,1\nB@example.com,,Bob,1\n,,Nobody,1\nx,,,1\n"
	s := people(text)
	if s.New != 2 || s.Unchanged != 1 || s.Failed != 2 || len(s.Ignored) != 1 {
		t.Errorf("got %+v\n%s", s, b.wrong.String())
	}
	if s := people(text); s.New != 0 || s.Unchanged != 3 {
		t.Errorf("again: %+v", s)
	}
	if s := people("email,first_name\na@example.com,Anna\n"); s.Changed != 1 {
		t.Errorf("news: %+v", s)
	}
	if n := b.count("person"); n != 2 {
		t.Errorf("%d persons", n)
	}
}

// Who is said to have bought before is no new customer when the first order comes, unless the file takes that back.
func TestPeople_who_had_bought_before(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	people := func(text string, existing bool) importer.Summary {
		b.o.Existing = existing
		s, err := importer.People(t.Context(), b, strings.NewReader(text), b.o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	existing := func(email string) bool {
		t.Helper()
		p, err := b.Person(t.Context(), b.o.Site.ID, email)
		if err != nil {
			t.Fatal(err)
		}
		return p.ExistingCustomer
	}
	s := people("email,Existing Customer\na@example.com,yes\nb@example.com,\nc@example.com,perhaps\nd@example.com,TRUE\nd@example.com,no\n", false)
	if s.New != 3 || s.Changed != 1 || s.Failed != 1 || !strings.Contains(b.wrong.String(), "is neither true nor false") {
		t.Errorf("%+v\n%s", s, b.wrong.String())
	}
	if !existing("a@example.com") || existing("b@example.com") || existing("d@example.com") {
		t.Error("the first file: wrong ones are customers")
	}
	const news = `{"email":"b@example.com"}` + "\n" + `{"email":"e@example.com","existing_customer":false}` + "\n" + `{"email":"f@example.com","first_name":true}` + "\n"
	if s := people(news, true); s.New != 1 || s.Changed != 1 || s.Failed != 1 {
		t.Errorf("%+v\n%s", s, b.wrong.String())
	}
	if s := people(news, true); s.New != 0 || s.Changed != 0 || s.Unchanged != 2 {
		t.Errorf("again: %+v", s)
	}
	if !existing("b@example.com") || existing("e@example.com") {
		t.Error("the second file: wrong ones are customers")
	}
	b.purchases("order_number,email,date,subtotal\n1,a@example.com,2026-02-03,1\n2,b@example.com,2026-02-03,1\n3,d@example.com,2026-02-03,1\n4,d@example.com,2026-02-04,1\n")
	var first []string
	err := b.admin.Select(&first, `select payload->>'number' from customer.waiting where type = 'customer.origin_recorded.v1' and (payload->>'first_purchase')::boolean order by 1`)
	if err != nil || !slices.Equal(first, []string{"3"}) {
		t.Errorf("the first orders of new customers: %q %v", first, err)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.o.DryRun = true
	s := b.purchases("order_number,email,date,subtotal\n1,a@example.com,2026-02-03,1\n2,x,2026-02-03,1\n3,a@example.com,2999-01-01,1\n")
	if s.New != 1 || s.Failed != 2 || s.Sum["USD"] != 100 {
		t.Errorf("got %+v\n%s", s, b.wrong.String())
	}
	for _, table := range []string{"origin", "person", "import", "outbox"} {
		if n := b.count(table); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
}

// lossy is module customer behind a connection that breaks after some batches, once before and once after the commit.
type lossy struct {
	*bundle
	batches int
	after   bool
}

var errLost = errors.New("the connection is lost")

func (l *lossy) ImportOrigins(ctx context.Context, s site.Site, in []customerapi.Origin, at *customer.Checkpoint) ([]postgres.Result[customerapi.Recorded], error) {
	if l.batches--; l.batches >= 0 {
		return l.Module.ImportOrigins(ctx, s, in, at)
	}
	if l.after {
		if _, err := l.Module.ImportOrigins(ctx, s, in, at); err != nil {
			return nil, err
		}
	}
	return nil, errLost
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("order_number,email,date,subtotal,first_name\r\n")
	for i := range 97 {
		fmt.Fprintf(&text, "%d,p%d@example.com,2026-02-03,1.00,\"line\r\nbreak\"\r\n", i, i%7)
		if i == 90 {
			text.WriteString("x,broken,2026-02-03,1,\r\n")
		}
	}
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprint("after the commit: ", after), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			b.o.Batch = 10
			_, err := importer.Purchases(t.Context(), &lossy{b, 3, after}, strings.NewReader(text.String()), b.o)
			if !errors.Is(err, errLost) {
				t.Fatal(err)
			}
			want := int64(30)
			if after {
				want = 40
			}
			if n := b.count("origin"); n != want {
				t.Errorf("%d origins", n)
			}
			s := b.purchases(text.String())
			if s.Skipped != want || s.New != 97-want || s.Unchanged != 0 || s.Failed != 1 {
				t.Errorf("resumed: %+v", s)
			}
			if f := b.findings(); len(f) != 1 || f[0][0] != "184" {
				t.Errorf("the broken row is reported as %q", f)
			}
			if s := b.purchases(text.String()); s.Skipped != 0 || s.Unchanged != 97 || s.New != 0 {
				t.Errorf("again: %+v", s)
			}
			b.o.Site.ID = 2
			if s := b.purchases(text.String()); s.New != 97 {
				t.Errorf("the other site: %+v", s)
			}
		})
	}
}

func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.o.Batch = 1
	text := "order_number,email,date,subtotal\n1,a@example.com,2026-02-03,1\n2,a@example.com,2026-02-03,1\n3,a@example.com,2026-02-03,1\n"
	first, o := true, b.o
	o.Progress = func(importer.Progress) {
		if first { // meanwhile another one runs through
			first = false
			b.purchases(text)
		}
	}
	_, err := importer.Purchases(t.Context(), b, strings.NewReader(text), o)
	if err == nil || !strings.Contains(err.Error(), "import_running") {
		t.Errorf("got %v", err)
	}
	if n := b.count("origin"); n != 3 {
		t.Errorf("%d origins", n)
	}
}

func FuzzSources(f *testing.F) {
	for _, s := range []string{"order_number,email,date,subtotal\n1,a@b.co,2026-02-03,1\n", "{\"order_number\":1}\n{", "customer_id date number_of_cds dollar_value\n1 19970101 1 1\n", "order_number;email;date;subtotal\n\"1\n\";\"", "\ufeff\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o := importer.Options{Site: site.Site{ID: 1, Currency: "USD"}, Name: "x", DryRun: true, Report: io.Discard}
		s, err := importer.Purchases(t.Context(), nil, strings.NewReader(text), o)
		if err == nil && s.New+s.Failed != s.Read {
			t.Errorf("%+v", s)
		}
	})
}
