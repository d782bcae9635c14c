package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// RunningError says that another talkable owns the data directory.
type RunningError struct {
	DataDir string
	PID     int // 0 when it could not be told
}

func (e RunningError) Error() string {
	return fmt.Sprintf("another talkable is already running on this data directory (pid %d): %s", e.PID, e.DataDir)
}

// lock marks the process that owns the cluster. It is an flock: the kernel drops it with the process, so it tells a live owner
// from a postmaster that was orphaned, which PostgreSQL's own pid file can't.
type lock struct{ file *os.File }

func lockPath(dataDir string) string { return filepath.Join(dataDir, "talkable.lock") }

func lockDataDir(dataDir string) (*lock, error) {
	f, err := os.OpenFile(lockPath(dataDir), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	// Attach looks at the lock by taking it for an instant; that must not fail us.
	for end := time.Now().Add(500 * time.Millisecond); ; time.Sleep(20 * time.Millisecond) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(end) {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = RunningError{DataDir: dataDir, PID: readPID(f)}
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &lock{file: f}, nil
}

// release unlocks before closing: a child that is being forked right now may hold a copy of the file for a moment.
func (l *lock) release() error {
	if l == nil || l.file == nil {
		return nil
	}
	err := errors.Join(syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN), l.file.Close())
	l.file = nil
	return err
}

// lockOwner tells whether a live process owns the data directory, and its pid.
func lockOwner(dataDir string) (pid int, locked bool, err error) {
	f, err := os.Open(lockPath(dataDir))
	if errors.Is(err, os.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return readPID(f), true, nil
	}
	return 0, false, err
}

func readPID(f *os.File) int {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}
