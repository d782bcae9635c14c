package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const dirPrefix = "talkable-shaker-"

// sweep removes what runs left behind that were killed: their small disk is still mounted, and holds memory. What was kept has none.
func sweep(temp string) {
	entries, err := os.ReadDir(temp)
	if err != nil {
		return
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), dirPrefix)
		number, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(number)
		if !ours || err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		dir := filepath.Join(temp, e.Name())
		d := &disk{path: filepath.Join(dir, "small")}
		if mounted(d.path, dir) && d.close(false) == nil {
			_ = os.RemoveAll(dir) // another user's, or another sweep is at it
		}
	}
}

// mounted says that path is on another file system than its parent.
func mounted(path, parent string) bool {
	var a, b syscall.Stat_t
	return syscall.Stat(path, &a) == nil && syscall.Stat(parent, &b) == nil && a.Dev != b.Dev
}
