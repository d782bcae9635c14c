package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	_ "embed"
)

var (
	//go:embed schema.sql
	yardstickSchema string
	//go:embed writes.sql
	writesSchema string
	//go:embed purchase.sql
	purchaseScript string
	//go:embed purchases.sql
	purchasesScript string
	//go:embed visit.sql
	visitScript string
	//go:embed post.sql
	postScript string
	//go:embed post_hot.sql
	postHotScript string
	//go:embed share.sql
	shareScript string
	//go:embed claim.sql
	claimScript string
	//go:embed coupon.sql
	couponScript string
	//go:embed coupon_hot.sql
	couponHotScript string
	//go:embed approve.sql
	approveScript string
)

var scripts = map[string]string{"purchase.sql": purchaseScript, "purchases.sql": purchasesScript, "visit.sql": visitScript,
	"post.sql": postScript, "post_hot.sql": postHotScript, "share.sql": shareScript, "claim.sql": claimScript}

// supplied are scripts that use up what was made for them.
var supplied = map[string]string{"coupon.sql": couponScript, "coupon_hot.sql": couponHotScript, "approve.sql": approveScript}

const setSize = 500 // purchases of a call in purchases.sql

// clients are the numbers of sessions that pgbench is tried with: which one is the best depends on the machine.
var clients = []int{8, 32, 64}

// pgbench runs scripts against the yardstick's database.
type pgbench struct {
	program string
	dir     string // of the scripts
	env     []string
	vars    []string
}

const yardstickVisits = 200_000

// newPgbench finds the program and makes the yardstick's tables.
func newPgbench(ctx context.Context, pg *database, o options) (*pgbench, error) {
	program := filepath.Join(pg.server.BinDir(), "pgbench")
	if _, err := os.Stat(program); err != nil {
		if program, err = exec.LookPath("pgbench"); err != nil {
			return nil, fmt.Errorf("pgbench is neither in %s nor on the PATH: install PostgreSQL's server or contrib package", pg.server.BinDir())
		}
	}
	address, err := url.Parse(pg.server.URL(yardstickDatabase))
	if err != nil {
		return nil, err
	}
	b := &pgbench{program: program, dir: pg.dir,
		env: append(os.Environ(), "PGHOST="+address.Query().Get("host"), "PGPORT="+address.Query().Get("port"),
			"PGUSER="+address.User.Username(), "PGDATABASE="+yardstickDatabase)}
	vars := map[string]int{"sites": o.sites, "people": o.people, "visits": yardstickVisits}
	schema := yardstickSchema + writesSchema
	for name, n := range vars {
		b.vars = append(b.vars, "-D", fmt.Sprintf("%s=%d", name, n))
		schema = strings.ReplaceAll(schema, "{"+name+"}", strconv.Itoa(n))
	}
	for _, all := range []map[string]string{scripts, supplied} {
		for name, text := range all {
			if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644); err != nil {
				return nil, err
			}
		}
	}
	if _, err := pg.yardstick.ExecContext(ctx, schema); err != nil {
		return nil, fmt.Errorf("the yardstick's schema: %w", err)
	}
	return b, nil
}

// outcome is one run of pgbench.
type outcome struct {
	clients int
	rate    float64
	count   int64
	client  time.Duration // processor time of pgbench itself
}

// run lets n clients repeat the script for some seconds. A transaction that failed ends the run of bench.
func (b *pgbench) run(ctx context.Context, script string, n, seconds int) (outcome, error) {
	args := append([]string{"-n", "-M", "prepared", "-f", filepath.Join(b.dir, script), "-c", strconv.Itoa(n), "-j", "2", "-T", strconv.Itoa(seconds)}, b.vars...)
	cmd := exec.CommandContext(ctx, b.program, args...)
	cmd.Env = b.env
	text, err := cmd.CombinedOutput()
	if err != nil {
		return outcome{}, fmt.Errorf("pgbench: %w: %.600s", err, text)
	}
	out, err := parse(string(text))
	out.clients, out.client = n, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	return out, err
}

var (
	processed = regexp.MustCompile(`(?m)^number of transactions actually processed: (\d+)`)
	failed    = regexp.MustCompile(`(?m)^number of failed transactions: (\d+)`)
	tps       = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \((?:without initial connection time|excluding connections establishing)\)`)
)

// parse reads pgbench's report. The rate is that without the time of connecting, which favours pgbench.
func parse(text string) (out outcome, err error) {
	n, rate := processed.FindStringSubmatch(text), tps.FindStringSubmatch(text)
	if n != nil && n[1] == "0" { // too many clients to get ready in time
		return out, nil
	}
	if n == nil || rate == nil {
		return out, fmt.Errorf("pgbench reported no rate: %.600s", text)
	}
	if f := failed.FindStringSubmatch(text); f != nil && f[1] != "0" {
		return out, fmt.Errorf("%s transactions of pgbench failed", f[1])
	}
	if out.count, err = strconv.ParseInt(n[1], 10, 64); err != nil {
		return out, err
	}
	out.rate, err = strconv.ParseFloat(rate[1], 64)
	return out, err
}

// best tries the numbers of clients and returns the fastest.
func (b *pgbench) best(ctx context.Context, script string, seconds int, clients ...int) (best outcome, err error) {
	for _, n := range clients {
		out, err := b.run(ctx, script, n, seconds)
		if err != nil {
			return best, err
		}
		if out.rate > best.rate {
			best = out
		}
	}
	if best.rate <= 0 {
		err = fmt.Errorf("pgbench did nothing in %d s of %s: is the machine too busy?", seconds, script)
	}
	return best, err
}
