package main

import (
	"cmp"
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
	f.StringVar(&b.from, "from", "", "first day, as 2026-01-01 (default: of the first order)")
	f.StringVar(&b.to, "to", "", "last day (default: of the last order)")
	f.StringVar(&b.redeem, "redeem", "", "how members spend points: historic, when N, or never")
	f.StringVar(&b.worth, "point-value", "", "what points cost when they are spent: so many, so much (default: what the site's books say for the last day, else "+usualWorth+")")
	f.IntVar(&b.goAhead, "go-ahead-days", 14, "when points that wait for an event are taken to get it, after the order")
	f.IntVar(&b.workers, "workers", runtime.GOMAXPROCS(0), "people who are played at once")
	f.StringVar(&b.out, "out", "backtest", "the folder to write report.html, report.json, months.csv and people.csv into; - prints the JSON only")
	_ = cmd.MarkFlagRequired("programme") // the flag exists
	cmd.MarkFlagsMutuallyExclusive("site", "orders")
	cmd.MarkFlagsOneRequired("site", "orders")
	return cmd
}

// backtestRun is a backtest as it was asked for.
type backtestRun struct {
	programmes                           []string
	slug, orders, format, currency, zone string
	from, to, redeem, worth, out         string
	goAhead, workers                     int
	shop                                 site.Site
	drafts                               []loyalty.Draft
	history                              *hindsight.History
	people                               loyalty.People
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
	if b.redeem == "" {
		b.redeem = hindsight.Never
	}
	if err := b.readDrafts(); err != nil {
		return err
	}
	if b.history, err = b.readOrders(cmd); err != nil {
		return err
	}
	return b.play(cmd)
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
	if b.redeem == "" {
		b.redeem = hindsight.Historic
	}
	if err := b.readDrafts(); err != nil {
		return err
	}
	if len(b.drafts) == 1 {
		now, err := p.points.DraftInForce(ctx, b.shop)
		if _, none := fault.Of(err); err != nil && !none {
			return err
		} else if err == nil {
			b.drafts = []loyalty.Draft{now, b.drafts[0]}
		}
	}
	b.people = p.customer
	if b.history, err = b.pastOf(ctx, p); err != nil {
		return err
	}
	if b.worth == "" {
		if b.worth, err = b.worthOf(ctx, p); err != nil {
			return err
		}
	}
	return b.play(cmd)
}

// worthOf is what points are worth in a site's books on the last day; "": nobody has said.
func (b *backtestRun) worthOf(ctx context.Context, p *platform) (string, error) {
	_, until, err := b.span()
	if err != nil {
		return "", err
	}
	v, err := p.points.PointValueOn(ctx, b.shop.ID, until.Add(-1).Format(time.DateOnly))
	if err != nil || v == nil || v.Currency != b.shop.Currency {
		return "", err
	}
	return fmt.Sprintf("%d=%s", v.Points, money.Format(v.Amount, v.Currency)), nil
}

// pastOf reads what a site's people did.
func (b *backtestRun) pastOf(ctx context.Context, p *platform) (*hindsight.History, error) {
	until := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	if b.to != "" {
		last, err := b.day("to", b.to)
		if err != nil {
			return nil, err
		}
		until = last.AddDate(0, 0, 1)
	}
	h := &hindsight.History{Source: "the site's books"}
	if err := p.customer.PastOrders(ctx, b.shop.ID, until, h.Take); err != nil {
		return nil, err
	}
	if err := p.customer.PastRefunds(ctx, b.shop.ID, until, h.TakeRefund); err != nil {
		return nil, err
	}
	return h, p.points.PastRedemptions(ctx, b.shop.ID, until, h.TakeRedemption)
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

// day is the beginning of a day of the shop.
func (b *backtestRun) day(flag, text string) (time.Time, error) {
	t, err := time.ParseInLocation(time.DateOnly, text, b.shop.Zone)
	if err != nil {
		return t, fmt.Errorf("--%s %s must be a day, as 2026-01-31", flag, text)
	}
	return t, nil
}

// span is from the beginning of the first day to the end of the last one.
func (b *backtestRun) span() (from, until time.Time, err error) {
	first, last, some := b.history.Span()
	if !some {
		return from, until, errNoOrders
	}
	begin := func(t time.Time) time.Time {
		year, month, day := t.In(b.shop.Zone).Date()
		return time.Date(year, month, day, 0, 0, 0, 0, b.shop.Zone)
	}
	from, until = begin(first), begin(last)
	if b.from != "" {
		if from, err = b.day("from", b.from); err != nil {
			return from, until, err
		}
	}
	if b.to != "" {
		if until, err = b.day("to", b.to); err != nil {
			return from, until, err
		}
	}
	if until.Before(from) {
		return from, until, errors.New("--to is before --from")
	}
	if until.After(from.AddDate(mostYears, 0, 0)) {
		return from, until, fmt.Errorf("%s to %s is more than %d years: choose --from and --to", from.Format(time.DateOnly), until.Format(time.DateOnly), mostYears)
	}
	return from, until.AddDate(0, 0, 1), nil
}

const (
	mostYears  = 100
	usualWorth = "100=1.00"
)

var errNoOrders = errors.New("there are no orders to play")

// play plays what was read, and writes the report.
func (b *backtestRun) play(cmd *cobra.Command) error {
	in := loyalty.BacktestInput{Shop: b.shop, Drafts: b.drafts, History: b.history, People: b.people, Workers: b.workers}
	var err error
	if in.Terms.Redeem, err = hindsight.ParseRedeem(b.redeem); err != nil {
		return fmt.Errorf("--redeem: %w", err)
	}
	if in.Terms.Worth, err = hindsight.ParseWorth(cmp.Or(b.worth, usualWorth), b.shop.Currency); err != nil {
		return fmt.Errorf("--point-value: %w", err)
	}
	if in.Terms.GoAhead = b.goAhead; b.goAhead < 0 || b.goAhead > 3650 {
		return errors.New("--go-ahead-days must be 0 to 3650")
	}
	if in.From, in.Until, err = b.span(); err != nil {
		return err
	}
	if b.history.Keep(in.From, in.Until); len(b.history.People) == 0 {
		return errNoOrders
	}
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
