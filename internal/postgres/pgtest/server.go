// Package pgtest gives tests a real PostgreSQL: one cluster a test process, in memory where the system allows, and a database a
// test, cloned from a template.
//
// A machine without PostgreSQL fails the tests; they never skip. PG_BINDIR names the programs when they are in no usual place.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/talkable/talkable/internal/postgres/embedded"
)

const prefix = "talkable-test-"

// The process's clusters, each started when a test first needs it. They are the only globals of the platform's tests: a test process has no
// place to keep one.
var (
	shared = sync.OnceValues(func() (*embedded.Server, error) {
		return startShared(0, map[string]string{
			"fsync":              "off",
			"synchronous_commit": "off",
			"full_page_writes":   "off",
			"autovacuum":         "off",
			"shared_buffers":     "32MB",
			"max_wal_size":       "256MB",
			"max_connections":    "200",
		})
	})
	sturdy = sync.OnceValues(func() (*embedded.Server, error) {
		return startShared(4<<30, map[string]string{
			"max_wal_size":    "512MB",
			"max_connections": "1000", // a platform has some sixty, and a machine of many processors tests many of them at a time
		})
	})
)

// longest is how long a machine may take, at the very most, to start or stop PostgreSQL.
const longest = 3 * time.Minute

// startShared starts a cluster that ends with the process, in memory where there is so much room.
func startShared(room uint64, settings map[string]string) (*embedded.Server, error) {
	dir, err := makeDir(memory(room))
	if err != nil {
		return nil, err
	}
	if err := removeAfterExit(dir); err != nil {
		return nil, err
	}
	settings["dynamic_shared_memory_type"] = "mmap" // goes with the directory, also after a kill
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	return embedded.Start(ctx, embedded.Config{DataDir: dir, BinDir: os.Getenv("PG_BINDIR"), Settings: settings})
}

// Server returns the process's cluster, and starts it on first use. It isn't durable: see Durable. It ends with the process.
func Server(t testing.TB) *embedded.Server {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
	return s
}

// Durable starts a cluster of its own on disk, with the settings of production, for tests that kill things. stop may be called
// any number of times; the test's end does so too and removes the data. After a kill start it again with
// embedded.Start(ctx, embedded.Config{DataDir: s.DataDir()}).
func Durable(t testing.TB) (s *embedded.Server, stop func()) {
	t.Helper()
	dir := Dir(t)
	s, err := embedded.Start(t.Context(), embedded.Config{DataDir: dir, BinDir: os.Getenv("PG_BINDIR")})
	if err != nil {
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
	stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), longest)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	}
	t.Cleanup(stop)
	return s, stop
}

// Dir is a data directory on disk that also PostgreSQL's user can enter (t.TempDir is closed to it), removed after the test.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := makeDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove %s: %v", dir, err)
		}
	})
	return dir
}

// IgnoreServer tells goleak of the goroutine that minds a cluster for as long as the process lives.
func IgnoreServer() goleak.Option {
	return goleak.IgnoreAnyFunction("github.com/talkable/talkable/internal/postgres/embedded.(*Server).mind")
}

// memory is a directory in memory, if there is one with so much room, else the temporary one.
func memory(room uint64) string {
	const shm = "/dev/shm"
	var fs syscall.Statfs_t
	if err := syscall.Statfs(shm, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < room { //nolint:gosec // a block has a size
		return os.TempDir()
	}
	if probe, err := os.MkdirTemp(shm, prefix+strconv.Itoa(os.Getpid())+"-"); err == nil && os.Remove(probe) == nil {
		return shm
	}
	return os.TempDir()
}

// makeDir makes a directory that carries our pid, and removes those of processes that are gone.
func makeDir(base string) (string, error) {
	if err := sweep(base); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(base, prefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711)
}

func sweep(base string) error {
	entries, err := os.ReadDir(base)
	if err != nil {
		return err
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), prefix)
		number, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(number)
		if !ours || err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		// Another user's, or another sweep is at it: not this test's trouble.
		_ = os.RemoveAll(filepath.Join(base, e.Name()))
	}
	return nil
}

// removeAfterExit leaves a shell behind that waits for the end of this process (its standard input closes then), stops
// PostgreSQL where the system doesn't, and gives the memory back. A Go test has no hook for that: it may end by a timeout.
func removeAfterExit(dir string) error {
	const script = `
read -r _
file=$1/postgres/postmaster.pid
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	pid=$(head -n 1 "$file" 2>/dev/null) || break
	[ -n "$pid" ] && kill -INT "$pid" 2>/dev/null
	sleep 0.1
done
rm -rf -- "$1"`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C ends the tests, not the tidying
	end, ours, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdin = end
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the shell that tidies up: %w", err)
	}
	tidier.Lock()
	tidier.pipes = append(tidier.pipes, ours)
	tidier.Unlock()
	return errors.Join(end.Close(), cmd.Process.Release())
}

// tidier keeps the pipes from being collected, and so closed, before the process ends.
var tidier struct {
	sync.Mutex
	pipes []*os.File
}
