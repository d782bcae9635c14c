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
	"syscall"
)

const help = `bench measures talkable against PostgreSQL's own pgbench and prints ratios.

It starts a PostgreSQL of its own in a temporary directory (fsync, synchronous_commit and full_page_writes on, and checked), builds
talkable, runs "talkable serve" on it, and makes sites, keys, campaigns, programmes and advocates by its commands and its API.
Then it measures, each against its yardstick in turn (A B A B …), and prints the median ratio, the least and the greatest:

  purchases / L1   POST /api/v2/origins on 64 connections, each a new order of a new friend, nine in ten of whom opened a link
                   before; answered after the commit. L1 is pgbench with the same writes in one call of a PL/pgSQL function per
                   transaction (schema.sql), the best of 8, 32 and 64 clients.                                      floor %.1f
  settled / L1     the same purchases, but timed until everything that follows from them is there: referral, reward, points in
                   the ledger, the message in the queue, the counts of analytics; every cursor at its log's head.   floor %.1f
  visits / K1      GET /x/{code} on 64 connections, each by a new visitor with a browser's name; answered after the commit. K1 is
                   pgbench with one insert of the visit's row per transaction, the best of 8, 32 and 64 clients.    floor %.1f
  visits / static  the same against a handler that answers 302 and knows nothing.                                  floor %.1f
  alone / L1       purchases while the consumers' cursors are locked, so that nothing follows from them yet.          no floor
  backlog / L1     purchases that were recorded meanwhile: how many a second all consumers together catch up with, once they may
                   go on.                                                                                          no floor

and, for information, at 100 purchases a second: the time of the answer, and until the points are in the ledger; processor time and
write-ahead log of a purchase; the memory of serve. Memory and processor time are read from /proc (Linux).

A line under its floor is marked, and makes the exit status 1. So does an answer other than the expected one, a count or a sum in
the database that isn't what was acknowledged, or an acknowledgement while the table was locked. A pair in which other programs
took more than a tenth of the machine is left out where at least three others remain; else the line is marked with a ~.

pgbench comes with PostgreSQL's server or contrib package. One run takes some five minutes, with -short about one.

`

type options struct {
	pairs, seconds, sites, people int
	short, keep, statements       bool
	dir, bin, binary, only        string
}

func main() {
	var o options
	flag.IntVar(&o.pairs, "pairs", 5, "`number` of pairs of each line")
	flag.IntVar(&o.seconds, "seconds", 4, "`seconds` of each measurement of a pair")
	flag.IntVar(&o.sites, "sites", 50, "`number` of sites, on both sides")
	flag.IntVar(&o.people, "people", 200, "`number` of advocates of each site, on both sides")
	flag.BoolVar(&o.short, "short", false, "about a minute: 3 pairs of 1 second, 10 sites")
	flag.StringVar(&o.only, "only", "", "measure one `part`: visits, purchases or latency")
	flag.StringVar(&o.dir, "dir", "", "parent `directory` of the temporary data; it must be on a disk (default: the system's)")
	flag.StringVar(&o.bin, "postgres-bin", "", "`folder` of PostgreSQL's programs (default: searched)")
	flag.StringVar(&o.binary, "binary", "", "a talkable `file` to measure (default: built from this source)")
	flag.BoolVar(&o.keep, "keep", false, "keep the data and the logs")
	flag.BoolVar(&o.statements, "statements", false, "load pg_stat_statements and show where the database's time went")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), help, floorPurchases, floorSettled, floorVisits, floorStatic)
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "bench: %q is no flag; --help lists them\n", flag.Arg(0))
		os.Exit(2)
	}
	if o.short {
		given := map[string]bool{}
		flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
		for name, set := range map[string]func(){"pairs": func() { o.pairs = 3 }, "seconds": func() { o.seconds = 1 }, "sites": func() { o.sites = 10 }} {
			if !given[name] {
				set()
			}
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

var errUnder = errors.New("under the floor")
