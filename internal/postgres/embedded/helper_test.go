package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"
)

// The test binary is also the talkable process that gets killed: with this variable set it runs a cluster on that directory,
// prints a line about it, and waits for its standard input to close.
const asOwner = "EMBEDDED_TEST_OWNER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asOwner); dir != "" {
		if err := own(dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func own(dir string) error {
	s, err := Start(context.Background(), Config{DataDir: dir})
	if err != nil {
		return err
	}
	fmt.Println("ready", s.PID(), s.URL("postgres"))
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.Stop(context.Background())
}

// ownerProcess is another talkable on a data directory.
type ownerProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer
	pid   int // of its postmaster
	url   string
}

func startOwner(t *testing.T, dir string, as *account) (o ownerProcess) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	if as != nil { // who may not enter the directory that `go test` builds in
		cmd.Path = filepath.Join(dataDir(t), "test")
		copyFile(t, self, cmd.Path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as.credential()}
	}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), asOwner+"="+dir, "HOME=/nonexistent", "XDG_CACHE_HOME=")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if o.pid != 0 {
			waitGone(t, o.pid) // before its directory goes
		}
	})
	o.cmd, o.stdin = cmd, stdin
	var word string
	if _, err := fmt.Fscan(stdout, &word, &o.pid, &o.url); err != nil {
		rest, _ := io.ReadAll(stdout)
		t.Fatalf("owner: %s %s (%v)", word, rest, err)
	}
	return o
}

func (o ownerProcess) kill(t *testing.T) {
	t.Helper()
	if err := o.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = o.cmd.Wait() // "signal: killed"
}

// dataDir is a short-lived directory that PostgreSQL's user can enter, which t.TempDir is not.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgembed-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// quick is a cluster that doesn't wait for the disk.
func quick(dir string) Config {
	return Config{DataDir: dir, Settings: map[string]string{"fsync": "off", "shared_buffers": "16MB"}}
}

func start(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func query[T any](t *testing.T, url, q string) (v T) {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(q).Scan(&v); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return v
}

func exec1(t *testing.T, url, q string) {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(q); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

func nobody(t *testing.T) *account {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAccount(u)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(to, b, 0o755), os.Chmod(to, 0o755)); err != nil {
		t.Fatal(err)
	}
}

// listing is all that can change of a tree: names, modes, owners, sizes, times.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		uid, gid := owner(info)
		fmt.Fprintln(&b, path, info.Mode(), uid, gid, info.Size(), info.ModTime().UnixNano())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
