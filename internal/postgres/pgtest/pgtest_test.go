package pgtest_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/leaktest"
	"github.com/talkable/talkable/internal/postgres/embedded"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// asChild makes the test binary a process that starts a cluster, says where, and ends.
const asChild = "PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) == "" {
		leaktest.Main(m, pgtest.IgnoreServer())
		return
	}
	os.Exit(m.Run())
}

func TestChild(t *testing.T) {
	if os.Getenv(asChild) == "" {
		return // work for the child of TestEnd_leaves_nothing
	}
	s := pgtest.Server(t)
	fmt.Printf("child %s %d\n", s.DataDir(), s.PID())
}

func open(t testing.TB, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec1(ctx context.Context, url, query string) error {
	db, err := sql.Open("postgres", url)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, query)
	return err
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	var built atomic.Int32
	prepare := func(ctx context.Context, url string) error {
		built.Add(1)
		return exec1(ctx, url, "create schema s; create table s.row (n int); insert into s.row values (1)")
	}
	t.Run("each test has its own copy of one template", func(t *testing.T) {
		name := fmt.Sprint("own copy ", time.Now().UnixNano()) // for go test -count
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				db := open(t, pgtest.Database(t, name, prepare))
				var n int
				err := db.QueryRow("with added as (insert into s.row values ($1) returning 1) select count(*) from s.row", i).Scan(&n)
				if err != nil || n != 1 {
					t.Errorf("got %d rows, %v; want the template's one", n, err)
				}
			})
		}
		all.Wait()
		if got := built.Load(); got != 1 {
			t.Errorf("template built %d times, want once", got)
		}
	})
	t.Run("connections that prepare forgot do no harm", func(t *testing.T) {
		t.Parallel()
		var left *sql.DB
		open(t, pgtest.Database(t, fmt.Sprint("forgot ", time.Now().UnixNano()), func(ctx context.Context, url string) error {
			left = open(t, url)
			return left.PingContext(ctx)
		}))
	})
}

func TestServer_keeps_data_in_memory_and_is_not_durable(t *testing.T) {
	t.Parallel()
	s := pgtest.Server(t)
	if again := pgtest.Server(t); again != s {
		t.Error("a second cluster in the same process")
	}
	var fsync string
	if err := open(t, s.URL("postgres")).QueryRow("show fsync").Scan(&fsync); err != nil || fsync != "off" {
		t.Errorf("fsync = %q, %v", fsync, err)
	}
}

func TestSturdy_is_durable_and_goes_with_its_test(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("while it runs", func(t *testing.T) {
		url = pgtest.Sturdy(t, "plain", nil)
		var fsync string
		if err := open(t, url).QueryRow("show fsync").Scan(&fsync); err != nil || fsync != "on" {
			t.Errorf("fsync = %q, %v", fsync, err)
		}
	})
	if err := exec1(t.Context(), url, "select 1"); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("afterwards: %v", err)
	}
}

func TestDurable_survives_a_kill(t *testing.T) {
	t.Parallel()
	s, stop := pgtest.Durable(t)
	if err := exec1(t.Context(), s.URL("postgres"), "create table kept (n int); insert into kept values (7)"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	stop()
	again, err := embedded.Start(t.Context(), embedded.Config{DataDir: s.DataDir(), BinDir: os.Getenv("PG_BINDIR")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Stop(context.Background()) }()
	var n int
	if err := open(t, again.URL("postgres")).QueryRow("select n from kept").Scan(&n); err != nil || n != 7 {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestEnd_leaves_nothing(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), asChild+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var dir string
	var pid int
	_, line, _ := strings.Cut("\n"+string(out), "\nchild ")
	if _, err := fmt.Sscan(line, &dir, &pid); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, err := os.Stat(dir)
		if os.IsNotExist(err) && syscall.Kill(pid, 0) == syscall.ESRCH {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("PostgreSQL %d or its directory %s is still there", pid, dir)
		}
	}
}

func BenchmarkDatabase(b *testing.B) {
	prepare := func(ctx context.Context, url string) error {
		var q strings.Builder
		for i := range 60 {
			fmt.Fprintf(&q, "create table t%d (a bigint primary key, b text unique, c text); create index on t%d (c);", i, i)
		}
		return exec1(ctx, url, q.String())
	}
	pgtest.Database(b, "bench", prepare)
	for b.Loop() {
		pgtest.Database(b, "bench", prepare)
	}
}
