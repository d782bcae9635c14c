package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// postmaster is what a running PostgreSQL says of itself in its pid file.
type postmaster struct {
	pid    int
	socket string // directory
	status string // "starting", "ready", "stopping", …
}

func pidfile(cluster string) string { return filepath.Join(cluster, "postmaster.pid") }

// readPostmaster reads the pid file. It may be absent, or a line or two short while PostgreSQL starts: what isn't there is zero.
func readPostmaster(cluster string) (postmaster, error) {
	b, err := os.ReadFile(pidfile(cluster))
	if errors.Is(err, os.ErrNotExist) {
		return postmaster{}, nil
	}
	if err != nil {
		return postmaster{}, err
	}
	lines := strings.Split(string(b), "\n")
	line := func(n int) string {
		if n > len(lines) {
			return ""
		}
		return strings.TrimSpace(lines[n-1])
	}
	pid, err := strconv.Atoi(line(1))
	if err != nil {
		return postmaster{}, nil //nolint:nilerr // a file that is just being written names nobody yet
	}
	return postmaster{pid: max(pid, -pid), socket: line(5), status: line(8)}, nil // a single-user backend writes -pid
}

// Two ways in which an earlier run is in PostgreSQL's way.
var (
	errTaken = errors.New("the data directory is taken by PostgreSQL of an earlier run")
	errBusy  = errors.New("processes of an earlier PostgreSQL still use the data directory") // its parent died before them
)

func startError(log string) error {
	switch {
	case strings.Contains(log, "FATAL:  lock file ") && strings.Contains(log, " already exists"):
		return errTaken // by the pid file, or by the same thing beside the socket
	case strings.Contains(log, "pre-existing shared memory block"):
		return errBusy
	}
	return fmt.Errorf("PostgreSQL ended while starting:\n%s", log)
}

// removeStale removes the pid file and its twin beside the socket if they are still those that were looked at.
func removeStale(cluster, socket string, old postmaster) error {
	p, err := readPostmaster(cluster)
	if err != nil || p != old {
		return err
	}
	for _, path := range []string{pidfile(cluster), filepath.Join(socket, ".s.PGSQL."+port+".lock")} {
		if e := os.Remove(path); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// firstWord is the program in postmaster.opts: `/path/to/postgres "-D" "/data"`.
func firstWord(opts string) string {
	word, _, _ := strings.Cut(opts, ` "`)
	return strings.TrimSpace(word)
}
