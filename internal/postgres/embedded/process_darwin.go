package embedded

import (
	"net"
	"path/filepath"
	"syscall"
	"time"
)

// dieWithParent has nothing to offer here: after a kill -9 of this process PostgreSQL runs on until the next Start stops it.
func dieWithParent(*syscall.SysProcAttr) {}

// running tells whether the pid in the file is a postmaster of this cluster: one that answers on the socket. sure is never true,
// since one that is nearly down answers no more.
func (p postmaster) running(string) (yes, sure bool) {
	if p.pid == 0 || p.socket == "" || syscall.Kill(p.pid, 0) != nil {
		return false, false
	}
	conn, err := net.DialTimeout("unix", filepath.Join(p.socket, ".s.PGSQL."+port), time.Second)
	if err != nil {
		return false, false
	}
	_ = conn.Close()
	return true, false
}
