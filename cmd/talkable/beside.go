package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/gateway"
)

// beside gives a command the platform without its listeners. It works next to a running `serve` as well as alone.
func beside(c *config, fn func(ctx context.Context, p *platform, cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		ctx := cmd.Context()
		log, err := newLog(c, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		dbs, err := connect(ctx, c, log, true)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, dbs.close(context.WithoutCancel(ctx))) }()
		now, err := gateway.TimeBeside(ctx, dbs.pools["gateway"], clock.System)
		if err != nil {
			return err
		}
		p, err := build(ctx, c, dbs, now, log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.closeSinks()) }()
		return fn(ctx, p, cmd, args)
	}
}

// working runs fn while this process takes part in the platform's work, and settles before it returns.
func (p *platform) working(ctx context.Context, fn func(ctx context.Context) error, progress func(left int64)) error {
	return p.alive(ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil {
			return err
		}
		return p.settle(ctx, progress)
	})
}

// alive runs fn while this process takes part in the platform's work.
func (p *platform) alive(ctx context.Context, fn func(ctx context.Context) error) error {
	work, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan error, 1)
	go func() { stopped <- p.run(work) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- fn(ctx) }()
	select {
	case err := <-done:
		stop()
		return errors.Join(err, <-stopped)
	case err := <-stopped:
		cancel(err)
		<-done
		if err == nil {
			err = ctx.Err()
		}
		return fmt.Errorf("the work stopped: %w", err)
	}
}
