package embedded

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestStart_makes_a_durable_cluster_and_finds_it_again(t *testing.T) {
	t.Parallel()
	c := Config{DataDir: dataDir(t)}
	began := time.Now()
	s := start(t, c)
	t.Logf("cold start %s, PostgreSQL %s in %s", time.Since(began), s.Version(), s.BinDir())

	want := map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
		"listen_addresses": "", "TimeZone": "UTC", "server_encoding": "UTF8", "jit": "off", "server_version": "",
	}
	exec1(t, s.URL("postgres"), "alter system set fsync = off")
	exec1(t, s.URL("postgres"), "create table kept (n int); insert into kept values (42)")
	for name, want := range want {
		got := query[string](t, s.URL("postgres"), "show "+name)
		if name == "server_version" {
			want, _, _ = strings.Cut(got, " ")
			got = s.Version()
		}
		if got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if got := query[string](t, s.URL("postgres"), "select lower('ÀÉ') || upper('ß' collate \"C\")"); !strings.HasPrefix(got, "àé") {
		t.Errorf("lower case knows no Unicode: %q", got)
	}

	began = time.Now()
	stop(t, s)
	t.Logf("stop %s", time.Since(began))
	if s.Err() != nil {
		t.Errorf("Err after Stop: %v", s.Err())
	}
	stop(t, s) // once more is fine
	if _, err := os.Stat(filepath.Join(c.DataDir, "postgres.log")); err != nil {
		t.Error(err)
	}

	began = time.Now()
	s = start(t, c)
	t.Logf("warm start %s", time.Since(began))
	if got := query[int](t, s.URL("postgres"), "select n from kept"); got != 42 {
		t.Errorf("got %d", got)
	}
	if got := query[string](t, s.URL("postgres"), "show fsync"); got != "on" {
		t.Errorf("fsync %s: ALTER SYSTEM could turn it off", got)
	}
}

func TestStart_after_the_owner_was_killed(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	o := startOwner(t, dir, nil)
	exec1(t, o.url, "create table kept (n int); insert into kept values (42)")

	t.Run("PostgreSQL ends by itself", func(t *testing.T) {
		o.kill(t)
		waitGone(t, o.pid)
		s := start(t, Config{DataDir: dir})
		if got := query[int](t, s.URL("postgres"), "select n from kept"); got != 42 {
			t.Errorf("got %d", got)
		}
		stop(t, s)
	})
	t.Run("one that is still shutting down is waited for", func(t *testing.T) {
		o := startOwner(t, dir, nil)
		exec1(t, o.url, "insert into kept select generate_series(1, 200000)") // something to write at the checkpoint
		o.kill(t)
		s := start(t, Config{DataDir: dir})
		if got := query[int](t, s.URL("postgres"), "select count(*) from kept"); got != 200001 {
			t.Errorf("got %d", got)
		}
		stop(t, s)
	})
	t.Run("one that was killed with its owner recovers", func(t *testing.T) {
		o := startOwner(t, dir, nil)
		exec1(t, o.url, "insert into kept values (43)")
		if err := syscall.Kill(o.pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		o.kill(t)
		s := start(t, Config{DataDir: dir})
		if got := query[int](t, s.URL("postgres"), "select count(*) from kept where n = 43"); got < 1 {
			t.Errorf("got %d", got)
		}
	})
}

// An orphan that got no signal when its owner died: the kernel's promise is per thread, and macOS makes none.
func TestStart_stops_an_orphan(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := start(t, quick(dir))
	if err := s.lock.release(); err != nil { // as if its owner had died
		t.Fatal(err)
	}
	again := start(t, quick(dir))
	if again.PID() == s.PID() {
		t.Error("the same process")
	}
	<-s.Done()
}

func TestStart_is_not_fooled_by_a_pid_that_is_another_process_now(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	c := quick(dir)
	s := start(t, c)
	exec1(t, s.URL("postgres"), "create table kept (n int)")
	pid, err := os.ReadFile(pidfile(filepath.Join(dir, "postgres")))
	if err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	// A live process of the same user, or PostgreSQL would see by itself that it can't be its own.
	user, err := accountFor(uint32(os.Geteuid()), filepath.Join(dir, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	other := user.command(ctx, "/", "/bin/sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = other.Wait() }()
	lines := strings.SplitN(string(pid), "\n", 2)
	stale := strconv.Itoa(other.Process.Pid) + "\n" + lines[1]
	if err := os.Mkdir(s.socket, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pidfile(filepath.Join(dir, "postgres")), filepath.Join(s.socket, ".s.PGSQL.5432.lock")} {
		if err := errors.Join(os.WriteFile(path, []byte(stale), 0o600), user.own(path)); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	start(t, c)
	t.Logf("took %s", time.Since(began))
	if err := syscall.Kill(other.Process.Pid, 0); err != nil {
		t.Errorf("the innocent process was hit: %v", err)
	}
}

func TestStart_beside_a_live_owner_is_refused(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	o := startOwner(t, dir, nil)
	_, err := Start(t.Context(), Config{DataDir: dir})
	var running RunningError
	if !errors.As(err, &running) || running.PID != o.cmd.Process.Pid {
		t.Fatalf("got %v, want RunningError with pid %d", err, o.cmd.Process.Pid)
	}
	if want := "another talkable is already running on this data directory (pid "; !strings.Contains(err.Error(), want) {
		t.Errorf("got %q, want %q in it", err, want)
	}
	if got := query[int](t, o.url, "select 1"); got != 1 {
		t.Error("the owner was disturbed")
	}
}

func TestAttach(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	if _, found, err := Attach(dir); found || err != nil {
		t.Fatalf("an empty directory: %v, %v", found, err)
	}
	o := startOwner(t, dir, nil)
	s, found, err := Attach(dir)
	if err != nil || !found {
		t.Fatalf("got %v, %v", found, err)
	}
	if got := query[int](t, s.URL("postgres"), "select 1"); got != 1 {
		t.Error("no answer")
	}
	if s.PID() != o.pid || s.URL("postgres") != o.url || s.Version() == "" || s.DataDir() != dir {
		t.Errorf("got %d %s %s %s", s.PID(), s.URL("postgres"), s.Version(), s.DataDir())
	}
	stop(t, s)
	if got := query[int](t, o.url, "select 1"); got != 1 {
		t.Error("Stop of an attached server stopped the cluster")
	}
	if err := o.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := o.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, found, err := Attach(dir); found || err != nil {
		t.Errorf("after its owner's end: %v, %v", found, err)
	}
}

func TestDone_tells_of_a_crash(t *testing.T) {
	t.Parallel()
	c := quick(dataDir(t))
	s := start(t, c)
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if s.Err() == nil || !strings.Contains(s.Err().Error(), "signal: killed") {
		t.Errorf("got %v", s.Err())
	}
	stop(t, s)
	start(t, c) // which also gives back the shared memory of the killed one
}

func TestStop_cuts_off_when_time_is_up(t *testing.T) {
	t.Parallel()
	c := quick(dataDir(t))
	s := start(t, c)
	exec1(t, s.URL("postgres"), "create table kept (n int); insert into kept values (1)")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	err := s.Stop(ctx) // may just make it with the fast way
	t.Logf("took %s: %v", time.Since(began), err)
	select {
	case <-s.Done():
	default:
		t.Fatal("still there")
	}
	s = start(t, c)
	if got := query[int](t, s.URL("postgres"), "select count(*) from kept"); got != 1 {
		t.Errorf("got %d", got)
	}
}

func TestStart_tells_why_PostgreSQL_ended(t *testing.T) {
	t.Parallel()
	c := quick(dataDir(t))
	c.Settings["shared_buffers"] = "nonsense"
	_, err := Start(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "shared_buffers"`) {
		t.Fatalf("got %v", err)
	}
	delete(c.Settings, "shared_buffers")
	start(t, c) // nothing is left locked
}

func TestStart_ends_with_its_context(t *testing.T) {
	t.Parallel()
	c := quick(dataDir(t))
	ctx, cancel := context.WithCancel(t.Context())
	var watch sync.WaitGroup
	watch.Go(func() { // cancels as soon as initdb is at work
		for ctx.Err() == nil {
			if half, err := filepath.Glob(filepath.Join(c.DataDir, "postgres.new-*")); err != nil || len(half) > 0 {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	})
	_, err := Start(ctx, c)
	cancel()
	watch.Wait()
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	start(t, c) // a half-made cluster is in nobody's way
	left, err := filepath.Glob(filepath.Join(c.DataDir, "postgres.new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSocket_of_a_deep_directory_is_elsewhere(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dataDir(t), strings.Repeat("deep, \"and\" deeper/", 8))
	s := start(t, quick(dir))
	if got := query[int](t, s.URL("postgres"), "select 1"); got != 1 {
		t.Error("no answer")
	}
	if strings.HasPrefix(s.socket, dir) {
		t.Errorf("socket in %s", s.socket)
	}
	info, err := os.Stat(s.socket)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	a, found, err := Attach(dir)
	if err != nil || !found {
		t.Fatalf("attach: %v, %v", found, err)
	}
	if got := query[int](t, a.URL("postgres"), "select 1"); got != 1 {
		t.Error("no answer")
	}
	stop(t, s)
	if _, err := os.Stat(s.socket); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
}

func TestLog_is_bounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "postgres.log")
	if err := os.WriteFile(path, make([]byte, logLimit+1), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := openLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if _, err := l.file.WriteString("one\ntwo\n"); err != nil {
		t.Fatal(err)
	}
	if got := l.tail(); got != "one\ntwo" {
		t.Errorf("tail %q", got)
	}
	old, err := os.Stat(path + ".1")
	if err != nil || old.Size() != logLimit+1 {
		t.Errorf("%v, %v", old, err)
	}
}
