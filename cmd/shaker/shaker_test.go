package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestShaker shakes a platform for 40 seconds. The checker is a process of its own without the race detector, whose slowness
// would leave little load. The seed is another one each time, and printed. A machine that is too busy to reach all dangers in that time gets twice
// as much, and again.
func TestShaker(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shaker")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, long := range []time.Duration{40 * time.Second, 80 * time.Second, 160 * time.Second} {
		cmd := exec.CommandContext(t.Context(), path, "run", "--duration", long.String())
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends what it has started
		cmd.WaitDelay = time.Minute
		out, err := cmd.CombinedOutput()
		t.Log(string(out))
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == inconclusive {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("all held, but the dangers were not reached, not even in the longest run")
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind string
		r    reply
		want outcome
		code string
	}{
		{kindPurchase, reply{status: 201}, yes, ""},
		{kindRefund, reply{status: 200}, yes, ""},
		{kindRefund, reply{status: 400, body: []byte(`{"code":"refund_exceeds"}`)}, no, "refund_exceeds"},
		{kindRefund, reply{status: 422, body: []byte(`{"code":"idempotency_key_reused"}`)}, no, "idempotency_key_reused"},
		{kindPurchase, reply{status: 400, body: []byte("no JSON")}, no, ""},
		{kindPurchase, reply{status: 408}, unknown, ""},
		{kindPurchase, reply{status: 429}, unknown, ""},
		{kindPurchase, reply{status: 500, body: []byte(`{"code":"internal"}`)}, unknown, "internal"},
		{kindStatus, reply{status: 409, body: []byte(`{"code":"attribution_pending"}`)}, unknown, "attribution_pending"},
		{kindPurchase, reply{status: 302}, unknown, ""},
		{kindPurchase, reply{err: errors.New("EOF")}, unknown, ""},
		{kindPurchase, reply{err: fmt.Errorf("post: %w", &net.OpError{Op: "dial", Err: errors.New("connection refused")})}, unsent, ""},
		{kindPurchase, reply{err: &net.OpError{Op: "read", Err: errors.New("connection reset")}}, unknown, ""},
		{kindVisit, reply{status: 302, location: "https://shop.example/?tkbl_cvuuid=x&talkable_visitor_offer_id=7"}, yes, ""},
		{kindVisit, reply{status: 302, location: "https://shop.example/?tkbl_cvuuid=x"}, unknown, ""},
		{kindVisit, reply{status: 404}, no, ""},
	} {
		if got, code, _ := classify(c.kind, c.r); got != c.want || code != c.code {
			t.Errorf("%s %d %s %v: %s %s; want %s %s", c.kind, c.r.status, c.r.location, c.r.err, got, code, c.want, c.code)
		}
	}
}

// Everything that a story is made of follows from the seed, and the twins differ in nothing but amounts.
func TestSeeds(t *testing.T) {
	t.Parallel()
	plan := func(seed uint64, n, site int) (op, op) {
		l := newLoad(&world{}, seed)
		for s := range l.advocates {
			for i := range 4 {
				l.advocates[s][tagAuto] = append(l.advocates[s][tagAuto], advocate{email: fmt.Sprint("ann-", i)})
			}
		}
		tale := l.tale(2, n, site)
		p := tale.purchase("a")
		p.Visitor, p.Advocate = tale.visitor("a"), tale.link(tagAuto).email
		return p, tale.refund(p, p.Amount/2, "0")
	}
	rapid.Check(t, func(rt *rapid.T) {
		seed, n := rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(0, 1000).Draw(rt, "n")
		p, r := plan(seed, n, 0)
		if again, refund := plan(seed, n, 0); again != p || refund != r {
			rt.Fatalf("%+v, then %+v", p, again)
		}
		twin, _ := plan(seed, n, 1)
		if twin.Amount == p.Amount || twin.Order != p.Order || twin.Email != p.Email || twin.Key != p.Key || twin.Visitor != p.Visitor || twin.Advocate != p.Advocate {
			rt.Fatalf("%+v and its twin %+v", p, twin)
		}
		if other, _ := plan(seed+1, n, 0); other.Visitor == p.Visitor || other.Key == p.Key {
			rt.Fatalf("another seed has the same names: %+v", other)
		}
	})
}

func TestHolds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, word string
		want       bool
	}{
		{"o-1-1-a: missing", "o-1-1-a", true},
		{"o-1-12-a: missing", "o-1-1", false},
		{"o-1-12-a and o-1-1", "o-1-1", true},
		{"ends with o-1-1", "o-1-1", true},
		{"nothing", "o-1-1", false},
	} {
		if got := holds(c.text, c.word); got != c.want {
			t.Errorf("%q in %q: %v", c.word, c.text, got)
		}
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	got := strings.Join(diff(map[string]string{"a": "1", "b": "2", "c": "3"}, map[string]string{"a": "1", "b": "9", "d": "4"}), "; ")
	if want := "b: 9; want 2; c: missing; want 3; d: 4; want none"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestGatesNameWhatIsCounted(t *testing.T) {
	t.Parallel()
	tally := newTally()
	for _, g := range gates(nil, longRun) {
		if missing := tally.missing([]gate{g}); len(missing) != 1 {
			t.Errorf("%s lets a run pass that never reached it", g.danger)
		}
		tally.reach(g.danger, g.least)
		if missing := tally.missing([]gate{g}); len(missing) != 0 {
			t.Errorf("%v", missing)
		}
	}
	if n := len(gates([]string{"kill"}, longRun)); n != 4 {
		t.Errorf("%d gates of one fault", n)
	}
	if err := checkOnly([]string{"kill", "failpoints"}); err != nil {
		t.Error(err)
	}
	if err := checkOnly([]string{"ill"}); err == nil {
		t.Error("no fault is called ill")
	}
}
