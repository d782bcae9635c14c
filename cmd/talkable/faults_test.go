package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// trouble is a fault that the platform meets, the condition under which it passes, and the tests that show it.
type trouble struct {
	id, what, passes string
	shown            []string // package directory and test
	not              string   // why no test of one machine shows it, or what it is instead
}

// faults are those of the reliability reference, §3. Beyond its own condition each has to leave all stories told to the last point.
var faults = []trouble{
	{"F01", "kill -9 under load", "what was unanswered becomes definite when repeated", []string{"cmd/talkable TestStoryOnTwoReplicas", "cmd/talkable TestEveryWriteIsRepeatable"}, ""},
	{"F02", "kill -9 at every named step", "each step is reached, and nothing is lost or doubled", []string{"cmd/talkable TestStoryKilledAtEveryStep", "internal/bus TestKill"}, ""},
	{"F03", "SIGTERM under load", "no request fails, the rest is finished within 20 s", []string{"cmd/talkable TestReplicasFrozenKilledAndReplaced", "internal/gateway TestServe_drains", "internal/gateway TestServe_ends_what_does_not_finish"}, ""},
	{"F04", "all replicas killed at once", "all come up, migrations run once", []string{"cmd/talkable TestReplicasFrozenKilledAndReplaced", "internal/postgres TestMigrate_by_three_replicas_at_once_runs_once"}, ""},
	{"F05", "one backend of PostgreSQL killed", "as F01", []string{"cmd/talkable TestDatabaseInTrouble"}, ""},
	{"F06", "PostgreSQL stopped without a shutdown", "connects again by itself; what was answered is there", []string{"cmd/talkable TestDatabaseInTrouble", "cmd/talkable TestEmbeddedDatabaseDies"}, ""},
	{"F07", "PostgreSQL away for a while", "503 with Retry-After, not ready but alive, links lead on", []string{"cmd/talkable TestDatabaseGoesAway", "internal/referral TestVisit_leads_on_when_the_database_is_away"}, ""},
	{"F09", "connections cut in the midst of transactions", "the pool heals, no request hangs", []string{"cmd/talkable TestDatabaseInTrouble", "internal/postgres TestInTx"}, ""},
	{"F11", "a replica frozen for longer than transactions may idle", "what it does late does no harm", []string{"cmd/talkable TestReplicasFrozenKilledAndReplaced", "internal/notify TestWorkerDies"}, ""},
	{"F13", "a lock held", "503 once nobody waits longer, then on", []string{"cmd/talkable TestDatabaseInTrouble"}, ""},
	{"F14", "deadlocks", "repeated inside, never a 500", []string{"internal/postgres TestInTx", "internal/loyalty TestTwoPostersOfOneMember"}, ""},
	{"F15", "no free connections", "503 soon, health answers", []string{"cmd/talkable TestDatabaseInTrouble", "internal/gateway TestRequests_in_flight_are_bounded"}, ""},
	{"F16", "the data's disk full", "503, and on again with space", []string{"cmd/talkable TestDiskFull", "internal/postgres TestAway"}, ""},
	{"F17", "the log's disk full", "PostgreSQL may end; started again, all goes on", []string{"cmd/talkable TestDiskFull"}, ""},
	{"F18", "the program's own disk full", "exports fail whole", nil, "there are no exports; caught mail is for demonstrations"},
	{"F19", "the clock jumps", "what is due happens once, backwards nothing happens twice", []string{"cmd/talkable TestClockJumps", "cmd/talkable TestApproval", "internal/referral TestVisitDays_follow_the_clock"}, ""},
	{"F20", "clocks of program and database differ", "one clock decides", []string{"cmd/talkable TestClockJumps"}, ""},
	{"F21", "replicas minutes apart", "each job runs once", []string{"internal/loyalty TestExpiryOnTwoReplicas", "internal/notify TestReplicasShareTheQueue"}, ""},
	{"F22", "requests twice", "one effect, one answer", []string{"cmd/talkable TestEveryWriteIsRepeatable", "internal/idempotency TestOnce_by_20_at_once_executes_once"}, ""},
	{"F24", "out of order", "the same end", []string{"internal/referral TestRefunds_end_the_same_in_any_order", "internal/referral TestRecorded_decides_alike_however_the_log_is_cut", "internal/analytics TestFoldDoesNotMindOrder"}, ""},
	{"F25", "slow clients, huge heads, half-open connections", "they are cut off, others notice nothing", []string{"cmd/talkable TestClientsThatMisbehave", "internal/gateway TestSlow_clients_are_cut_off"}, ""},
	{"F26", "a broker killed", "", nil, "the log is in the producer's database: F05 and F06 are its faults"},
	{"F28", "a broker cut off", "", nil, "as F26; a module's database away is F07"},
	{"F29", "a broker's answer lost", "", nil, "as F26; the end of a commit unknown is F01"},
	{"F30", "a slow consumer", "others are not held up", []string{"internal/bus TestTable"}, ""},
	{"F31", "a consumer dies after its commit", "no second effect", []string{"cmd/talkable TestStoryKilledAtEveryStep", "internal/bus TestTable"}, ""},
	{"F32", "a poisonous event", "put aside with its key, all else flows, replayed after a repair", []string{"internal/bus TestTable"}, ""},
	{"F33", "mail server away, 4xx, 5xx, gone after DATA, hanging", "again, failed, uncertain; never twice by itself; nothing else waits", []string{"internal/notify TestServerSays", "cmd/talkable TestMailServerHangs"}, ""},
	{"F34", "webhooks that misbehave", "tried again as planned, 410 disables, answers are cut, one receiver delays no other", []string{"internal/notify TestHook", "internal/notify TestHookJudge", "internal/notify TestHookLanes", "internal/notify TestHookReplicas", "internal/outcall TestPost_ends"}, ""},
	{"F35", "webhooks that redirect inside", "a redirect is a failure, and nothing inside is called", []string{"internal/notify TestHook", "internal/outcall TestPost_hands_over_and_brings_back", "internal/outcall TestPost_refuses_where_a_name_leads_inside"}, ""},
	{"F37", "the SMS provider refuses, is busy, or does not answer", "at most one SMS each, uncertain where nobody knows; a bound a day", []string{"internal/notify TestSMS", "cmd/shaker TestShaker"}, ""},
	{"F38", "migration under traffic", "no 5xx", nil, "nothing is released: there is no release to migrate from"},
	{"F39", "mixed versions", "both read each other's events", []string{"internal TestEventsAreFrozen", "internal/bus TestTable"}, "the program of another version needs a release; events, which are what versions share, are frozen"},
	{"F40", "downgrade", "works, or refuses with a reason", nil, "as F38"},
	{"F41", "a migration killed half-way", "the next one finishes it", []string{"internal/postgres TestMigrate_and_Behind"}, "each runs in a transaction of its own"},
	{"F43", "memory", "bodies and requests in flight are bounded", []string{"cmd/talkable TestHostileInputOfEveryKind", "internal/gateway TestRequests_in_flight_are_bounded", "internal/gateway TestBodies_that_are_refused"}, "a limit of memory needs a control group"},
	{"F44", "everything due at once", "the queue is worked off in bounded steps", []string{"internal/notify TestReplicasShareTheQueue", "internal/referral TestApproveDue"}, ""},
	{"F46", "big numbers", "no 32 bits, no floats", []string{"cmd/talkable TestHostileInputOfEveryKind", "internal/loyalty TestOverflowIsRefusedNotWrapped", "cmd/talkable TestLiteralInput"}, ""},
}

// TestFaultsAreShown: every fault has a test that exists, or a reason.
func TestFaultsAreShown(t *testing.T) {
	t.Parallel()
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	known := map[string]bool{}
	for _, pattern := range []string{"../../cmd/*", "../../internal", "../../internal/*", "../../internal/*/*"} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range dirs {
			files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range function.FindAllSubmatch(text, -1) {
					known[strings.TrimPrefix(filepath.ToSlash(dir), "../../")+" "+string(m[1])] = true
				}
			}
		}
	}
	shown := 0
	for i, f := range faults {
		if i > 0 && faults[i-1].id >= f.id {
			t.Errorf("%s stands after %s", f.id, faults[i-1].id)
		}
		if len(f.shown) == 0 && f.not == "" || len(f.shown) > 0 && f.passes == "" {
			t.Errorf("%s (%s) is neither shown nor excused, or has no condition", f.id, f.what)
		}
		for _, name := range f.shown {
			if !known[name] {
				t.Errorf("%s names %s, which isn't there", f.id, name)
			}
		}
		if len(f.shown) > 0 {
			shown++
		}
	}
	t.Logf("%d of %d faults are shown", shown, len(faults))
}

// TestClockJumps (F19, F20): points expire once when the clock jumps ahead, and nothing happens twice or goes back when it jumps back. The
// database's own clock stands where it stands all the time.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var programs struct {
		Programs []struct {
			ID int64 `json:"id"`
		} `json:"programs"`
	}
	s.shop.must("GET", "/api/v2/loyalty/programs", nil, &programs)
	s.shop.must("PUT", fmt.Sprintf("/api/v2/loyalty/programs/%d", programs.Programs[0].ID), object{"name": "Club", "points_per_unit": 1, "expires_after_days": 30, "tiers": []object{}}, nil)
	balance := func(who string) int64 {
		var m struct {
			Member struct {
				Balance int64 `json:"points_balance"`
			} `json:"loyalty_member"`
		}
		if s.shop.call(t.Context(), "GET", "/api/v2/loyalty/members/"+who, nil, &m) != nil {
			return -1
		}
		return m.Member.Balance
	}
	expiries := func() (n int) {
		t.Helper()
		if err := s.db.Get(&n, `select count(*) from loyalty.txn where kind = 'expire'`); err != nil {
			t.Fatal(err)
		}
		return n
	}
	first, second := tales("jump", 1)[0], tales("back", 1)[0]
	first.tell(s.shop)
	eventually(t, "the points are there", func() bool { return balance(first.advocate) == 500 && balance(first.friend) == 80 })
	s.clock.Move(40 * 24 * time.Hour)
	expire := func(one tale) {
		t.Helper()
		eventually(t, "the points of "+one.advocate+" have expired", func() bool { return balance(one.advocate) == 0 && balance(one.friend) == 0 })
	}
	expire(first)
	expired := expiries()
	s.clock.Move(-40*24*time.Hour - 2*time.Hour) // before all that happened
	second.tell(s.shop)
	eventually(t, "a story before the first is told", func() bool { return balance(second.advocate) == 500 && balance(second.friend) == 80 })
	if balance(first.advocate) != 0 || expiries() != expired {
		t.Errorf("back in time, points came back or expired again: %d, %d", balance(first.advocate), expiries())
	}
	s.clock.Move(41 * 24 * time.Hour)
	expire(second)
	if n := expiries(); n != 2*expired || balance(first.advocate) != 0 || balance(first.friend) != 0 {
		t.Errorf("%d expiries, want %d; balances %d, %d", n, 2*expired, balance(first.advocate), balance(first.friend))
	}
	var negative int
	if err := s.db.Get(&negative, `select count(*) from loyalty.account where owner_id is not null and balance < 0`); err != nil || negative != 0 {
		t.Errorf("%d accounts are below zero (%v)", negative, err)
	}
	for _, day := range []time.Duration{366 * 24 * time.Hour, -time.Hour, 30 * 24 * time.Hour, -400 * 24 * time.Hour, 8 * 365 * 24 * time.Hour} {
		s.clock.Move(day)
		if a := ask(t, s.shop, "POST", "/api/v2/origins/event", fmt.Sprintf(`{"data":{"email":"jump@shop.example","event_number":"jump%d","event_category":"x"}}`, day)); a.status != http.StatusCreated {
			t.Errorf("after a jump of %s: %d %s", day, a.status, a.body)
		}
	}
}

// TestMailServerHangs (F33): a mail server that takes connections and says nothing holds up nothing but mail, not even the end.
func TestMailServerHangs(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := make(chan net.Conn, 1000)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			taken <- conn
		}
	}()
	s := startServer(t, oneDatabase(t), "TALKABLE_SMTP_URL=smtp://"+l.Addr().String()+"?tls=none")
	shop := newShop(t, s.demo)
	all := tales("hang", 5)
	for _, one := range all {
		one.tell(shop)
	}
	for _, one := range all {
		eventually(t, "the advocate has her points", func() bool {
			var m struct {
				Member struct {
					Balance int64 `json:"points_balance"`
				} `json:"loyalty_member"`
			}
			return shop.call(t.Context(), "GET", "/api/v2/loyalty/members/"+one.advocate, nil, &m) == nil && m.Member.Balance == 500
		})
	}
	select {
	case conn := <-taken:
		defer conn.Close()
	case <-time.After(longest):
		t.Error("nobody spoke to the mail server")
	}
	var messages struct {
		Messages []struct {
			Status string `json:"status"`
		} `json:"messages"`
	}
	eventually(t, "there is a message for the first advocate", func() bool { // others hear of her points than of her mail
		shop.must("GET", "/api/v2/messages?email="+all[0].advocate, nil, &messages)
		return len(messages.Messages) > 0
	})
	if len(messages.Messages) != 1 || messages.Messages[0].Status != "sending" && messages.Messages[0].Status != "queued" {
		t.Errorf("the message is %+v", messages)
	}
	began := time.Now()
	if err := s.stop(); err != nil {
		t.Errorf("serve ended with: %v", err)
	}
	if took := time.Since(began); took > time.Minute { // a transmission under way has twenty seconds
		t.Errorf("the end took %s", took)
	}
}

// TestClientsThatMisbehave (F25, 4.1/21, 4.1/23, 4.4/79): hundreds of connections that never say what they want, heads too large, bodies that
// don't come or are longer than they said. Each gets its refusal or is cut; the others get their answers meanwhile.
func TestClientsThatMisbehave(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	shop := newShop(t, s.demo)
	for i := range 300 {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		text := []string{"G", "GET /api/v2/site HTTP/1.1\r\nHost: x\r\nX-Slow: ", "POST /api/v2/origins HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + shop.key + "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"}[i%3]
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
	}
	head := func(more string) string {
		return "POST /api/v2/origins HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + shop.key + "\r\nContent-Type: application/json\r\n" + more + "\r\n"
	}
	event := `{"type":"Event","data":{"email":"m@shop.example","event_number":"m","event_category":"x"}}`
	for _, c := range []struct {
		name, text string
		status     int
	}{
		{"a head of a megabyte", "GET /api/v2/site HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", 431},
		{"a thousand headers", "GET /api/v2/site HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Many: "+strings.Repeat("x", 60)+"\r\n", 1000) + "\r\n", 431},
		{"no host", "GET /api/v2/site HTTP/1.1\r\n\r\n", 400},
		{"two hosts", "GET /api/v2/site HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
		{"a line break in a header", "GET /api/v2/site HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 400},
		{"a NUL in a header", "GET /api/v2/site HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", 400},
		{"two lengths", head("Content-Length: 5\r\nContent-Length: 6\r\n") + "{}    ", 400},
		{"a length below zero", head("Content-Length: -1\r\n"), 400},
		{"a length and chunks", head("Content-Length: 2\r\nTransfer-Encoding: x\r\n") + "{}", 501},
		{"a chunk of no size", head("Transfer-Encoding: chunked\r\n") + "zz\r\n{}\r\n0\r\n\r\n", 400},
		{"a chunk cut off", head("Transfer-Encoding: chunked\r\n") + "ff\r\n{}\r\n0\r\n\r\n", 400},
		{"a body longer than it said", head("Connection: close\r\nContent-Length: 5\r\n") + event, 400},
		{"a body of a gigabyte", head("Content-Length: 1073741824\r\n") + strings.Repeat("x", 2<<20), 413},
		{"a body without an end", head("Transfer-Encoding: chunked\r\n") + strings.Repeat("10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", 40), 413},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
		{"another HTTP", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505},
	} {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(longest))
		go func() {
			_, _ = io.WriteString(conn, c.text) // it may be refused before all of it is written
			if tcp := conn.(*net.TCPConn); c.status == 400 {
				_ = tcp.CloseWrite()
			}
		}()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else {
			text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
			if res.StatusCode != c.status || tellsOfInsides(string(text)) {
				t.Errorf("%s: %s, want %d: %.200s", c.name, res.Status, c.status, text)
			}
			_ = res.Body.Close()
		}
		conn.Close()
		if a := quick(slow, func() reply { return ask(t, shop, "GET", "/api/v2/site", "") }); a.status != http.StatusOK || a.took > slow {
			t.Errorf("after %s: %d in %s", c.name, a.status, a.took)
		}
	}
	one := tales("meanwhile", 1)[0]
	one.tell(shop)
	one.ends(shop)
	if got := internal(t, s, "/readyz"); got != http.StatusOK {
		t.Errorf("/readyz: %d", got)
	}
}
