package embedded

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const oldest = 15 // major version that we support

// programs is one installation of PostgreSQL.
type programs struct {
	dir     string
	version string // "17.10"
	major   int
	minor   int
}

func (p programs) String() string             { return p.version + " in " + p.dir }
func (p programs) program(name string) string { return filepath.Join(p.dir, name) }

// MissingError says that the machine has no PostgreSQL and none could be fetched.
type MissingError struct {
	Reason error // why nothing was fetched
}

func (e MissingError) Error() string {
	return fmt.Sprintf("no PostgreSQL (%d or newer) found, and none fetched (%s): install it with "+
		"\"apt install postgresql\" (Debian, Ubuntu), \"dnf install postgresql-server\" (Fedora) or \"brew install postgresql@%d\" (macOS)",
		oldest, oneLine(e.Reason), pinnedMajor)
}

func (e MissingError) Unwrap() error { return e.Reason }

// VersionError says that the cluster was made by a version whose programs aren't here. Nothing was changed.
type VersionError struct {
	Cluster string
	Made    int      // major version of the cluster
	Found   []string // installations that there are
	Reason  error    // why the right one was not fetched; nil when none is on offer
}

func (e VersionError) Error() string {
	found := "none"
	if len(e.Found) > 0 {
		found = strings.Join(e.Found, ", ")
	}
	if e.Reason != nil {
		found += "; fetching failed: " + oneLine(e.Reason)
	}
	return fmt.Sprintf("the database in %s was made by PostgreSQL %d, whose programs are not here (found: %s): install version %d "+
		"(Debian, Ubuntu: \"apt install postgresql-%d\"; macOS: \"brew install postgresql@%d\"), or dump the data where it is and "+
		"restore it into an empty data directory; nothing was changed", e.Cluster, e.Made, found, e.Made, e.Made, e.Made)
}

func (e VersionError) Unwrap() error { return e.Reason }

func oneLine(err error) string {
	if err == nil {
		return "nothing to fetch"
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// usualPlaces are where distributions put the server's programs, which are rarely on the PATH.
func usualPlaces() []string {
	return []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // PostgreSQL's own packages for Fedora and Red Hat
		"/usr/libexec/postgresql*",  // Alpine
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
		"/usr/local/pgsql/bin", // built by hand
	}
}

// findPrograms picks the installation for a cluster made by major version made, or the newest for a new cluster (0).
func findPrograms(ctx context.Context, c Config, made int, user *account) (programs, error) {
	if c.BinDir != "" {
		p, err := inspect(ctx, c.BinDir)
		if err != nil {
			return programs{}, fmt.Errorf("PostgreSQL's programs in %s: %w", c.BinDir, err)
		}
		if made != 0 && p.major != made {
			return programs{}, VersionError{Cluster: c.cluster(), Made: made, Found: []string{p.String()}}
		}
		return p, nil
	}
	found := search(ctx, c, user)
	names := make([]string, len(found))
	for i, p := range found {
		if made == 0 || p.major == made {
			return p, nil
		}
		names[i] = p.String()
	}
	if made != 0 && made != pinnedMajor {
		return programs{}, VersionError{Cluster: c.cluster(), Made: made, Found: names}
	}
	p, err := fetched(ctx, c, user)
	switch {
	case err == nil:
		return p, nil
	case ctx.Err() != nil:
		return programs{}, ctx.Err()
	case made == 0:
		return programs{}, MissingError{Reason: err}
	default:
		return programs{}, VersionError{Cluster: c.cluster(), Made: made, Found: names, Reason: err}
	}
}

// search lists the usable installations, newest first, those in the usual places before one of the same version on the PATH.
func search(ctx context.Context, c Config, user *account) []programs {
	var dirs []string
	for _, place := range c.places {
		match, _ := filepath.Glob(place) // fails for bad patterns only, and these are ours
		dirs = append(dirs, match...)
	}
	if path, err := c.look("postgres"); err == nil {
		// A link on the PATH points to where the programs find their libraries and share files.
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	var found []programs
	for _, dir := range dirs {
		if user.blocked(dir) != "" {
			continue
		}
		p, err := inspect(ctx, dir)
		if err == nil && !slices.Contains(found, p) {
			found = append(found, p)
		}
	}
	slices.SortStableFunc(found, func(a, b programs) int {
		if a.major != b.major {
			return b.major - a.major
		}
		return b.minor - a.minor
	})
	return found
}

// inspect asks the programs in a directory for their version.
func inspect(ctx context.Context, dir string) (programs, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return programs{}, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return programs{}, err
	}
	p := programs{dir: dir}
	if _, err := exec.LookPath(p.program("initdb")); err != nil {
		return programs{}, err
	}
	cmd := exec.CommandContext(ctx, p.program("postgres"), "--version")
	cmd.Env = environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return programs{}, fmt.Errorf("%s --version: %w: %s", p.program("postgres"), err, strings.TrimSpace(string(out)))
	}
	// "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)", "… 18beta1"
	m := regexp.MustCompile(`\(PostgreSQL\) ((\d+)(?:\.(\d+)|\w*))`).FindStringSubmatch(string(out))
	if m == nil {
		return programs{}, fmt.Errorf("%s --version: unexpected answer %q", p.program("postgres"), out)
	}
	p.version = m[1]
	if p.major, err = strconv.Atoi(m[2]); err != nil {
		return programs{}, err
	}
	if m[3] != "" {
		if p.minor, err = strconv.Atoi(m[3]); err != nil {
			return programs{}, err
		}
	}
	if p.major < oldest {
		return programs{}, errors.New("PostgreSQL " + p.version + " is too old")
	}
	return p, nil
}

// hasLZ4 asks the server itself, since it is a matter of how it was built. It reads the cluster's files, no more.
func (p programs) hasLZ4(ctx context.Context, cluster string, user *account) bool {
	return user.command(ctx, cluster, p.program("postgres"), "-C", "wal_compression", "-c", "wal_compression=lz4", "-D", cluster).Run() == nil
}
