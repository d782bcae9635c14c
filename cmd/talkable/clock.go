package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/gateway"
)

// clockPoll is how often a moving clock is looked at.
const clockPoll = 250 * time.Millisecond

// testClock is what GET /test_clock answers.
type testClock struct {
	Now     time.Time `json:"now"`
	Advance *moved    `json:"advance"`
}

// moved is a move of the clock.
type moved struct {
	ID      int64     `json:"id"`
	State   string    `json:"state"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	At      time.Time `json:"at"`
	Moments int64     `json:"moments"`
	Jobs    []dueWork `json:"jobs"`
	Detail  *string   `json:"detail"`
}

// dueWork is how much of a kind is due.
type dueWork struct {
	What  string    `json:"what"`
	Count int64     `json:"count"`
	First time.Time `json:"first_at"`
}

// clockAccess is how the command speaks to the server.
type clockAccess struct{ server, keyFile string }

func clockCommand(c *config) *cobra.Command {
	var a clockAccess
	cmd := &cobra.Command{Use: "clock", Short: "Read or move the clock of a test platform",
		Long: `Shows what time it is on a server that runs with --test-clock, or moves its clock forward; all that is due until then is done, in its order.

The server is the demo of the data directory, unless --server names another, with a file that holds a secret key of a site there.`,
		Example: "  talkable clock\n  talkable clock advance 400d\n  talkable clock advance --to 2027-12-28T00:00:00Z",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := a.client(c)
			if err != nil {
				return err
			}
			var now testClock
			if err := api.call(cmd.Context(), "GET", "/api/v2/test_clock", nil, &now); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), now.Now.Format(time.RFC3339))
			return nil
		}}
	cmd.PersistentFlags().StringVar(&a.server, "server", "", "address of the server, as http://127.0.0.1:8080")
	cmd.PersistentFlags().StringVar(&a.keyFile, "key-file", "", "file with a secret key, for --server")
	cmd.AddCommand(advanceCommand(c, &a))
	return cmd
}

func advanceCommand(c *config, a *clockAccess) *cobra.Command {
	var to string
	var dry bool
	cmd := &cobra.Command{Use: "advance [SPAN]", Short: "Move the clock forward, by a span as 400d or 1d12h, or --to a moment", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := object{}
			switch {
			case len(args) == 1 && to == "":
				if _, err := gateway.ParseSpan(args[0]); err != nil {
					return err
				}
				body["by"] = args[0]
			case len(args) == 0 && to != "":
				body["to"] = to
			default:
				return errors.New("say how far: a span, as 400d, or --to a moment, as 2027-12-28T00:00:00Z")
			}
			api, err := a.client(c)
			if err != nil {
				return err
			}
			if dry {
				return foretell(cmd.Context(), api, body, cmd.OutOrStdout())
			}
			return advanceClock(cmd.Context(), api, body, cmd.OutOrStdout(), cmd.ErrOrStderr())
		}}
	cmd.Flags().StringVar(&to, "to", "", "the moment (RFC 3339)")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what is due until then")
	return cmd
}

func (a *clockAccess) client(c *config) (*client, error) {
	if a.server != "" {
		key, err := os.ReadFile(a.keyFile)
		if err != nil {
			return nil, fmt.Errorf("--key-file, with a secret key of a site on that server: %w", err)
		}
		return newClient(a.server, strings.TrimSpace(string(key))), nil
	}
	d, err := readDemo(c)
	return newClient(d.Server, d.APIKey), err
}

// serversClock is what time it is on a server: on a test platform another time than here.
func serversClock(ctx context.Context, api *client) clock.Clock {
	var there testClock
	if err := api.call(ctx, "GET", "/api/v2/test_clock", nil, &there); err != nil { // a live one says that it is none
		return clock.System
	}
	return clock.NewSteered(clock.System, there.Now.Sub(clock.System())).Now
}

// foretell prints what is known to be due.
func foretell(ctx context.Context, api *client, body object, out io.Writer) error {
	var got struct {
		Due []dueWork `json:"due"`
	}
	if err := api.call(ctx, "POST", "/api/v2/test_clock/advance?dry_run=true", body, &got); err != nil {
		return err
	}
	if len(got.Due) == 0 {
		fmt.Fprintln(out, "nothing is due until then")
	}
	for _, d := range got.Due {
		fmt.Fprintf(out, "%7d  %-28s from %s\n", d.Count, d.What, d.First.Format(time.RFC3339))
	}
	return nil
}

// advanceClock moves the clock, shows how far it is, and prints what was due on the way.
func advanceClock(ctx context.Context, api *client, body object, out, progress io.Writer) error {
	began := clock.System()
	answered := make(chan error, 1)
	var got struct {
		Advance moved `json:"advance"`
	}
	go func() { answered <- api.call(ctx, "POST", "/api/v2/test_clock/advance", body, &got) }()
	bar := newMeter(progress, "moving the clock")
	defer bar.done()
	var err error
	for waiting := true; waiting || err == nil && got.Advance.State == "running"; {
		select {
		case err = <-answered:
			waiting = false
			continue
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(clockPoll):
		}
		var now testClock
		if e := api.call(ctx, "GET", "/api/v2/test_clock", nil, &now); e != nil || now.Advance == nil {
			continue // it is busy: the answer says what came of it
		}
		if m := *now.Advance; m.State == "running" || m.ID == got.Advance.ID {
			bar.count(int64(m.At.Sub(m.From).Hours()), int64(m.To.Sub(m.From).Hours()))
			if !waiting {
				got.Advance = m
			}
		}
	}
	if err != nil {
		return err
	}
	bar.done()
	return got.Advance.report(out, clock.System().Sub(began))
}

// report prints what came of it.
func (m moved) report(out io.Writer, took time.Duration) error {
	fmt.Fprintf(out, "%s: from %s to %s, %d moments in %s\n", m.State, m.From.Format(time.RFC3339), m.At.Format(time.RFC3339), m.Moments, took.Round(10*time.Millisecond))
	for _, j := range m.Jobs {
		fmt.Fprintf(out, "%7d  %s\n", j.Count, j.What)
	}
	if m.State == "done" {
		return nil
	}
	if m.Detail == nil {
		return errors.New("the clock did not arrive")
	}
	return fmt.Errorf("the clock did not arrive: %s", *m.Detail)
}
