package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// madeBy is the major version that made the cluster, 0 when there is none.
func madeBy(cluster string) (int, error) {
	b, err := os.ReadFile(filepath.Join(cluster, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(cluster)
		if err == nil && len(entries) > 0 {
			return 0, fmt.Errorf("%s holds files but no database (it has no PG_VERSION): move them away; nothing was changed", cluster)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return 0, err
	}
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("%s: unknown version %q", filepath.Join(cluster, "PG_VERSION"), b)
	}
	return major, nil
}

// makeDataDir makes the data directory, and lets PostgreSQL's user pass through it.
func makeDataDir(c Config, user *account) error {
	if err := makeDirs(c.DataDir, user); err != nil || user == nil {
		return err
	}
	info, err := os.Stat(c.DataDir)
	if err != nil {
		return err
	}
	if uid, _ := owner(info); user.enters(info) || uid != 0 || info.Mode()&0o077 != 0 {
		return nil
	}
	// root's alone so far: let the one group pass, rather than everybody.
	c.Log.Info().Str("dir", c.DataDir).Str("user", user.name).Msg("letting PostgreSQL's user enter the data directory")
	return errors.Join(os.Chown(c.DataDir, -1, int(user.gid)), os.Chmod(c.DataDir, info.Mode().Perm()|0o010))
}

// makeDirs is os.MkdirAll, but what it makes can be entered by the user, whatever the umask.
func makeDirs(dir string, user *account) error {
	mode := fs.FileMode(0o700)
	if user != nil {
		mode = 0o711
	}
	err := os.Mkdir(dir, mode)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDirs(filepath.Dir(dir), user); err != nil {
			return err
		}
		err = os.Mkdir(dir, mode)
	}
	if err == nil {
		return os.Chmod(dir, mode)
	}
	if info, e := os.Stat(dir); e == nil && info.IsDir() {
		return nil
	}
	return err
}

// ensureCluster makes the cluster when there is none. It is made aside and renamed: a cluster that has its name is complete.
func ensureCluster(ctx context.Context, c Config, p programs, user *account) error {
	made, err := madeBy(c.cluster())
	if err != nil {
		return err
	}
	if made != 0 && made != p.major { // made by another process since we looked
		return VersionError{Cluster: c.cluster(), Made: made, Found: []string{p.String()}}
	}
	if made != 0 {
		return chownTree(c.cluster(), user)
	}
	if err := sweep(c.DataDir); err != nil {
		return err
	}
	began := time.Now()
	fresh, err := os.MkdirTemp(c.DataDir, "postgres.new-")
	if err != nil {
		return err
	}
	if err := user.own(fresh); err != nil {
		return err
	}
	if err := initdb(ctx, c, p, user, fresh); err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err := os.Remove(c.cluster()); err != nil && !errors.Is(err, fs.ErrNotExist) { // an empty one at most
		return err
	}
	if err := os.Rename(fresh, c.cluster()); err != nil {
		return err
	}
	if !c.throwaway() {
		if err := syncDir(c.DataDir); err != nil {
			return err
		}
	}
	c.Log.Info().Str("dir", c.cluster()).Str("version", p.version).Dur("took", time.Since(began)).Msg("made a PostgreSQL cluster")
	return nil
}

// initdb asks for the same text rules everywhere: order by bytes (which no upgrade of the system can change under an index), and
// Unicode's upper and lower case.
func initdb(ctx context.Context, c Config, p programs, user *account, dir string) error {
	args := []string{
		"--pgdata=" + dir, "--username=" + superuser, "--auth-local=trust", "--auth-host=reject",
		"--encoding=UTF8", "--locale=C", "--text-search-config=simple", "--data-checksums", "--no-instructions",
	}
	if c.throwaway() {
		args = append(args, "--no-sync")
	}
	locales := [][]string{{"--lc-ctype=C.UTF-8"}, {"--lc-ctype=en_US.UTF-8"}, {}} // the second for macOS, the third for bare systems
	if p.major >= 17 {
		locales = [][]string{{"--locale-provider=builtin", "--builtin-locale=C.UTF-8"}}
	}
	var failed error
	for _, locale := range locales {
		out, err := user.command(ctx, dir, p.program("initdb"), append(args, locale...)...).CombinedOutput()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil { // it was killed for that
			return fmt.Errorf("initdb: %w", context.Cause(ctx))
		}
		failed = fmt.Errorf("initdb: %w: %s", err, strings.TrimSpace(string(out)))
		if !strings.Contains(string(out), "invalid locale name") {
			break
		}
	}
	return failed
}

// sweep removes what a run that was killed while it made its cluster has left.
func sweep(dataDir string) error {
	left, err := filepath.Glob(filepath.Join(escapeGlob(dataDir), "postgres.new-*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// chownTree hands a cluster that root owns, as after a restored backup, to the user.
func chownTree(cluster string, user *account) error {
	info, err := os.Stat(cluster)
	if err != nil || user == nil {
		return err
	}
	if uid, _ := owner(info); uid == user.uid {
		return nil
	}
	return filepath.WalkDir(cluster, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return user.own(path)
	})
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
