// Package embedded runs a PostgreSQL that belongs to this process: it finds the programs on the machine (or fetches them), makes a
// cluster under the data directory, and runs it on a private socket until the process ends.
//
// The cluster is durable: a kill -9 of this process, of PostgreSQL, or of both loses nothing that was committed. On Linux
// PostgreSQL shuts down by itself when this process dies, however it dies. macOS has no means for that: there it runs on after
// a kill -9 until the next Start, which stops it first.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

const (
	superuser = "postgres"

	patience = time.Minute      // how long a predecessor may take to shut down
	fast     = time.Minute      // how long a fast shutdown may take when Stop's context sets no limit
	hard     = 10 * time.Second // how long an immediate one may take
)

// Server is a running cluster.
type Server struct {
	dataDir  string
	socket   string
	programs programs
	pid      int

	// All below is zero on an attached server.
	lock *lock
	log  *logFile
	done chan struct{}

	mu       sync.Mutex
	stopping bool
	last     string // end of the log, when PostgreSQL has ended
	err      error
}

// Start finds or fetches the programs, makes the cluster when there is none, starts it, and returns when it accepts connections.
// ctx limits the starting only. The errors worth telling apart are MissingError, VersionError and RunningError.
func Start(ctx context.Context, c Config) (*Server, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	user, err := accountFor(uint32(os.Geteuid()), c.cluster())
	if err != nil {
		return nil, err
	}
	made, err := madeBy(c.cluster())
	if err != nil {
		return nil, err
	}
	p, err := findPrograms(ctx, c, made, user) // before anything is written: a refused data directory stays as it was
	if err != nil {
		return nil, err
	}
	if err := makeDataDir(c, user); err != nil {
		return nil, err
	}
	l, err := lockDataDir(c.DataDir)
	if err != nil {
		return nil, err
	}
	s, err := startLocked(ctx, c, p, user)
	if err != nil {
		return nil, errors.Join(err, l.release())
	}
	s.lock = l
	return s, nil
}

func startLocked(ctx context.Context, c Config, p programs, user *account) (*Server, error) {
	if err := user.reach(ctx, p, c.DataDir); err != nil {
		return nil, err
	}
	if err := ensureCluster(ctx, c, p, user); err != nil {
		return nil, err
	}
	socket, err := makeSocketDir(c.DataDir, user)
	if err != nil {
		return nil, err
	}
	return bringUp(ctx, c, p, user, socket)
}

// bringUp starts PostgreSQL, and waits where one of an earlier run has not quite gone.
func bringUp(ctx context.Context, c Config, p programs, user *account, socket string) (*Server, error) {
	args := append([]string{"-D", c.cluster()}, c.arguments(socket, p.hasLZ4(ctx, c.cluster(), user))...)
	end := time.Now().Add(patience)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		old, err := readPostmaster(c.cluster())
		if err != nil {
			return nil, err
		}
		running, sure := old.running(c.cluster())
		if running {
			// We hold the lock, so this is an orphan. The signal is for one that was not told of its owner's death.
			if err := syscall.Kill(old.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
				return nil, fmt.Errorf("stop PostgreSQL of an earlier run (pid %d): %w", old.pid, err)
			}
		} else {
			s, err := launch(ctx, c, p, user, socket, args)
			taken := errors.Is(err, errTaken)
			if !taken && !errors.Is(err, errBusy) {
				return s, err
			}
			if time.Now().After(end) {
				return nil, err
			}
			if taken && sure {
				// The number in the file belongs to another process by now (or to a thread of ours: common after a
				// container's restart), which PostgreSQL takes for its predecessor and would do so for ever.
				if err := removeStale(c.cluster(), socket, old); err != nil {
					return nil, err
				}
			}
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("PostgreSQL of an earlier run (pid %d) is still shutting down after %s", old.pid, patience)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// launch starts PostgreSQL once and waits until it is ready. It returns errTaken or errBusy when a
// predecessor is in the way.
func launch(ctx context.Context, c Config, p programs, user *account, socket string, args []string) (*Server, error) {
	log, err := openLog(c.DataDir)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(p.program("postgres"), args...)
	cmd.Dir = c.cluster()
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = log.file, log.file
	// A group of its own: Ctrl-C in a terminal must not stop the database before the platform has drained.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: user.credential()}
	dieWithParent(cmd.SysProcAttr)

	s := &Server{dataDir: c.DataDir, socket: socket, programs: p, log: log, done: make(chan struct{})}
	started := make(chan error)
	go s.mind(cmd, started)
	if err := <-started; err != nil {
		log.close()
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	s.pid = cmd.Process.Pid
	if err := s.ready(ctx, c.cluster(), c.Log); err != nil {
		return nil, err
	}
	return s, nil
}

// ready waits for the word in the pid file; it needs no connection, and is true when recovery is over.
func (s *Server) ready(ctx context.Context, cluster string, log zerolog.Logger) error {
	told := time.Now()
	for pause := 2 * time.Millisecond; ; pause = min(pause*3/2, 100*time.Millisecond) {
		p, err := readPostmaster(cluster)
		if err == nil && p.pid == s.pid && p.status == "ready" {
			return nil
		}
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			log.Info().Str("log", s.log.path).Msg("PostgreSQL is still starting")
		}
		select {
		case <-s.done:
			return startError(s.last)
		case <-ctx.Done():
			rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), hard)
			defer cancel()
			return errors.Join(ctx.Err(), s.Stop(rest))
		case <-time.After(pause):
		}
	}
}

// URL is the address of a database on the unix socket, as the cluster's superuser.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(superuser),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {s.socket}, "port": {port}, "sslmode": {"disable"}}.Encode(),
	}
	return u.String()
}

// PID is the process id of the postmaster.
func (s *Server) PID() int { return s.pid }

// Version is PostgreSQL's, as in "17.10".
func (s *Server) Version() string { return s.programs.version }

// BinDir is where the programs are, pg_dump among them when the machine has it.
func (s *Server) BinDir() string { return s.programs.dir }

// DataDir is the platform's data directory, absolute.
func (s *Server) DataDir() string { return s.dataDir }

// Done is closed when PostgreSQL has ended; Err then says why. On an attached server it never is.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err is nil while PostgreSQL runs and after Stop; else it says how PostgreSQL ended.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
