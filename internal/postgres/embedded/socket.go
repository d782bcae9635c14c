package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	port = "5432" // part of the socket's name, no more: nothing listens on TCP

	longestSocket = 103 // bytes that a socket's path may have: macOS, Linux allows 107
)

// makeSocketDir makes the directory whose permissions are the cluster's only door: who can enter it is the superuser. It is in
// the data directory unless that is too deep for a socket.
func makeSocketDir(dataDir string, user *account) (string, error) {
	dir, shared := filepath.Join(dataDir, "postgres-run"), false
	if !fitsSocket(dir) {
		sum := sha256.Sum256([]byte(dataDir))
		dir, shared = filepath.Join(os.TempDir(), "talkable-"+hex.EncodeToString(sum[:6])), true
	}
	if !fitsSocket(dir) {
		return "", fmt.Errorf("%s is too long a path for a unix socket: set TMPDIR to a short one, or choose a shorter data directory", dir)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	uid, _ := owner(info)
	if user != nil && info.IsDir() && (uid == 0 || !shared) {
		if err := errors.Join(user.own(dir), os.Chmod(dir, 0o700)); err != nil {
			return "", err
		}
		if info, err = os.Lstat(dir); err != nil {
			return "", err
		}
		uid, _ = owner(info)
	}
	// In a shared temporary directory anybody could have made it before us.
	if !info.IsDir() || info.Mode().Perm() != 0o700 || uid != user.id() {
		return "", fmt.Errorf("%s must be a directory with mode 0700 that belongs to uid %d: remove it", dir, user.id())
	}
	return dir, nil
}

func fitsSocket(dir string) bool {
	return len(filepath.Join(dir, ".s.PGSQL."+port)) <= longestSocket
}

// quoteDirectory writes a path as an element of PostgreSQL's list of directories.
func quoteDirectory(dir string) string {
	return `"` + strings.ReplaceAll(dir, `"`, `""`) + `"`
}
