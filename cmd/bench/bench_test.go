package main

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/talkable/talkable/internal/postgres/pgtest"
)

func TestResponse(t *testing.T) {
	tests := map[string]struct {
		wire     string
		status   int
		body     string
		location string
		fails    bool
	}{
		"a body with its length": {wire: "HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nabcd", status: 201, body: "abcd"},
		"a redirect":             {wire: "HTTP/1.1 302 Found\r\nLocation: https://a.example/?b=c\r\nContent-Length: 0\r\n\r\n", status: 302, location: "https://a.example/?b=c"},
		"a body in chunks":       {wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", status: 200, body: "abcde"},
		"something else":         {wire: "SMTP ready\r\n", fails: true},
		"a bad length":           {wire: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", fails: true},
		"a cut body":             {wire: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", fails: true},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			var got response
			in := bufio.NewReader(strings.NewReader(want.wire + "next"))
			if err := got.read(in); (err != nil) != want.fails {
				t.Fatalf("got error %v", err)
			}
			if want.fails {
				return
			}
			if got.status != want.status || string(got.body) != want.body || string(got.location) != want.location {
				t.Errorf("got %d %q %q", got.status, got.body, got.location)
			}
			if rest, _ := in.Peek(4); string(rest) != "next" {
				t.Errorf("the next answer begins with %q", rest)
			}
		})
	}
}

func TestParseOfPgbench(t *testing.T) {
	out, err := parse("number of transactions actually processed: 4321\nnumber of failed transactions: 0 (0.000%)\ntps = 1080.25 (without initial connection time)\n")
	if err != nil || out.count != 4321 || out.rate != 1080.25 {
		t.Errorf("got %+v, %v", out, err)
	}
	if out, err := parse("number of transactions actually processed: 0\nnumber of failed transactions: 0 (NaN%)\n"); err != nil || out.rate != 0 {
		t.Errorf("nothing done: %+v, %v", out, err)
	}
	if _, err := parse("number of transactions actually processed: 9\nnumber of failed transactions: 3 (33%)\ntps = 9.0 (without initial connection time)\n"); err == nil {
		t.Error("failed transactions were let pass")
	}
}

func TestVerdict(t *testing.T) {
	fast, slow := pair{ours: 20, theirs: 10}, pair{ours: 5, theirs: 10}
	disturbed := pair{ours: 1, theirs: 10, others: 0.5}
	tests := map[string]struct {
		pairs    []pair
		under    bool
		doubtful bool
	}{
		"the median decides":               {pairs: []pair{slow, fast, fast}},
		"most pairs under it":              {pairs: []pair{slow, slow, fast}, under: true},
		"a disturbed pair is left out":     {pairs: []pair{fast, fast, fast, disturbed, disturbed, disturbed, disturbed}},
		"unless too few remain":            {pairs: []pair{fast, disturbed, disturbed}, under: true, doubtful: true},
		"two pairs are judged as they are": {pairs: []pair{fast, fast}},
		"a slow processor disturbs too":    {pairs: []pair{{20, 10, 0, 0, 500}, {20, 10, 0, 0, 510}, {20, 10, 0, 0, 505}, {1, 10, 0, 0, 300}, {1, 10, 0, 0, 310}}},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			var r report
			for _, p := range want.pairs {
				r.add("purchases / L1", p)
			}
			if _, doubtful := r.lines[0].judged(); doubtful != want.doubtful || (len(r.under()) > 0) != want.under {
				t.Errorf("got doubtful %v, under %v", doubtful, r.under())
			}
			var out bytes.Buffer
			if r.print(&out); strings.Contains(out.String(), "UNDER") != want.under {
				t.Errorf("printed:\n%s", out.String())
			}
		})
	}
}

func TestVisitorsAreUUIDsOfVersion7(t *testing.T) {
	seen := map[[36]byte]bool{}
	for range 1000 {
		v := newVisitor()
		id, err := uuid.Parse(string(v[:]))
		if err != nil || id.Version() != 7 || id.Variant() != uuid.RFC4122 || seen[v] {
			t.Fatalf("got %s: version %d, %v", v, id.Version(), err)
		}
		seen[v] = true
	}
}

// TestLoadAgainstARealServer lets the lean client speak to net/http's server, which both sides of a measurement are.
func TestLoadAgainstARealServer(t *testing.T) {
	s, err := startStatic()
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{address: s.address, sites: []shop{{links: []string{"/x/ABCDEFGH"}}}}
	got, err := s.visit(t.Context(), p, 100*time.Millisecond)
	if err != nil || got.count < connections || int(got.count) != len(got.times) {
		t.Errorf("%d visits: %v", got.count, err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broken := http.Server{Handler: http.NotFoundHandler()}
	go func() { _ = broken.Serve(l) }()
	defer broken.Close()
	s.address = l.Addr().String()
	if _, err := s.visit(t.Context(), p, time.Second); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("answers of 404 gave %v", err)
	}
}

// TestYardstick runs pgbench's scripts for a moment: they must do what they claim, or every ratio is worth nothing.
func TestYardstick(t *testing.T) {
	o := options{sites: 4, people: 20}
	pg, err := startDatabase(t.Context(), pgtest.Dir(t), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := pg.stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := pg.assertDurable(t.Context()); err != nil {
		t.Error(err)
	}
	b, err := newPgbench(t.Context(), pg, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := supply(t.Context(), pg.yardstick, `select bench.print(4, 20000), bench.print(1, 50000), bench.hold(50000)`); err != nil {
		t.Fatal(err)
	}
	for script, rows := range map[string]string{"share.sql": "bench.share", "claim.sql": "bench.claim", "coupon.sql": "bench.coupon where issued_at is not null", "coupon_hot.sql": "bench.click_reward where site = 1",
		"approve.sql": "bench.held where status <> 'waiting'", "purchase.sql": "bench.outbox where type = 'purchase'", "purchases.sql": "bench.purchase",
		"visit.sql": "bench.visit", "post.sql": "bench.ledger_tx where kind = 'post'", "post_hot.sql": "bench.entry where (site, account) = (1, 1) and amount = 10"} {
		var before, after int64
		if err := pg.yardstick.Get(&before, "select count(*) from "+rows); err != nil {
			t.Fatal(err)
		}
		out, err := b.run(t.Context(), script, 4, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := pg.yardstick.Get(&after, "select count(*) from "+rows); err != nil {
			t.Fatal(err)
		}
		switch script {
		case "purchase.sql": // some are told twice
			if r := float64(after-before) / float64(out.count); r < 0.95 || r > 1 {
				t.Errorf("%s: pgbench did %d, and %d rows are there", script, out.count, after-before)
			}
			continue
		case "purchases.sql":
			out.count *= setSize
		}
		if after-before != out.count {
			t.Errorf("%s: pgbench did %d, and %d rows are there", script, out.count, after-before)
		}
		t.Logf("%s: %.0f/s", script, out.rate)
	}
	if err := verifyYardstick(t.Context(), pg.yardstick); err != nil {
		t.Error(err)
	}
	if _, err := pg.yardstick.ExecContext(context.Background(), `update bench.balance set points = points + 1 where (site, account) = (1, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := verifyYardstick(t.Context(), pg.yardstick); err == nil {
		t.Error("a point too many wasn't noticed")
	}
}
