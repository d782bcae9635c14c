package embedded

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// dieWithParent makes the kernel send the process a fast shutdown when the thread that started it ends.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGINT }

// running tells whether the pid in the file is a postmaster of this cluster. A pid alone says little (it may be reused), but a
// postmaster stands in its data directory. sure means that a no can be relied on.
func (p postmaster) running(cluster string) (yes, sure bool) {
	if p.pid == 0 {
		return false, true
	}
	real, err := filepath.EvalSymlinks(cluster)
	if err != nil {
		return false, false
	}
	dir, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(p.pid), "cwd"))
	return err == nil && dir == real, true
}
