package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/importer"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// ofCustomer is an import into module customer.
func ofCustomer(take func(ctx context.Context, m importer.Books, file io.ReadSeeker, o importer.Options) (importer.Summary, error)) importFunc {
	return func(ctx context.Context, p *platform, file io.ReadSeeker, o importer.Options) (importer.Summary, error) {
		return take(ctx, p.customer, file, o)
	}
}

// importAdjustments asks one module who people are, and another for their points.
func importAdjustments(ctx context.Context, p *platform, file io.ReadSeeker, o importer.Options) (importer.Summary, error) {
	return importer.Adjustments(ctx, struct {
		*customer.Module
		pointMover
	}{p.customer, p.points}, file, o)
}

// movedIn is an import of what a site had elsewhere: of people and orders one module is asked, of what came of them another.
func movedIn(take func(ctx context.Context, m importer.House, file io.ReadSeeker, o importer.Options) (importer.Summary, error)) importFunc {
	return func(ctx context.Context, p *platform, file io.ReadSeeker, o importer.Options) (importer.Summary, error) {
		return take(ctx, struct {
			customerBooks
			referralBooks
		}{p.customer, p.referrals}, file, o)
	}
}

// customerBooks and referralBooks are what the two modules do for that.
type customerBooks interface {
	SavePeople(ctx context.Context, s site.Site, in []customerapi.Identity, at *customer.Checkpoint) ([]postgres.Result[customer.SavedPerson], error)
	ImportOrigins(ctx context.Context, s site.Site, in []customerapi.Origin, at *customer.Checkpoint) ([]postgres.Result[customerapi.Recorded], error)
	Orders(ctx context.Context, siteID int64, numbers []string) (map[string]customerapi.Order, error)
	Pasts(ctx context.Context, siteID int64, asked []customerapi.Moment) ([]customerapi.Past, error)
}

type referralBooks interface {
	TakeAdvocates(ctx context.Context, s site.Site, source string, rows []referralapi.MovedAdvocate) ([]postgres.Result[bool], error)
	TakeReferrals(ctx context.Context, s site.Site, source string, rows []referralapi.MovedReferral) ([]postgres.Result[bool], error)
	TakeRewards(ctx context.Context, s site.Site, source string, rows []referralapi.MovedReward) ([]postgres.Result[bool], error)
	TakeBalances(ctx context.Context, s site.Site, source string, rows []referralapi.MovedBalance) ([]postgres.Result[bool], error)
}

// pointMover is what module loyalty does for an import.
type pointMover interface {
	AdjustAll(ctx context.Context, siteID int64, rows []loyaltyapi.BulkRow, expect string, keyID int64, key idempotency.Key) (loyaltyapi.Bulk, bool, error)
}

func importCommand(c *config) *cobra.Command {
	cmd := &cobra.Command{Use: "import", Short: "Take in purchase histories, people and adjustments of points from files",
		Long: `Reads files of any size in constant memory and writes them through the same code as the API, with every effect: points, tiers, counts.
It works beside a running "talkable serve" as well as alone. An import that was interrupted goes on where it stopped; one that is run
again changes nothing. Rows that can't be taken stand in FILE.errors.csv with their line and the reason.`}
	cmd.AddCommand(
		importFile(c, "purchases", "orders and events", ofCustomer(importer.Purchases), `Columns (CSV: named in the first line; NDJSON: members; order doesn't matter):
  order_number           unique in the site for ever; or event_category and event_number
  email, customer_id     who bought; one of them, or phone_number
  subtotal, currency     decimal amount; the site's currency if none is named
  date                   when (created_at and order_date mean the same); without a zone it is the site's
  first_name, last_name, username, coupon_codes (;-separated), campaign_tags, traffic_source, segment1…3, utm_source…,
  uuid, ip_address, shipping_address, shipping_zip, card_hash, custom_properties.NAME

The format of the CDNOW data set is recognised too. It has no order numbers: an order's number is the file's name and the line's.`),
		importFile(c, "people", "people", ofCustomer(importer.People), `Columns: email, customer_id, phone_number (one of them), username, first_name, last_name, custom_properties.NAME,
existing_customer (true or false: whether the person had bought before; an empty cell says nothing). With --existing-customers all in the file
had, but for those of whom it says false. They count as existing customers wherever new ones are told from them.`),
		importFile(c, "adjustments", "adjustments of points by hand", importAdjustments, `Columns: email, customer_id, phone_number or username (who; one of them), points (below zero: taken), note, counts_for_tier (true or false), expires_at,
reference (unique in the site for ever; without it the file's name and the line: a file that changed needs another name).
A row is applied once, whatever was interrupted and repeated: POST /loyalty/adjustments says how. With --dry-run each 500 rows are tried upon what members have now.`),
		importFile(c, "advocates", "advocates of another platform, with their old links and codes", movedIn(importer.Advocates), `Columns: email, customer_id, phone_number or username (who; one of them), first_name, last_name, campaign_id (or --campaign for all), date (since when),
link         the old address, as https://refer.shop.example/ann: leads to the advocate's offer once its name points to this server
code         that friends type at checkout; the campaign gives its advocates codes (attribution.personal_coupons)
name         of the link /by/NAME
Who has several links or codes has several rows. A row that is refused for one of these keeps the others.`+movedFrom),
		importFile(c, "referrals", "referrals that were made on another platform", movedIn(importer.Referrals), `Columns: external_id (the other's number; unique in its --source), advocate_email or advocate_customer_id, email or customer_id (the friend), first_name,
last_name, order_number (empty: there was no order), subtotal, currency, date, status (approved, pending, voided, blocked; empty: approved), campaign_id (or --campaign).
An order that is here already under its number stays as it is; another one is recorded as import purchases would. Nothing follows from the referral itself: no
reward, no mail, no webhook. It counts for milestones, limits and leaderboards. One that is pending waits for a person, and is rewarded here when it is approved.`+movedFrom),
		importFile(c, "rewards", "unused coupons of another platform", movedIn(importer.Rewards), `Columns: external_id, referral_id (the external_id of its referral, which was imported before, with the same --source), side (advocate or friend; empty: advocate), code,
coupon_list_id (whose worth it has; or --coupon-list for all; a list of its own keeps the forecast of others right), date (when it was issued), expires_at.`+movedFrom),
		importFile(c, "balances", "unpaid commissions of another platform", movedIn(importer.Balances), `Columns: email, customer_id, phone_number or username (who; one of them), amount (below zero: owed), currency, note, external_id (empty: one balance a person and currency).
An entry of the append-only account of commissions; the next payout pays it.`+movedFrom))
	return cmd
}

// movedFrom is what all files of other platforms have in common.
const movedFrom = `

With --from talkable, friendbuy or dub the columns are called as there; docs/moving_from.md says how, and in which order. Run twice it changes nothing.`

type importFunc func(ctx context.Context, p *platform, file io.ReadSeeker, o importer.Options) (importer.Summary, error)

func importFile(c *config, what, rows string, take importFunc, columns string) *cobra.Command {
	var slug, format, report string
	var dryRun, existing bool
	var from, source string
	var campaign, list int64
	cmd := &cobra.Command{
		Use:     what + " FILE",
		Short:   "Take in " + rows,
		Long:    "Takes in " + rows + ". An empty FILE.errors.csv is not left behind.\n\n" + columns,
		Example: "  talkable import " + what + " " + what + ".csv --site demo\n  talkable import " + what + " " + what + ".csv --site demo --dry-run",
		Args:    cobra.ExactArgs(1),
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, args []string) error {
			run := &importRun{p: p, path: args[0], what: what, take: take, out: cmd.OutOrStdout(), report: report}
			run.meter = newMeter(cmd.ErrOrStderr(), filepath.Base(args[0]))
			if from != "" && !slices.Contains(importer.Presets(), from) {
				return fmt.Errorf("--from %s: it is known how %s write their files", from, strings.Join(importer.Presets(), ", "))
			}
			run.options = importer.Options{Name: sourceName(args[0]), Format: format, DryRun: dryRun, Existing: existing, Progress: run.meter.rows,
				From: from, Source: source, Campaign: campaign, CouponList: list}
			return run.do(ctx, slug)
		}),
	}
	cmd.Flags().StringVar(&slug, "site", "", "the site's slug")
	_ = cmd.MarkFlagRequired("site") // the flag exists
	cmd.Flags().StringVar(&format, "format", importer.Auto, "csv, ndjson, cdnow, or auto")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "read and check everything, write nothing")
	if what == "people" {
		cmd.Flags().BoolVar(&existing, "existing-customers", false, "who is in the file had bought before")
	}
	if slices.Contains([]string{"advocates", "referrals", "rewards", "balances"}, what) {
		cmd.Flags().StringVar(&from, "from", "", "whose columns the file has: talkable, friendbuy or dub; ours if left out")
		cmd.Flags().StringVar(&source, "source", "", "where the numbers in external_id are from (default --from, or moved)")
	}
	switch what {
	case "advocates", "referrals":
		cmd.Flags().Int64Var(&campaign, "campaign", 0, "the campaign of rows that name none")
	case "rewards":
		cmd.Flags().Int64Var(&list, "coupon-list", 0, "the coupon list of rows that name none")
	}
	cmd.Flags().StringVar(&report, "report", "", "where rows that can't be taken are listed (default FILE.errors.csv)")
	return cmd
}

// sourceName is what a file is called in order numbers and checkpoints: its name without folder and ending.
func sourceName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

type importRun struct {
	p          *platform
	path, what string
	take       importFunc
	options    importer.Options
	report     string
	meter      *meter
	out        io.Writer
}

func (r *importRun) do(ctx context.Context, slug string) error {
	s, err := r.p.gateway.SiteBySlug(ctx, slug)
	if err != nil {
		return plain(err)
	}
	if r.options.Site, err = s.Tenant(); err != nil {
		return err
	}
	file, err := os.Open(r.path)
	if err != nil {
		return err
	}
	defer file.Close()
	report := &lazyFile{path: r.report}
	if report.path == "" {
		report.path = r.path + ".errors.csv"
	}
	r.options.Report = report
	began := clock.System()
	var sum importer.Summary
	var read time.Duration
	work := func(ctx context.Context) (err error) {
		sum, err = r.take(ctx, r.p, file, r.options)
		read = clock.System().Sub(began)
		r.meter.done()
		return err
	}
	if r.options.DryRun {
		err = work(ctx)
	} else {
		err = r.p.working(ctx, work, r.meter.left)
		r.meter.done()
	}
	if closed := report.close(); err == nil {
		err = closed
	}
	r.tell(sum, read, clock.System().Sub(began), report)
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted: the same command goes on from here")
	}
	return err
}

func (r *importRun) tell(sum importer.Summary, read, all time.Duration, report *lazyFile) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(r.out, "%-12s "+format+"\n", append([]any{name}, args...)...)
	}
	line("read", "%d %s (%s)", sum.Read, r.what, sum.Format)
	if sum.Skipped > 0 {
		line("skipped", "%d that an interrupted run had taken in", sum.Skipped)
	}
	if r.options.DryRun {
		line("would take", "%d", sum.New)
	} else {
		line("new", "%d", sum.New)
	}
	if sum.Changed > 0 {
		line("changed", "%d", sum.Changed)
	}
	line("unchanged", "%d", sum.Unchanged)
	line("failed", "%d", sum.Failed)
	if sum.Failed > 0 {
		line("", "see %s", report.path)
	}
	currencies := make([]string, 0, len(sum.Sum))
	for code := range sum.Sum {
		currencies = append(currencies, code)
	}
	sort.Strings(currencies)
	for _, code := range currencies {
		line("sum", "%s %s", money.Format(sum.Sum[code], code), code)
	}
	if sum.Given+sum.Taken > 0 {
		line("points", "%d given, %d taken", sum.Given, sum.Taken)
	}
	if len(sum.Ignored) > 0 {
		line("ignored", "columns that mean nothing here: %s", strings.Join(sum.Ignored, ", "))
	}
	line("took", "%s to write (%.0f rows/s), %s until every effect was there", read.Round(10*time.Millisecond),
		float64(sum.Read)/max(read.Seconds(), 0.001), all.Round(10*time.Millisecond))
}

// lazyFile is made when the first thing is written to it, so that a clean import leaves no empty report.
type lazyFile struct {
	path string
	file *os.File
}

func (l *lazyFile) Write(b []byte) (int, error) {
	if l.file == nil {
		var err error
		if l.file, err = os.Create(l.path); err != nil {
			return 0, fmt.Errorf("report of failed rows: %w (--report chooses another place)", err)
		}
	}
	return l.file.Write(b)
}

func (l *lazyFile) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
