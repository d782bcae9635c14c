package embedded

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func nothing(string) (string, error) { return "", exec.ErrNotFound }

func TestMissing_says_what_to_install(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Config{DataDir: dataDir(t), CacheDir: dataDir(t), places: []string{}, look: nothing})
	var missing MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v, want MissingError", err)
	}
	text := err.Error()
	t.Log(text)
	if strings.Contains(text, "\n") {
		t.Error("more than a line")
	}
	for _, want := range []string{"apt install postgresql", "dnf install postgresql-server", "brew install postgresql@17", "npm is not installed"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestOther_major_version_is_refused_and_untouched(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	c := quick(dir)
	s := start(t, c)
	stop(t, s)
	path := filepath.Join(dir, "postgres", "PG_VERSION")
	if err := os.WriteFile(path, []byte("11\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	_, err := Start(t.Context(), c)
	var version VersionError
	if !errors.As(err, &version) || version.Made != 11 || len(version.Found) == 0 {
		t.Fatalf("got %v, want VersionError with what was found", err)
	}
	t.Log(err)
	for _, want := range []string{"made by PostgreSQL 11", s.Version() + " in " + s.BinDir(), "nothing was changed"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if _, err := Start(t.Context(), Config{DataDir: dir, BinDir: s.BinDir()}); !errors.As(err, &version) {
		t.Errorf("with forced programs: got %v, want VersionError", err)
	}
	if after := listing(t, dir); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func TestFiles_without_a_cluster_are_left_alone(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	if err := os.MkdirAll(filepath.Join(dir, "postgres", "precious"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	if _, err := Start(t.Context(), quick(dir)); err == nil || !strings.Contains(err.Error(), "no PG_VERSION") {
		t.Errorf("got %v", err)
	}
	if after := listing(t, dir); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

// fake is an installation that only knows its version.
func fake(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s'\n", version)
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind_programs(t *testing.T) {
	t.Parallel()
	base := dataDir(t)
	for _, v := range []string{"9.6.24", "14.9", "15.2", "15.13 (Debian 15.13-0+deb12u1)", "16.1", "16.10", "18beta1"} {
		fake(t, filepath.Join(base, "lib", strings.Fields(v)[0], "bin"), v)
	}
	elsewhere := fake(t, filepath.Join(base, "elsewhere"), "18.4")
	linked := filepath.Join(base, "on-path")
	if err := os.MkdirAll(linked, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(elsewhere, "postgres"), filepath.Join(linked, "postgres")); err != nil {
		t.Fatal(err)
	}
	c := Config{
		DataDir: base, CacheDir: base,
		places: []string{filepath.Join(base, "lib", "*", "bin")},
		look:   nothing,
	}
	for _, test := range []struct {
		name, bin string
		made      int
		path      bool
		want      string
	}{
		{name: "the newest for a new cluster", want: "18beta1"},
		{name: "the cluster's own, newest minor", made: 16, want: "16.10"},
		{name: "the cluster's own, with a distribution's suffix", made: 15, want: "15.13"},
		{name: "links on the PATH lead home", path: true, want: "18.4"},
		{name: "forced", bin: filepath.Join(base, "lib", "15.2", "bin"), want: "15.2"},
		{name: "forced and too old", bin: filepath.Join(base, "lib", "14.9", "bin")},
		{name: "forced and empty", bin: base},
		{name: "too old for us", made: 14},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := c
			c.BinDir = test.bin
			if test.path {
				c.look = func(string) (string, error) { return filepath.Join(linked, "postgres"), nil }
			}
			p, err := findPrograms(t.Context(), c, test.made, nil)
			if p.version != test.want || (err == nil) != (test.want != "") {
				t.Errorf("got %v, %v; want %q", p, err, test.want)
			}
			if test.path && p.dir != elsewhere {
				t.Errorf("got %s, want %s", p.dir, elsewhere)
			}
		})
	}
}
