package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	dirPrefix = "talkable-shaker-"
	lockFile  = "shaker.lock"
)

// claimDir makes a directory for a run, and a lock in it that ends with the process, however it ends.
func claimDir(temp string) (dir string, lock *os.File, err error) {
	if dir, err = os.MkdirTemp(temp, fmt.Sprintf("%s%d-", dirPrefix, os.Getpid())); err != nil {
		return "", nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's user passes
		return "", nil, err
	}
	if lock, err = os.Create(filepath.Join(dir, lockFile+".new")); err != nil {
		return "", nil, err
	}
	if err := errors.Join(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), os.Rename(lock.Name(), filepath.Join(dir, lockFile))); err != nil {
		return "", nil, errors.Join(err, lock.Close())
	}
	return dir, lock, nil
}

// sweep removes what runs left behind that were killed: their small disk is still mounted, and holds memory. Whose lock is held
// lives, wherever its processes are; what was kept has no disk.
func sweep(temp string) {
	entries, err := os.ReadDir(temp)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), dirPrefix) {
			sweepDir(filepath.Join(temp, e.Name()))
		}
	}
}

func sweepDir(dir string) {
	d := &disk{path: filepath.Join(dir, "small")}
	if !mounted(d.path, dir) {
		return
	}
	if free(dir) && d.close(false) == nil {
		_ = os.RemoveAll(dir)
	}
}

// free says that the owner of a run's directory is gone. Without a lock, it is another user's, or of another program's making.
func free(dir string) bool {
	lock, err := os.Open(filepath.Join(dir, lockFile))
	if err != nil {
		return false
	}
	defer lock.Close()
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// mounted says that path is on another file system than its parent.
func mounted(path, parent string) bool {
	var a, b syscall.Stat_t
	return syscall.Stat(path, &a) == nil && syscall.Stat(parent, &b) == nil && a.Dev != b.Dev
}
