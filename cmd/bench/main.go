// Command bench measures the platform against PostgreSQL itself, in one run on one machine.
//
// An absolute rate says more of the machine and of its other work than of the code, so nothing is judged by it: every line is a
// ratio of two rates that were measured seconds apart, with the settings that make a commit durable, and repeated in pairs. The
// program that is measured is the real one, over HTTP; what it recorded is counted and added up in its database afterwards.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

const help = `bench measures talkable against PostgreSQL's own pgbench and prints ratios.

It starts a PostgreSQL of its own in a temporary directory (fsync, synchronous_commit and full_page_writes on, and checked), builds
talkable, runs "talkable serve" on it, and makes sites, keys, campaigns, programmes and advocates by its commands and its API.
Then it measures, each against its yardstick in turn (A B A B …), and prints the median ratio, the least and the greatest:

%s
The first of a hundred sites has a seventh of the load, the last a thousandth. Nine in ten purchases are by a visitor who opened a
link, one in twenty by the e-mail address of a friend who did, one in twenty by somebody else; two in a hundred are told twice. The
yardstick draws its purchases in the same way.

For information: the time of the answers, processor time (the load's own too) and write-ahead log of an item, the memory of serve.
Processor time and memory are read from /proc (Linux).

A line under its floor is marked, and makes the exit status 1. So does an answer other than the expected one, a count or a sum in
the database that isn't what was acknowledged, an acknowledgement while the table was locked, or more of them than the flushes of
the log can cover. A pair in which other programs took more than a tenth of the machine, or in which its pace differed by more than
a tenth, is left out where at least three others remain; else the line is marked with a ~.

The part nightly is measured only when -only names it. It fills a ledger of as many entries as the scale says, and waits for timers that look once a minute.

The filled database is loaded by statements that draw whole sets; -scale says how much, and -cache keeps it for the next run:

%s
pgbench comes with PostgreSQL's server or contrib package. One run takes some twenty minutes, with -short five to ten.

`

type options struct {
	pairs, seconds, sites, people           int
	short, keep, statements, json, generate bool
	dir, bin, binary, cache                 string
	against, profiles                       string
	scale                                   scale
	only                                    wanted
}

func main() {
	var o options
	var only, size string
	flag.IntVar(&o.pairs, "pairs", 5, "`number` of pairs of each line")
	flag.IntVar(&o.seconds, "seconds", 2, "`seconds` of each measurement of a pair")
	flag.IntVar(&o.sites, "sites", 100, "`number` of sites, on both sides")
	flag.IntVar(&o.people, "people", 100, "`number` of advocates of each site, on both sides")
	flag.BoolVar(&o.short, "short", false, "five to ten minutes: 2 pairs of 1 second, 20 sites with 50 advocates each, -scale small")
	flag.StringVar(&only, "only", "", "measure these `parts` or lines alone (their names' beginnings, with commas)")
	flag.StringVar(&size, "scale", "medium", "`size` of the filled database")
	flag.StringVar(&o.cache, "cache", "", "`directory` that keeps the filled database for the next run of the same scale")
	flag.BoolVar(&o.generate, "generate", false, "make the filled database and stop; wants -cache")
	flag.StringVar(&o.dir, "dir", "", "parent `directory` of the temporary data; it must be on a disk (default: the system's)")
	flag.StringVar(&o.bin, "postgres-bin", "", "`folder` of PostgreSQL's programs (default: searched)")
	flag.StringVar(&o.binary, "binary", "", "a talkable `file` to measure (default: built from this source)")
	flag.StringVar(&o.against, "against", "", "another talkable `file`: compare what a visit and a purchase cost either, and measure nothing else")
	flag.StringVar(&o.profiles, "profiles", "", "`directory` for Go's profiles of serve under visits and under purchases")
	flag.BoolVar(&o.keep, "keep", false, "keep the data and the logs")
	flag.BoolVar(&o.json, "json", false, "print the report as JSON")
	flag.BoolVar(&o.statements, "statements", false, "load pg_stat_statements and show where the database's time went")
	flag.Usage = func() {
		var lines, sizes strings.Builder
		explain(&lines)
		for _, s := range scales {
			fmt.Fprintf(&sizes, "  %s\n", s)
		}
		fmt.Fprintf(flag.CommandLine.Output(), help, &lines, &sizes)
		flag.PrintDefaults()
	}
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.short {
		for name, set := range map[string]func(){"pairs": func() { o.pairs = 2 }, "seconds": func() { o.seconds = 1 }, "sites": func() { o.sites = 20 },
			"people": func() { o.people = 50 }, "scale": func() { size = "small" }} {
			if !given[name] {
				set()
			}
		}
	}
	if err := o.check(only, size); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v; --help explains\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// check reads what the flags name.
func (o *options) check(only, size string) (err error) {
	if flag.NArg() > 0 {
		return fmt.Errorf("%q is no flag", flag.Arg(0))
	}
	if o.pairs < 1 || o.seconds < 1 || o.sites < 1 || o.people < 1 {
		return errors.New("-pairs, -seconds, -sites and -people must be at least 1")
	}
	if o.generate && o.cache == "" {
		return errors.New("-generate wants -cache, to keep what it makes")
	}
	if o.scale, err = scaleOf(size); err != nil {
		return err
	}
	if o.only, err = parseWanted(only); err == nil && o.only.part(nightly) && slices.ContainsFunc(entries, func(e entry) bool { return e.part != nightly && o.only.line(e.name) }) {
		err = errors.New("-only nightly goes alone: it has databases of its own")
	}
	return err
}

var errUnder = errors.New("a line is under its floor")
