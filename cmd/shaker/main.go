// Command shaker breaks a whole platform in every way that one machine allows, under load, and compares what is left with what was
// promised. It knows the program by its public API and its tables only; what the program should hold it computes by itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := passed
	root := &cobra.Command{Use: "shaker", Short: "Black-box chaos checker of talkable", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(runCommand(&code), checkCommand(&code), replayCommand(), selftestCommand(&code))
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "shaker:", err)
		code = 3
	}
	stop()
	os.Exit(code)
}

func runCommand(code *int) *cobra.Command {
	o := options{}
	var only string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Shake a platform of its own, and judge it",
		Long: `Starts a PostgreSQL of its own, a proxy before it, a mail server, a server for webhooks, an SMS provider, and two replicas of talkable (built with its failpoints); tells both of twin
sites, which use the same names, the same stories with other amounts, duels among them, for as long as --duration says (on a slow machine up
to twice as long, until each has been told): purchases and refunds, claims and coupons, limits and budgets, commissions, also of friends who come again, and payouts, points; lets members of a club
earn by rules what is pending at first, and households spend each other's points, and stars, come apart and be suspended; has people invited, paid by hand
and forgotten, pay with points and hold them until their time is over, and several apply one programme file; meanwhile
kills, freezes, cuts, fills and locks what it can, and puts events into a log that nobody can read. What ended without a definite answer is told again with the same key until there
is one. Then it heals, waits until nothing is under way, and verifies: the invariants over all tables (also under load), its own
oracle against the tables, the mail, webhooks and SMS that arrived, and everything once more through the public API.

Seeds fix names, stories and faults, not the threads' timing: keep a database that failed.

Exit status: 0 passed, 1 violated, 2 inconclusive (the dangers were not reached), 3 the checker itself failed.`,
		Example: "  shaker run\n  shaker run --seed 7 --duration 5m --keep\n  shaker run --only kill,failpoints",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if only != "" {
				o.Only = strings.Split(only, ",")
			}
			if err := checkOnly(o.Only); err != nil {
				return err
			}
			if o.Seed == 0 {
				o.Seed = uint64(rand.Uint32())
			}
			o.Out, o.Terminal = cmd.OutOrStdout(), term.IsTerminal(int(os.Stdout.Fd()))
			v, err := runShaker(cmd.Context(), o)
			*code = v.Code
			return err
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&o.Seed, "seed", 0, "of names, stories and faults; 0 chooses one")
	f.DurationVar(&o.Duration, "duration", 40*time.Second, "of the load")
	f.StringVar(&only, "only", "", "these `faults`, comma separated: "+strings.Join(faultNames(), ", "))
	f.BoolVar(&o.Keep, "keep", false, "keep the directory with database, history and logs; what is violated is kept anyway")
	f.StringVar(&o.Binary, "binary", "", "a talkable `file` built with -tags failpoint (default: built from this source)")
	return cmd
}

func faultNames() []string {
	out := []string{faultFailpoints, faultAimed, faultMail, faultHook, faultSMS}
	for _, f := range faults {
		out = append(out, f.name)
	}
	return out
}

func checkOnly(only []string) error {
	known := strings.Join(faultNames(), ",")
	for _, name := range only {
		if !strings.Contains(","+known+",", ","+name+",") {
			return fmt.Errorf("%q is no fault; there are %s", name, known)
		}
	}
	return nil
}

func replayCommand() *cobra.Command {
	var path, id string
	cmd := &cobra.Command{
		Use:     "replay",
		Short:   "Print the whole life of an op, or of everything that has to do with a word",
		Example: "  shaker replay --history history.jsonl --op o-3-17-a",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := readHistory(path)
			if err != nil {
				return err
			}
			found := all
			if id != "" {
				found = mentions(all, id, len(all))
			}
			for _, a := range found {
				fmt.Fprintln(cmd.OutOrStdout(), a)
			}
			if len(found) == 0 {
				return errors.New("nothing of that is in the history")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "history", "history.jsonl", "`file` that a run wrote")
	cmd.Flags().StringVar(&id, "op", "", "id of an op, order number, e-mail address or visitor")
	return cmd
}

// printsTo is a printer for commands beside run.
func printsTo(out io.Writer) *printer { return newPrinter(options{Out: out}) }
