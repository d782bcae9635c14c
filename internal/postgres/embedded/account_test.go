package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStart_as_a_normal_user(t *testing.T) {
	t.Parallel()
	var as *account // ourselves, when we are one
	dir := dataDir(t)
	if os.Geteuid() == 0 {
		as = nobody(t)
		if err := as.own(dir); err != nil {
			t.Fatal(err)
		}
	}
	o := startOwner(t, dir, as)
	if got := query[int](t, o.url, "select 1"); got != 1 {
		t.Error("no answer")
	}
	info, err := os.Stat(filepath.Join(dir, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if uid, _ := owner(info); uid != as.id() {
		t.Errorf("cluster of uid %d, want %d", uid, as.id())
	}
	if os.Geteuid() != 0 {
		return
	}
	// root meets the cluster of another user: it runs as that user, and stays that user's.
	o.kill(t)
	s := start(t, Config{DataDir: dir})
	if info, err = os.Stat(filepath.Join(dir, "postgres")); err != nil {
		t.Fatal(err)
	}
	if uid, _ := owner(info); uid != as.uid {
		t.Errorf("cluster of uid %d, want %d", uid, as.uid)
	}
	stop(t, s)
}

// Root drops its privileges; anybody else has none to drop, and the first two hold for everybody.
func TestStart_as_whoever_runs_this(t *testing.T) {
	t.Parallel()
	me := uint32(os.Geteuid())
	user, err := accountFor(me, "/nonexistent")
	if err != nil {
		t.Fatal(err)
	}
	mode := os.FileMode(0o700)
	if me == 0 {
		mode = 0o710
	}
	t.Run("PostgreSQL is not root", func(t *testing.T) {
		t.Parallel()
		s := start(t, quick(dataDir(t)))
		info, err := os.Stat(filepath.Join("/proc", query[string](t, s.URL("postgres"), "select pg_backend_pid()::text")))
		if err != nil && !errors.Is(err, os.ErrNotExist) { // the backend has gone with its connection
			t.Fatal(err)
		}
		if info == nil {
			if info, err = os.Stat(filepath.Join(s.DataDir(), "postgres", "postmaster.pid")); err != nil {
				t.Fatal(err)
			}
		}
		if uid, _ := owner(info); uid != user.id() || uid == 0 {
			t.Errorf("uid %d, want %d", uid, user.id())
		}
	})
	t.Run("a data directory that only root may enter lets PostgreSQL's user pass", func(t *testing.T) {
		t.Parallel()
		dir := dataDir(t)
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s := start(t, quick(dir))
		if got := query[int](t, s.URL("postgres"), "select 1"); got != 1 {
			t.Error("no answer")
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != mode {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	})
	if me != 0 {
		return // what follows only root can bring about
	}
	t.Run("a parent that only root may enter is named, with the cure", func(t *testing.T) {
		t.Parallel()
		closed := filepath.Join(dataDir(t), "closed")
		if err := os.Mkdir(closed, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := Start(t.Context(), quick(filepath.Join(closed, "data")))
		if err == nil || !strings.Contains(err.Error(), `run "chmod o+x `+closed+`"`) || !strings.Contains(err.Error(), user.name) {
			t.Fatalf("got %v", err)
		}
		t.Log(err)
	})
	t.Run("a cluster that root restored is handed over", func(t *testing.T) {
		t.Parallel()
		c := quick(dataDir(t))
		s := start(t, c)
		stop(t, s)
		if err := chownTree(c.cluster(), &account{}); err != nil { // to root
			t.Fatal(err)
		}
		s = start(t, c)
		if got := query[int](t, s.URL("postgres"), "select 1"); got != 1 {
			t.Error("no answer")
		}
	})
}

func TestStart_of_another_users_cluster_is_refused(t *testing.T) {
	t.Parallel()
	_, err := accountFor(4711, "/") // root's
	if err == nil || !strings.Contains(err.Error(), "belongs to uid 0") {
		t.Errorf("got %v", err)
	}
}
