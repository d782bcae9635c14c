// Command talkable is the referral and loyalty platform: one binary that serves it, moves its database, fills it, and looks after it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	_ "golang.org/x/crypto/x509roots/fallback" // whom to trust where the machine has no list, as in the container
)

var version = "dev" // set by the linker

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	if err := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, errShown) {
			fmt.Fprintln(os.Stderr, "talkable:", err)
		}
		var code exitCode
		if errors.As(err, &code) {
			os.Exit(int(code))
		}
		os.Exit(1)
	}
}

// exitCode ends the process with itself; the command has said why.
type exitCode int

func (c exitCode) Error() string        { return fmt.Sprintf("ends with %d", int(c)) }
func (c exitCode) Is(target error) bool { return target == errShown }

// errShown ends the process with a failure that the command has printed already.
var errShown = errors.New("failed")

// run is the program. Nothing outside it reads the environment or ends the process, so that a test may run two at once.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	var c config
	if err := c.load(environ); err != nil {
		return err
	}
	root := &cobra.Command{
		Use:   "talkable",
		Short: "Referral marketing and loyalty, self-hosted",
		Long: `talkable runs referral campaigns and loyalty programmes: share links, attribution, fraud checks, rewards, points, messages.

Start with:      talkable serve --demo
Then, beside it: talkable demo

Every setting is an environment variable TALKABLE_NAME; a flag --name wins over it. Without TALKABLE_DATABASE_URL the platform runs a
PostgreSQL of its own in the data directory.`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	c.flags(root.PersistentFlags())
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return c.check() }
	root.AddCommand(serveCommand(&c), migrateCommand(&c), siteCommand(&c), keyCommand(&c), importCommand(&c), eventsCommand(&c),
		demoCommand(&c), clockCommand(&c), ledgerCommand(&c), backtestCommand(&c), programmeCommand(&c), doctorCommand(&c), configCommand(&c), openapiCommand(), versionCommand())
	return root.ExecuteContext(ctx)
}
