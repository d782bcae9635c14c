package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer"
	"github.com/talkable/talkable/internal/gateway"
	"github.com/talkable/talkable/internal/postgres/embedded"
)

const drain = 20 * time.Second // how long requests under way may take after SIGTERM

func serveCommand(c *config) *cobra.Command {
	var demo bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the platform",
		Long: `Runs all modules behind one HTTP API until SIGTERM or Ctrl-C, then finishes the requests under way and stops.

On the embedded database the schemas are brought up to date first. On a database of yours serve refuses to start while they are behind:
run "talkable migrate". Replicas on one database share the work.`,
		Example: "  talkable serve --demo\n  TALKABLE_DATABASE_URL=postgres://talkable@db/talkable talkable serve",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLog(c, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			debug.SetGCPercent(c.GCPercent) // the heap is small and short-lived: collecting it less often saves a tenth of the work
			if demo {
				c.PrivateTargets = true
			}
			return serve(cmd.Context(), c, clock.System, log, cmd.OutOrStdout(), demo)
		},
	}
	cmd.Flags().BoolVar(&demo, "demo", false, "make the site \"demo\" with a campaign and a loyalty programme, and say what to try; its webhooks may call this machine")
	return cmd
}

// serve is the life of the platform: database, listeners, work, drain. It returns nil after a stop that was asked for.
func serve(ctx context.Context, c *config, now clock.Clock, log zerolog.Logger, stdout io.Writer, demo bool) (err error) {
	public, err := net.Listen("tcp", c.Listen) // first, so that a taken port fails at once
	if err != nil {
		return fmt.Errorf("%w (TALKABLE_LISTEN or --listen chooses another address)", err)
	}
	defer public.Close()
	internal, err := net.Listen("tcp", c.InternalListen)
	if err != nil {
		return fmt.Errorf("%w (TALKABLE_INTERNAL_LISTEN or --internal-listen chooses another address)", err)
	}
	defer internal.Close()

	dbs, err := connect(ctx, c, log, false)
	if err != nil {
		return err
	}
	life := context.WithoutCancel(ctx) // what is under way outlives the signal
	defer func() { err = errors.Join(err, dbs.close(life)) }()
	if c.testTime, err = testTime(ctx, c, dbs, now); err != nil {
		return err
	}
	if c.testTime != nil {
		defer func() { err = errors.Join(err, c.testTime.Close(life)) }() // before the databases
		now = c.testTime.Clock.Now
		log.Info().Time("now", now()).Msg("a test platform: its clock can be moved")
	}
	p, err := build(ctx, c, dbs, now, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.closeSinks()) }()

	work, stopWork := context.WithCancel(life)
	defer stopWork()
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error { // a part that stops by itself stops the rest; else the work goes on until the requests are drained
		err := p.run(work)
		if err == nil && work.Err() == nil {
			err = errors.New("the work stopped by itself")
		}
		return err
	})
	group.Go(func() error { return dbs.watch(work, c, log) })
	group.Go(func() error {
		defer stopWork()
		return p.gateway.Serve(gctx, public, p.handler(), drain)
	})
	group.Go(func() error {
		return p.gateway.Serve(work, internal, profiled(c, p.gateway.Internal(dbs.ping)), time.Second)
	})
	group.Go(func() error {
		log.Info().Str("listen", public.Addr().String()).Str("internal", internal.Addr().String()).Str("public_url", c.PublicURL).Msg("serving")
		if !demo {
			return nil
		}
		return seedDemo(gctx, c, p, "http://"+public.Addr().String(), stdout)
	})
	if err := group.Wait(); err != nil && !(errors.Is(err, context.Canceled) && ctx.Err() != nil) {
		return err
	}
	log.Info().Msg("stopped")
	return nil
}

// testTime is the clock of a test platform, nil on a live one. A database can be one or the other.
func testTime(ctx context.Context, c *config, d *databases, machine clock.Clock) (*gateway.TestTime, error) {
	if !c.TestClock {
		return nil, gateway.RefuseMoved(ctx, d.pools["gateway"])
	}
	return gateway.OpenTestTime(ctx, d.pools["gateway"], machine, func(ctx context.Context) (bool, error) {
		return customer.Empty(ctx, d.pools["customer"])
	})
}

// profiled adds Go's profiles where they are wanted.
func profiled(c *config, internal http.Handler) http.Handler {
	if !c.Profile {
		return internal
	}
	r := chi.NewRouter()
	r.Mount("/debug", middleware.Profiler())
	r.Mount("/", internal)
	return r
}

// watch starts the embedded database again when it ends by itself. Nothing is lost by that: what was answered is committed.
func (d *databases) watch(ctx context.Context, c *config, log zerolog.Logger) error {
	for pause := time.Second; d.server != nil; {
		select {
		case <-ctx.Done():
			return nil
		case <-d.server.Done():
		}
		log.Error().Err(d.server.Err()).Msg("the embedded database ended; starting it again")
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		err := d.server.Stop(ctx) // gives the data directory's lock back, which the new one takes
		var server *embedded.Server
		if err == nil {
			server, err = startEmbedded(ctx, c, log, false)
		}
		if err != nil {
			log.Error().Err(err).Msg("the embedded database doesn't start")
			pause = min(2*pause, 30*time.Second)
			continue
		}
		d.server, pause = server, time.Second
	}
	return nil
}
