//go:build failpoint

package failpoint

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// On says whether this build kills.
const On = true

var (
	armed, nth = parse(os.Getenv("TALKABLE_FAILPOINT"))
	hits       atomic.Int64
)

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

// Hit ends the process at the n-th hit of the name that TALKABLE_FAILPOINT gives.
func Hit(name string) {
	if !slices.Contains(names, name) {
		panic("failpoint without an entry in the list: " + name)
	}
	if name == armed && hits.Add(1) == nth {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing of what follows may run
	}
}
