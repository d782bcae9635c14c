package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/freeport"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/embedded"
	"github.com/talkable/talkable/internal/postgres/pgtest"
	"github.com/talkable/talkable/migrations"
)

// emptyDatabases makes empty databases on a PostgreSQL of this test's own, with the settings that serve insists on.
func emptyDatabases(t testing.TB, names ...string) (urls map[string]string, server *embedded.Server, stop func()) {
	t.Helper()
	server, stop = pgtest.Durable(t)
	db := open(t, server.URL("postgres"))
	urls = map[string]string{}
	for _, name := range names {
		if _, err := db.Exec("create database " + name); err != nil {
			t.Fatal(err)
		}
		urls[name] = server.URL(name)
	}
	return urls, server, stop
}

func open(t testing.TB, url string) *sqlx.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Pool{URL: url, Application: "test", Size: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// layout is where the modules' schemas live.
type layout map[string]string // environment

// oneDatabase is a database that was migrated before, on the PostgreSQL that most tests share. TestStory begins with nothing.
func oneDatabase(t testing.TB) layout {
	return layout{"TALKABLE_DATABASE_URL": pgtest.Sturdy(t, "platform", func(ctx context.Context, url string) error {
		for _, m := range migrations.Modules {
			if _, err := migrations.Schema(m).Migrate(ctx, url); err != nil {
				return err
			}
		}
		return nil
	})}
}

// ownServer is a database on a PostgreSQL of this test's own, which it may stop and kill.
func ownServer(t testing.TB) (l layout, server *embedded.Server, stop func()) {
	urls, server, stop := emptyDatabases(t, "story")
	return migrated(t, layout{"TALKABLE_DATABASE_URL": urls["story"]}), server, stop
}

// databaseEach gives every module a database of its own.
func databaseEach(t testing.TB) layout {
	l := layout{}
	urls, _, _ := emptyDatabases(t, migrations.Modules...)
	for m, url := range urls {
		l["TALKABLE_"+strings.ToUpper(m)+"_DATABASE_URL"] = url
	}
	l["TALKABLE_DATABASE_URL"] = l["TALKABLE_GATEWAY_DATABASE_URL"]
	return migrated(t, l)
}

// migrated brings databases up to date as an operator does.
func migrated(t testing.TB, l layout) layout {
	t.Helper()
	if _, err := talkable(t, l.environ(pgtest.Dir(t)), "migrate"); err != nil {
		t.Fatal(err)
	}
	return l
}

// environ completes a layout to what the program needs.
func (l layout) environ(dir string, more ...string) []string {
	env := append([]string{"TALKABLE_DATA_DIR=" + dir, "TALKABLE_LOG_FORMAT=json", "TALKABLE_LOG_LEVEL=warn", "HOME=" + dir, "PATH=" + os.Getenv("PATH")}, more...)
	for k, v := range l {
		env = append(env, k+"="+v)
	}
	return env
}

// talkable runs one command of the program within this process and returns what it printed.
func talkable(t testing.TB, environ []string, args ...string) (string, error) {
	t.Helper()
	var out, log bytes.Buffer
	err := run(t.Context(), args, environ, strings.NewReader(""), &out, &log)
	if err != nil {
		err = fmt.Errorf("%w\n%s\n%s", err, out.String(), log.String())
	}
	return out.String(), err
}

// served is a server within this process.
type served struct {
	demo    demoFile
	address string
	environ []string
	stop    func() error
	log     *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// startServer serves the demo in this process until the test ends.
func startServer(t testing.TB, l layout, more ...string) *served {
	t.Helper()
	dir := pgtest.Dir(t)
	s := &served{address: freeport.Address(t), log: &lockedBuffer{}}
	s.environ = l.environ(dir, append([]string{"TALKABLE_LISTEN=" + s.address, "TALKABLE_INTERNAL_LISTEN=" + freeport.Address(t)}, more...)...)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"serve", "--demo"}, s.environ, strings.NewReader(""), s.log, s.log) }()
	var once sync.Once
	var err error
	s.stop = func() error {
		once.Do(func() { cancel(); err = <-ended })
		return err
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("serve ended with: %v", err)
		}
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
	s.demo = awaitDemo(t, dir, ended)
	return s
}

// longest is how long a machine may take, at the very most, to do what it does at once when it isn't busy. A test that passes never waits for it.
const longest = 3 * time.Minute

// awaitDemo waits for the file that a demo server writes last.
func awaitDemo(t testing.TB, dir string, ended <-chan error) demoFile {
	t.Helper()
	path := filepath.Join(dir, "demo.json")
	for end := time.Now().Add(longest); time.Now().Before(end); {
		var d demoFile
		if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &d) == nil {
			return d
		}
		select {
		case err := <-ended:
			t.Fatalf("serve ended before it was up: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatal("the demo server did not come up")
	panic("unreachable")
}

// program builds the real binary once for all tests, with the failpoints in it.
func program(t testing.TB) string {
	t.Helper()
	built.Do(func() {
		built.dir, built.err = os.MkdirTemp("", "talkable-program-")
		if built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, "talkable")
		out, err := exec.Command("go", "build", "-tags", "failpoint", "-o", built.path, ".").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
		_ = os.Chmod(built.dir, 0o755)
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

var built struct {
	sync.Once
	dir, path string
	err       error
}

func TestMain(m *testing.M) {
	debug.SetMemoryLimit(512 << 20) // so that the tests run on a small machine, too: what is garbage goes before it is twice as much as the rest
	// Most of a test is waiting, for what follows from an event or for a lease to end: more run at a time than there are processors.
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// shop is a merchant's client that does not give up: what ended without an answer is asked again until there is one.
type shop struct {
	*client
	t testing.TB
}

func (s shop) must(method, path string, body, result any) {
	s.t.Helper()
	var err error
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = s.call(s.t.Context(), method, path, body, result); err == nil {
			return
		}
		if strings.Contains(err.Error(), " 4") && !strings.Contains(err.Error(), " 429") { // a definite no
			break
		}
	}
	s.t.Fatal(err)
}

func (s shop) opens(link string) (visitor string) {
	s.t.Helper()
	visitor, _ = s.arrives(link)
	return visitor
}

// arrives opens a link, and returns what the shop's page learns: the visitor, and the friend offer that was made. A link leads on
// also when its visit can't be written down, without an offer then; a friend who is to be referred opens it again.
func (s shop) arrives(link string) (visitor, friendOffer string) {
	s.t.Helper()
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		location, err := s.visit(s.t.Context(), link)
		if err != nil {
			continue
		}
		u, err := url.Parse(location)
		if err != nil {
			s.t.Fatal(err)
		}
		if friendOffer = u.Query().Get("talkable_visitor_offer_id"); friendOffer != "" {
			return u.Query().Get("tkbl_cvuuid"), friendOffer
		}
	}
	s.t.Fatalf("%s did not open", link)
	return "", ""
}

// eventually waits for what follows from something that was answered.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if !within(longest, holds) { // a lease of a message in transmission takes half a minute
		t.Fatalf("after %s still not: %s", longest, what)
	}
}

// within looks until something holds, for so long; it looks once at least.
func within(long time.Duration, holds func() bool) bool {
	for end := time.Now().Add(long); ; time.Sleep(50 * time.Millisecond) {
		if holds() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// quick asks, and again if the answer took longer than it may: what is slow each time is slow, and not only on a busy machine.
func quick(long time.Duration, ask func() reply) reply {
	a := ask()
	for try := 1; try < 4 && a.took > long; try++ {
		time.Sleep(time.Duration(try) * time.Second)
		a = ask()
	}
	return a
}

// later is what a client does whom a 503 tells to come back: it comes back, with the same Idempotency-Key.
func later(ask func() reply) reply {
	a := ask()
	for end := time.Now().Add(longest); a.status == http.StatusServiceUnavailable && a.problem() && a.header.Get("Retry-After") != "" && time.Now().Before(end); a = ask() {
		time.Sleep(time.Second)
	}
	return a
}

func newShop(t testing.TB, d demoFile) shop {
	c := newClient(d.Server, d.APIKey)
	c.http.Transport = checked{t, &http.Transport{DisableKeepAlives: true}}
	return shop{client: c, t: t}
}
