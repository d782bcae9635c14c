//go:build failpoint

package failpoint

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// On says whether this build kills.
const On = true

var (
	armed, nth = parse(os.Getenv("TALKABLE_FAILPOINT"))
	hits       atomic.Int64

	pauses      = parsePause(os.Getenv("TALKABLE_FAILPOINT_PAUSE"))
	pausedSoFar atomic.Int64
)

// pause is how long every so-manieth hit of a name waits.
type pause struct {
	name  string
	long  time.Duration
	every int64
}

func parsePause(s string) pause {
	if s == "" {
		return pause{}
	}
	parts := strings.Split(s, ":")
	if len(parts) == 3 {
		long, err1 := time.ParseDuration(parts[1])
		every, err2 := strconv.ParseInt(parts[2], 10, 64)
		if err1 == nil && err2 == nil && every > 0 {
			return pause{parts[0], long, every}
		}
	}
	panic("TALKABLE_FAILPOINT_PAUSE: want name:duration:every, got " + s)
}

func parse(s string) (string, int64) {
	name, count, ok := strings.Cut(s, ":")
	if !ok {
		return name, 1
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		panic("TALKABLE_FAILPOINT: want name:n, got " + s)
	}
	return name, n
}

// Hit ends the process at the n-th hit of the name that TALKABLE_FAILPOINT gives, and waits where TALKABLE_FAILPOINT_PAUSE says so.
func Hit(name string) {
	if !slices.Contains(names, name) {
		panic("failpoint without an entry in the list: " + name)
	}
	if name == pauses.name && pausedSoFar.Add(1)%pauses.every == 0 {
		time.Sleep(pauses.long)
	}
	if name == armed && hits.Add(1) == nth {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing of what follows may run
	}
}
