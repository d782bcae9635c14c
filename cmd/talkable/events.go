package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/migrations"
)

func eventsCommand(c *config) *cobra.Command {
	cmd := &cobra.Command{Use: "events", Short: "Look at the event logs, and at events that were put aside",
		Long: "A consumer that cannot handle an event parks it, and everything of its key behind it, and goes on with the rest. After the cause is\n" +
			"mended the parked events are replayed in their order."}
	parked := &cobra.Command{Use: "parked", Short: "List, show and replay parked events"}
	parked.AddCommand(parkedList(c), parkedShow(c), parkedReplay(c), parkedDiscard(c))
	cmd.AddCommand(eventsStatus(c), parked)
	return cmd
}

func eventsStatus(c *config) *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Show how far each consumer has heard each log", Args: cobra.NoArgs,
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, _ []string) error {
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(t, "LOG\tEVENTS\tCONSUMER\tHEARD\tBEHIND")
			for _, m := range migrations.Modules {
				head, err := p.tables[m].Head(ctx)
				if err != nil {
					return err
				}
				for _, consumer := range p.consumers {
					for _, source := range consumer.Sources() {
						if source != m {
							continue
						}
						seq, err := consumer.Cursor(ctx, source)
						if err != nil {
							return err
						}
						fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%d\n", m, head.Seq, consumer.Name(), seq, head.Seq-seq)
					}
				}
			}
			return t.Flush()
		})}
}

func parkedList(c *config) *cobra.Command {
	var limit int
	cmd := &cobra.Command{Use: "list", Short: "List parked events", Args: cobra.NoArgs,
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, _ []string) error {
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(t, "CONSUMER\tLOG\tSEQ\tKEY\tTYPE\tSITE\tERROR")
			n := 0
			for _, consumer := range p.consumers {
				events, err := consumer.Parked(ctx, limit)
				if err != nil {
					return err
				}
				for _, e := range events {
					n++
					fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%d\t%s\n", consumer.Name(), e.Source, e.Seq, e.Key, e.Type, e.Site, e.Error)
				}
			}
			if n == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing is parked")
				return nil
			}
			return t.Flush()
		})}
	cmd.Flags().IntVar(&limit, "limit", 100, "most events of each consumer")
	return cmd
}

func parkedShow(c *config) *cobra.Command {
	return &cobra.Command{Use: "show CONSUMER LOG SEQ", Short: "Show one parked event with its body and error", Args: cobra.ExactArgs(3),
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, args []string) error {
			consumer, err := p.consumer(args[0])
			if err != nil {
				return err
			}
			events, err := consumer.Parked(ctx, 100_000)
			if err != nil {
				return err
			}
			for _, e := range events {
				if e.Source == args[1] && strconv.FormatInt(e.Seq, 10) == args[2] {
					var body bytes.Buffer
					if err := json.Indent(&body, e.Payload, "", "  "); err != nil {
						body.Write(e.Payload)
					}
					fmt.Fprintf(cmd.OutOrStdout(), "type   %s\nsite   %d\nkey    %s\nat     %s\nerror  %s\n%s\n", e.Type, e.Site, e.Key, e.At, e.Error, body.String())
					return nil
				}
			}
			return fmt.Errorf("%s has no parked event %s of log %s", args[0], args[2], args[1])
		})}
}

func parkedReplay(c *config) *cobra.Command {
	return &cobra.Command{Use: "replay CONSUMER LOG KEY", Short: "Hand the parked events of a key to their consumer again, in order", Args: cobra.ExactArgs(3),
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, args []string) error {
			consumer, err := p.consumer(args[0])
			if err != nil {
				return err
			}
			n, err := consumer.Replay(ctx, args[1], args[2])
			if err != nil {
				return fmt.Errorf("nothing was changed: %w", err)
			}
			if n == 0 {
				return fmt.Errorf("%s has nothing parked of key %q in log %s; `talkable events parked list` shows what there is", args[0], args[2], args[1])
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d events replayed\n", n)
			return nil
		})}
}

func parkedDiscard(c *config) *cobra.Command {
	return &cobra.Command{Use: "discard CONSUMER LOG SEQ", Short: "Give up one parked event, so that those behind it can be replayed", Args: cobra.ExactArgs(3),
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, args []string) error {
			consumer, err := p.consumer(args[0])
			if err != nil {
				return err
			}
			seq, err := strconv.ParseInt(args[2], 10, 64)
			if err != nil {
				return fmt.Errorf("%q is no sequence number", args[2])
			}
			found, err := consumer.Discard(ctx, args[1], seq)
			if err == nil && !found {
				err = fmt.Errorf("%s has no parked event %d of log %s", args[0], seq, args[1])
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "discarded")
			return nil
		})}
}

func (p *platform) consumer(name string) (*bus.Consumer, error) {
	var names []string
	for _, c := range p.consumers {
		if c.Name() == name {
			return c, nil
		}
		names = append(names, c.Name())
	}
	return nil, fmt.Errorf("no consumer is called %q; there are %v", name, names)
}
