package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/blueprint"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/importer"
	"github.com/talkable/talkable/internal/loyalty"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
)

func backtestCommand(c *config) *cobra.Command {
	b := &backtestRun{}
	cmd := &cobra.Command{Use: "backtest", Short: "Play past orders by another loyalty programme, and say what it would have cost", Args: cobra.NoArgs,
		Long: `Plays what people bought and returned by a programme that nobody has started, or by two side by side: points, tiers, multipliers, redemptions,
refunds and expiry, each upon the others, as the platform would have decided them. Nothing is written to the database. It says cost, liability by
month, breakage, tiers, and who would win and lose, as a page (report.html), JSON and CSV. The same input gives the same bytes.

Orders come from a site's books (--site; one programme is then compared with the one in force), or from a file that "talkable import purchases"
could read (--orders; needs neither platform nor database). A programme is a file as "talkable programme" has it, of which only the section
"programme" counts.

How members would spend their points nobody knows. --redeem says what is taken for granted:
  historic   they spend what they really spent, when they did, where they have that much (the default for a site)
  when N     they spend all whole multiples of N points as soon as they have them
  never      nobody spends anything (the default for a file)`,
		Example: "  talkable backtest --site shop --programme new.yaml --from 2025-11-01 --to 2026-10-31\n" +
			"  talkable backtest --orders orders.csv --currency EUR --zone Europe/Berlin --programme a.yaml --programme b.yaml --redeem 'when 500'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if b.slug == "" {
				return b.fromFile(cmd)
			}
			return beside(c, b.fromSite)(cmd, args)
		}}
	f := cmd.Flags()
	f.StringArrayVar(&b.programmes, "programme", nil, "a file with a programme; two are compared")
	f.StringVar(&b.slug, "site", "", "take the orders of this site")
	f.StringVar(&b.orders, "orders", "", "take the orders of this file")
	f.StringVar(&b.format, "format", importer.Auto, "of the file: csv, ndjson, cdnow, or auto")
	f.StringVar(&b.currency, "currency", "USD", "of the programmes, with --orders")
	f.StringVar(&b.zone, "zone", "UTC", "in which days begin, with --orders")
	f.StringVar(&b.ask.From, "from", "", "first day, as 2026-01-01 (default: of the first order)")
	f.StringVar(&b.ask.To, "to", "", "last day (default: of the last order)")
	f.StringVar(&b.ask.Redeem, "redeem", "", "how members spend points: historic, when N, or never")
	f.StringVar(&b.ask.Worth, "point-value", "", "what points cost when they are spent: so many, so much (default: what the site's books say for the last day, else 100=1.00)")
	f.BoolVar(&b.ask.Opening, "opening", false, "members begin with what they had on the first day, instead of nothing; with --site")
	b.ask.GoAhead = new(int)
	f.IntVar(b.ask.GoAhead, "go-ahead-days", 14, "when points that wait for an event are taken to get it, after the order")
	f.IntVar(&b.workers, "workers", runtime.GOMAXPROCS(0), "people who are played at once")
	f.StringVar(&b.out, "out", "backtest", "the folder to write report.html, report.json, months.csv and people.csv into; - prints the JSON only")
	_ = cmd.MarkFlagRequired("programme") // the flag exists
	cmd.MarkFlagsMutuallyExclusive("site", "orders")
	cmd.MarkFlagsOneRequired("site", "orders")
	cmd.MarkFlagsMutuallyExclusive("opening", "orders")
	return cmd
}

// backtestRun is a backtest as it was asked for.
type backtestRun struct {
	programmes                           []string
	slug, orders, format, currency, zone string
	out                                  string
	workers                              int
	ask                                  loyalty.BacktestAsk
	shop                                 site.Site
	drafts                               []loyalty.Draft
}

// fromFile plays orders of a file. There is no platform.
func (b *backtestRun) fromFile(cmd *cobra.Command) error {
	zone, err := time.LoadLocation(b.zone)
	if err != nil {
		return fmt.Errorf("--zone %s: %w", b.zone, err)
	}
	if _, ok := money.Digits(b.currency); !ok {
		return fmt.Errorf("--currency %s is none of ISO 4217", b.currency)
	}
	b.shop = site.Site{ID: 1, Currency: b.currency, Zone: zone}
	if b.ask.Redeem == "" {
		b.ask.Redeem = hindsight.Never
	}
	if err := b.readDrafts(); err != nil {
		return err
	}
	history, err := b.readOrders(cmd)
	if err != nil {
		return err
	}
	in, err := b.ask.Input(b.shop, b.drafts, history)
	if err != nil {
		return flagged(err)
	}
	return b.play(cmd, in)
}

// fromSite plays the orders of a site.
func (b *backtestRun) fromSite(ctx context.Context, p *platform, cmd *cobra.Command, _ []string) error {
	s, err := p.gateway.SiteBySlug(ctx, b.slug)
	if err != nil {
		return plain(err)
	}
	if b.shop, err = s.Tenant(); err != nil {
		return err
	}
	if err := b.readDrafts(); err != nil {
		return err
	}
	if b.drafts, err = p.points.Beside(ctx, b.shop, b.drafts); err != nil {
		return err
	}
	in, err := p.points.InputOf(ctx, b.shop, b.drafts, b.ask)
	if err != nil {
		return flagged(err)
	}
	return b.play(cmd, in)
}

// flagged says of an error which flags it is about.
func flagged(err error) error {
	f, ok := fault.Of(err)
	if !ok {
		return err
	}
	var all []error
	for _, x := range f.Fields {
		all = append(all, fmt.Errorf("--%s: %s", strings.ReplaceAll(strings.TrimPrefix(x.Pointer, "/"), "_", "-"), x.Detail))
	}
	if len(all) == 0 {
		return plain(err)
	}
	return errors.Join(all...)
}

// readDrafts reads the programmes.
func (b *backtestRun) readDrafts() error {
	if n := len(b.programmes); n > 2 {
		return fmt.Errorf("%d programmes are too many: one, or two that are compared", n)
	}
	for i, path := range b.programmes {
		label := sourceName(path)
		if i == 1 && label == b.drafts[0].Label {
			label += " (2)"
		}
		d, err := readDraft(label, path, b.shop)
		if err != nil {
			return err
		}
		b.drafts = append(b.drafts, d)
	}
	return nil
}

// readDraft reads a programme from a file, and says where in it something is wrong.
func readDraft(label, path string, shop site.Site) (loyalty.Draft, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return loyalty.Draft{}, err
	}
	file, err := blueprint.Read(text)
	if err != nil {
		return loyalty.Draft{}, fmt.Errorf("%s: %w", path, err)
	}
	body, ok := file.Programme()
	if !ok {
		return loyalty.Draft{}, fmt.Errorf("%s has no section programme", path)
	}
	d, err := loyalty.ReadDraft(label, body, shop)
	if f, ok := fault.Of(err); ok {
		var all blueprint.Findings
		for _, x := range f.Fields {
			pointer := "/programme" + x.Pointer
			all = append(all, blueprint.Finding{Pointer: pointer, What: x.Detail, Position: file.At(pointer)})
		}
		if err = all; len(all) == 0 {
			err = plain(f)
		}
	}
	if err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// play plays what was read, and writes the report.
func (b *backtestRun) play(cmd *cobra.Command, in loyalty.BacktestInput) error {
	in.Workers = b.workers
	m := newMeter(cmd.ErrOrStderr(), "backtest")
	in.Progress = m.count
	began := clock.System()
	r, err := loyalty.Backtest(cmd.Context(), in)
	m.done()
	if err != nil {
		return err
	}
	if b.out == "-" {
		return r.JSON(cmd.OutOrStdout())
	}
	if err := b.write(r); err != nil {
		return err
	}
	return b.tell(cmd.OutOrStdout(), r, clock.System().Sub(began))
}

// write makes the files of the report.
func (b *backtestRun) write(r *hindsight.Report) error {
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	for name, write := range map[string]func(io.Writer) error{"report.html": r.HTML, "report.json": r.JSON, "months.csv": r.MonthsCSV, "people.csv": r.PeopleCSV} {
		file, err := os.Create(filepath.Join(b.out, name))
		if err != nil {
			return err
		}
		if err := errors.Join(write(file), file.Close()); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// tell prints what matters most.
func (b *backtestRun) tell(w io.Writer, r *hindsight.Report, took time.Duration) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	for _, line := range r.Lines() {
		fmt.Fprintf(table, "%s\t\n", strings.Join(line, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if c := r.Change; c != nil {
		fmt.Fprintf(w, "\n%d people have more, %d less, for %d nothing changes.\n", c.Winners.People, c.Losers.People, c.Same)
	}
	_, err := fmt.Fprintf(w, "\n%s\nPlayed %d orders of %d people in %s. See %s, with what is assumed.\n", r.Notice, r.Input.Orders+r.Input.Events, r.Input.People,
		took.Round(10*time.Millisecond), filepath.Join(b.out, "report.html"))
	return err
}
