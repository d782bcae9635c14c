package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// All that is read from /proc is zero where there is none; what is made of it then isn't shown.

const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux

// processTime is the processor time of a process, and of its children that have ended.
func processTime(pid int) (own, children time.Duration, parent int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, 0
	}
	_, rest, ok := strings.Cut(string(text), ") ") // the name before it may hold anything
	f := strings.Fields(rest)
	if !ok || len(f) < 15 {
		return 0, 0, 0
	}
	n := func(i int) time.Duration { v, _ := strconv.ParseInt(f[i], 10, 64); return time.Duration(v) * tick }
	parent, _ = strconv.Atoi(f[1])
	return n(11) + n(12), n(13) + n(14), parent
}

// familyTime is the processor time of a postmaster and all its backends, those that have gone included.
func familyTime(pid int) time.Duration {
	own, ended, _ := processTime(pid)
	sum := own + ended
	all, _ := filepath.Glob("/proc/[0-9]*") // fails for bad patterns only
	for _, p := range all {
		child, err := strconv.Atoi(filepath.Base(p))
		if err != nil {
			continue
		}
		if own, _, parent := processTime(child); parent == pid {
			sum += own
		}
	}
	return sum
}

// selfTime is our own processor time.
func selfTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// busyTime is the processor time that the whole machine has spent on anything.
func busyTime() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var sum time.Duration
	for i, f := range strings.Fields(line) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // the label, idle, waiting, and guests, who are counted as users
			continue
		}
		n, _ := strconv.ParseInt(f, 10, 64)
		sum += time.Duration(n) * tick
	}
	return sum
}

// residentMemory is how much of a process is in memory and the most that ever was, in bytes.
func residentMemory(pid int) (now, most int64) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	return field(path, "VmRSS:"), field(path, "VmHWM:")
}

// pace is how fast one processor hashes, in MB a second: machines that others share, or that get hot, change it.
func pace() float64 {
	block := make([]byte, 1<<20)
	began, n := time.Now(), 0
	for time.Since(began) < 30*time.Millisecond {
		sha256.Sum256(block)
		n++
	}
	return float64(n) / time.Since(began).Seconds()
}

// machineMemory is the machine's memory in bytes, or 4 GiB when it can't be learned.
func machineMemory() int64 {
	if n := field("/proc/meminfo", "MemTotal:"); n > 0 {
		return n
	}
	return 4 << 30
}

// field reads a line like "MemTotal:  24560 kB".
func field(path, name string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

func freeDisk(dir string) int64 {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0
	}
	return int64(fs.Bavail) * fs.Bsize
}

// inMemory says that a directory is on no disk, so that flushing there costs nothing.
func inMemory(dir string) bool {
	const tmpfs, ramfs = 0x01021994, 0x858458f6
	var fs syscall.Statfs_t
	err := syscall.Statfs(dir, &fs)
	return err == nil && runtime.GOOS == "linux" && (fs.Type == tmpfs || fs.Type == ramfs)
}

// machine describes where this runs.
func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d × %s, %d GiB, %s/%s, %s", runtime.NumCPU(), model, machineMemory()>>30, runtime.GOOS, runtime.GOARCH, runtime.Version())
}
