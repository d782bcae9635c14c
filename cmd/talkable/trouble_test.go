package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/postgres/embedded"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// telling tells stories without a pause, from several shops at once, until it is stopped. Its shops repeat what got no answer or a 503;
// any other failure of the server's is counted.
type telling struct {
	t      testing.TB
	shop   shop
	told   []tale
	failed atomic.Int64
	stop   chan struct{}
	done   sync.WaitGroup
	mu     sync.Mutex
}

func tellOn(t testing.TB, s shop, prefix string) *telling {
	on := &telling{t: t, stop: make(chan struct{})}
	on.shop = on.patient(s)
	for w := range 3 {
		on.done.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-on.stop:
					return
				default:
				}
				one := tales(fmt.Sprintf("%s-%d-%d", prefix, w, i), 1)[0]
				one.tell(on.shop)
				on.mu.Lock()
				on.told = append(on.told, one)
				on.mu.Unlock()
				time.Sleep(60 * time.Millisecond)
			}
		})
	}
	return on
}

// patient is the shop as a client that repeats all that was not done.
func (on *telling) patient(s shop) shop {
	c := *s.client
	c.http = &http.Client{Timeout: 30 * time.Second, CheckRedirect: s.http.CheckRedirect, Transport: on}
	return shop{client: &c, t: on.t}
}

// RoundTrip counts what must not be: a failure other than "come back later".
func (on *telling) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := direct.RoundTrip(r)
	if err == nil && res.StatusCode >= 500 && res.StatusCode != http.StatusServiceUnavailable {
		on.failed.Add(1)
		on.t.Errorf("%s %s: %s", r.Method, r.URL.Path, res.Status)
	}
	return res, err
}

var direct = &http.Transport{DisableKeepAlives: true}

// end lets the stories under way be told to their end and returns them.
func (on *telling) end() []tale {
	close(on.stop)
	on.done.Wait()
	return on.told
}

// TestDatabaseInTrouble (F05, F06, F09, F13, F15) does to PostgreSQL, one after the other, what happens to it in a long life, while
// stories are told. No request fails with more than a 503, the server is not restarted, and every story ends to the last point.
func TestDatabaseInTrouble(t *testing.T) {
	t.Parallel()
	l, pg, _ := ownServer(t)
	s := startServer(t, l)
	shop := newShop(t, s.demo)
	on := tellOn(t, shop, "trouble")
	back := func() {
		t.Helper()
		eventually(t, "the server is ready after the trouble was over", func() bool { return internal(t, s, "/readyz") == http.StatusOK })
	}
	reconnect := func() *sqlx.DB {
		t.Helper()
		var db *sqlx.DB
		eventually(t, "PostgreSQL takes connections", func() bool {
			var err error
			if db, err = sqlx.Open("postgres", pg.URL("story")); err != nil {
				return false
			}
			if err = db.Ping(); err != nil {
				db.Close()
			}
			return err == nil
		})
		db.SetMaxOpenConns(2)
		return db
	}
	working := func() { // the stories go on, each trouble meets some
		t.Helper()
		on.mu.Lock()
		before := len(on.told)
		on.mu.Unlock()
		eventually(t, "stories go on", func() bool { on.mu.Lock(); defer on.mu.Unlock(); return len(on.told) >= before+6 })
	}
	working()

	// F09: connections are cut, aimed at those in the midst of a transaction.
	db, cut := reconnect(), 0
	for began, round := time.Now(), 0; round < 100 || cut < 50 && time.Since(began) < longest; round++ {
		var n int
		if err := db.Get(&n, `select count(*) from (select pg_terminate_backend(pid) from pg_stat_activity where datname = 'story' and pid <> pg_backend_pid()
			and (backend_xid is not null or state = 'idle in transaction' or random() < 0.02)) x`); err != nil {
			t.Fatal(err)
		}
		cut += n
		time.Sleep(10 * time.Millisecond)
	}
	if cut < 50 {
		t.Errorf("only %d connections were cut", cut)
	}
	back()
	working()

	// F13: somebody holds a lock for longer than anybody waits for one.
	tx, err := db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`lock table customer.origin in access exclusive mode`); err != nil {
		t.Fatal(err)
	}
	began := time.Now() // eight seconds for a lock; who came while others waited for it gets two more
	a := quick(patience, func() reply {
		return once(t, shop, "POST", "/api/v2/origins/purchase", `{"data":{"email":"locked@shop.example","order_number":"locked-1","subtotal":"1"}}`)
	})
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !a.problem() || a.took > patience {
		t.Errorf("while the table is locked: %d in %s: %s", a.status, a.took, a.body)
	}
	if got := internal(t, s, "/healthz"); got != http.StatusOK {
		t.Errorf("/healthz while a table is locked: %d", got)
	}
	t.Logf("a lock was waited for %s", time.Since(began).Round(time.Millisecond))
	_ = tx.Rollback()
	back()
	working()

	// F15: all connections that the database has are taken, and the server's own are cut: it gets no new ones.
	var held []*sqlx.DB
	for range 300 {
		one, err := sqlx.Open("postgres", pg.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		one.SetMaxOpenConns(1)
		if err := one.Ping(); err != nil {
			one.Close()
			break
		}
		held = append(held, one)
	}
	if _, err := db.Exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = 'story' and pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	for range 20 { // whoever of us is quicker to take the places that became free
		one, err := sqlx.Open("postgres", pg.URL("postgres"))
		if err == nil {
			one.SetMaxOpenConns(1)
			_ = one.Ping()
			held = append(held, one)
		}
	}
	for range 10 {
		if a := quick(patience, func() reply { return once(t, shop, "GET", "/api/v2/campaigns", "") }); a.status != 200 && a.status != http.StatusServiceUnavailable || a.took > patience {
			t.Errorf("without free connections: %d in %s: %s", a.status, a.took, a.body)
		}
	}
	if got := internal(t, s, "/healthz"); got != http.StatusOK {
		t.Errorf("/healthz without free connections: %d", got)
	}
	if len(held) < 100 {
		t.Errorf("only %d connections were taken", len(held))
	}
	for _, one := range held {
		one.Close()
	}
	back()
	working()

	// F05: the system kills one backend; PostgreSQL starts all others again and recovers.
	eventually(t, "a backend is killed", func() bool { // it may have gone by itself just now
		var pid int
		err := db.Get(&pid, `select pid from pg_stat_activity where datname = 'story' and pid <> pg_backend_pid() limit 1`)
		return err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil
	})
	db.Close()
	reconnect().Close()
	back()
	working()

	// F06: PostgreSQL is stopped without a shutdown, and started again.
	if err := syscall.Kill(pg.PID(), syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	<-pg.Done()
	_ = pg.Stop(t.Context()) // gives the directory's lock back
	again, err := embedded.Start(t.Context(), embedded.Config{DataDir: pg.DataDir(), BinDir: os.Getenv("PG_BINDIR")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Stop(t.Context()) })
	pg = again
	back()
	working()

	all := on.end()
	for _, one := range all {
		one.ends(shop)
	}
	totals(shop, len(all))
	if out, err := talkable(t, s.environ, "events", "parked", "list"); err != nil || !strings.Contains(out, "nothing is parked") {
		t.Errorf("parked events: %s %v", out, err)
	}
	t.Logf("%d stories, %d connections cut", len(all), cut)
	if err := s.stop(); err != nil { // before its database
		t.Errorf("serve ended with: %v", err)
	}
}

// TestDiskFull (F16, F17) fills the file system that the database is on while stories are told: writes are put off with 503, reads
// and links go on or are put off too, and with space again all goes on. It needs a file system of its own, which only root may mount; elsewhere
// postgres.TestAway shows that the error is told as one that passes.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := pgtest.Dir(t)
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256m,mode=0755", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Logf("no file system could be mounted here (uid %d): %v %s", os.Getuid(), err, out)
		return
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	settings := map[string]string{"max_wal_size": "64MB", "min_wal_size": "32MB", "wal_recycle": "off"}
	start := func() *embedded.Server {
		pg, err := embedded.Start(t.Context(), embedded.Config{DataDir: dir, BinDir: os.Getenv("PG_BINDIR"), Settings: settings})
		if err != nil {
			t.Fatal(err)
		}
		return pg
	}
	pg := start()
	defer func() { _ = pg.Stop(t.Context()) }()
	admin := open(t, pg.URL("postgres"))
	if _, err := admin.Exec("create database story"); err != nil {
		t.Fatal(err)
	}
	_ = admin.Close()
	s := startServer(t, migrated(t, layout{"TALKABLE_DATABASE_URL": pg.URL("story")}))
	shop := newShop(t, s.demo)
	before := tales("roomy", 3)
	for _, one := range before {
		one.tell(shop)
		one.ends(shop)
	}
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	refused := 0
	for i := range 4000 {
		a := once(t, shop, "POST", "/api/v2/origins/purchase", fmt.Sprintf(`{"data":{"email":"full%d@shop.example","order_number":"full-%d","subtotal":"1","shipping_address":"%s"}}`, i, i, strings.Repeat("x", 900)))
		if a.status >= 500 && a.status != http.StatusServiceUnavailable || a.status == http.StatusServiceUnavailable && !a.problem() || a.took > longest {
			t.Fatalf("with a full disk: %d in %s: %s", a.status, a.took, a.body)
		}
		if a.status == http.StatusServiceUnavailable {
			if refused++; refused == 20 {
				break
			}
		}
	}
	if refused == 0 {
		t.Error("the disk did not fill up")
	}
	if got := internal(t, s, "/healthz"); got != http.StatusOK {
		t.Errorf("/healthz with a full disk: %d", got)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server is ready after there was space again", func() bool {
		select {
		case <-pg.Done(): // the log itself had no room: PostgreSQL has given up, now or a while ago, and is started again
			t.Log("PostgreSQL had ended")
			_ = pg.Stop(t.Context())
			pg = start()
		default:
		}
		return internal(t, s, "/readyz") == http.StatusOK
	})
	after := tales("space", 3)
	for _, one := range after {
		one.tell(shop)
	}
	for _, one := range append(before, after...) {
		one.ends(shop)
	}
	t.Logf("%d writes were put off", refused)
	if err := s.stop(); err != nil {
		t.Errorf("serve ended with: %v", err)
	}
}

// fill writes until there is no room left.
func fill(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	chunk := make([]byte, 64<<10)
	for range 1 << 20 {
		if _, err := f.Write(chunk); err != nil {
			return
		}
	}
	t.Fatal("the disk does not fill up")
}
