package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// selftestCommand judges the checker: it must find every bug.
func selftestCommand(code *int) *cobra.Command {
	var only string
	var lanes int
	o := options{}
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Plant bugs in the product, one at a time, and insist that each is found",
		Long: `Builds the program once for each of the bugs of bugs.go, from edited copies of its sources, and shakes it; the verdict must be
"violated". The sources themselves are not touched. Exit status: 0 all were found, 1 one was missed, 3 the checker itself failed.`,
		Example: "  shaker selftest --lanes 3\n  shaker selftest --bugs refund-unlocked,ack-first --duration 20s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen, err := chooseBugs(only)
			if err != nil {
				return err
			}
			if lanes < 1 {
				return errors.New("--lanes must be at least 1")
			}
			missed, err := selftest(cmd.Context(), chosen, lanes, o, cmd.OutOrStdout())
			if missed > 0 {
				*code = violated
			}
			return err
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&o.Seed, "seed", 11, "of names, stories and faults")
	f.DurationVar(&o.Duration, "duration", 15*time.Second, "of the load against each bug; one that is missed gets another of twice as long")
	f.IntVar(&lanes, "lanes", 1, "`number` of bugs that are tried at a time; a run keeps most of a processor busy")
	f.StringVar(&only, "bugs", "", "these `names`, comma separated (default: all)")
	return cmd
}

func chooseBugs(only string) ([]bug, error) {
	if only == "" {
		return bugs, nil
	}
	var chosen []bug
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(bugs, func(b bug) bool { return b.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%q is no bug", name)
		}
		chosen = append(chosen, bugs[i])
	}
	return chosen, nil
}

// selftest plants the bugs, as many at a time as there are lanes, and says of each who caught it. It returns how many nobody did.
func selftest(ctx context.Context, chosen []bug, lanes int, o options, out io.Writer) (missed int, err error) {
	root, err := sourceRoot(ctx)
	if err != nil {
		return 0, err
	}
	began, done := time.Now(), 0
	var telling sync.Mutex
	var all errgroup.Group
	all.SetLimit(lanes)
	for _, b := range chosen {
		all.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			started := time.Now()
			found, err := tryBug(ctx, root, b, o)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			telling.Lock()
			defer telling.Unlock()
			verdict := "found by " + strings.Join(found, ", ")
			switch {
			case err != nil: // also a program that does not even come up is no proof
				missed++
				verdict = "FAILED: " + err.Error()
			case len(found) == 0:
				missed++
				verdict = "MISSED: " + b.Says
			}
			done++
			fmt.Fprintf(out, "%2d of %d  %-24s %5.0f s  %s\n", done, len(chosen), b.Name, time.Since(started).Seconds(), verdict)
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return missed, err
	}
	fmt.Fprintf(out, "%d of %d bugs were found, in %s\n", len(chosen)-missed, len(chosen), time.Since(began).Round(time.Second))
	return missed, nil
}

// bugPatience is how long a run may last beyond its load. It has deadlines of its own for all that it waits for.
const bugPatience = 5 * time.Minute

// tryBug shakes a program with one bug, a second time and for longer if nothing shows, and returns the names of what is violated.
func tryBug(ctx context.Context, root string, b bug, o options) ([]string, error) {
	dir, err := os.MkdirTemp("", "talkable-bug-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // replicas may run as another user
		return nil, err
	}
	if o.Binary, err = buildBug(ctx, root, dir, b); err != nil {
		return nil, err
	}
	o.Out, o.Only = io.Discard, b.Only
	for range 2 {
		limited, cancel := context.WithTimeout(ctx, o.Duration+bugPatience)
		v, err := runShaker(limited, o)
		cancel()
		if v.Dir != "" {
			err = errors.Join(err, os.RemoveAll(v.Dir))
		}
		switch {
		case ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded): // whatever has not come to its end by then never will
			return []string{"it settles"}, nil
		case err != nil:
			return nil, err
		case v.Code == violated:
			return whoCaught(v.Violations), nil
		}
		o.Duration, o.Seed = 2*o.Duration, o.Seed+1
	}
	return nil, nil
}

// whoCaught names the violated, each once.
func whoCaught(all []violation) []string {
	var out []string
	for _, v := range all {
		name := v.Invariant
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// buildBug builds the program as the bug makes it.
func buildBug(ctx context.Context, root, dir string, b bug) (string, error) {
	files := map[string]string{}
	if err := b.apply(root, files); err != nil {
		return "", err
	}
	overlay, err := writeOverlay(root, dir, files)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "talkable")
	cmd := exec.CommandContext(ctx, "go", "build", "-C", root, "-tags", "failpoint", "-overlay", overlay, "-o", path, "./cmd/talkable")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return path, nil
}

// writeOverlay writes edited copies of files below root into dir, and the file that tells the compiler to read them instead.
func writeOverlay(root, dir string, files map[string]string) (path string, err error) {
	replace := map[string]string{}
	for name, text := range files {
		to := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, name)] = to
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}

// sourceRoot is where the product's sources are.
func sourceRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/talkable/talkable").Output()
	root := string(bytes.TrimSpace(out))
	if err != nil || root == "" {
		return "", fmt.Errorf("the sources are not here; run shaker within the repository: %w", err)
	}
	return root, nil
}
