package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// account is the unprivileged user that PostgreSQL runs as when we are root, since it refuses to be root. A nil account is
// ourselves.
type account struct {
	name     string
	uid, gid uint32
}

// accountFor is what uid me runs PostgreSQL as: a cluster that is there runs as its owner, a new one as postgres or nobody where
// me is root.
func accountFor(me uint32, cluster string) (*account, error) {
	info, err := os.Stat(cluster)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if info != nil {
		uid, gid := owner(info)
		if me != 0 && uid != me {
			return nil, fmt.Errorf("%s belongs to uid %d and this process is uid %d: run it as that user, or as root", cluster, uid, me)
		}
		if me == 0 && uid != 0 {
			a := &account{name: "uid " + strconv.Itoa(int(uid)), uid: uid, gid: gid}
			if u, err := user.LookupId(strconv.Itoa(int(uid))); err == nil {
				a.name = u.Username
			}
			return a, nil
		}
	}
	if me != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return newAccount(u)
		}
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody: run as another user, or add one")
}

func newAccount(u *user.User) (*account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &account{name: u.Username, uid: uint32(uid), gid: uint32(gid)}, nil
}

func (a *account) id() uint32 {
	if a == nil {
		return uint32(os.Geteuid())
	}
	return a.uid
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// command runs a program as the account; when ctx ends, its children end with it.
func (a *account) command(ctx context.Context, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: a.credential()}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd
}

// environment is all that PostgreSQL sees of ours: no PGDATA or PGOPTIONS of somebody's shell, and messages in English.
func environment() []string {
	return []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}

// reach makes sure that the account can run the programs in the data directory. The kernel blames the program for a directory that
// can't be entered, so name the culprit.
func (a *account) reach(ctx context.Context, p programs, dataDir string) error {
	out, err := a.command(ctx, dataDir, p.program("postgres"), "--version").CombinedOutput()
	if err == nil {
		return nil
	}
	if a != nil && errors.Is(err, fs.ErrPermission) {
		if dir := a.blocked(dataDir); dir != "" {
			return fmt.Errorf("the data directory %s can't be used: PostgreSQL runs as user %s, who may not enter %s: "+
				"choose one elsewhere, for example /var/lib/talkable, or run \"chmod o+x %s\"", dataDir, a.name, dir, dir)
		}
		if dir := a.blocked(p.dir); dir != "" {
			return fmt.Errorf("PostgreSQL's programs in %s can't be used: it runs as user %s, who may not enter %s: "+
				"run \"chmod o+x %s\"", p.dir, a.name, dir, dir)
		}
		return fmt.Errorf("run %s as user %s: %w", p.program("postgres"), a.name, err)
	}
	return fmt.Errorf("run %s: %w: %s", p.program("postgres"), err, out)
}

// blocked is the topmost directory on the way to dir, dir included, that the account may not enter by its mode ("" = none). What
// does not exist yet blocks nobody.
func (a *account) blocked(dir string) string {
	if a == nil {
		return ""
	}
	found := ""
	for ; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && !a.enters(info) {
			found = dir
		}
		if dir == filepath.Dir(dir) {
			return found
		}
	}
}

func (a *account) enters(info fs.FileInfo) bool {
	uid, gid := owner(info)
	switch {
	case uid == a.uid:
		return info.Mode()&0o100 != 0
	case gid == a.gid:
		return info.Mode()&0o010 != 0
	default:
		return info.Mode()&0o001 != 0
	}
}

func owner(info fs.FileInfo) (uid, gid uint32) {
	st := info.Sys().(*syscall.Stat_t)
	return st.Uid, st.Gid
}
