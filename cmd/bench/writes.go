package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// The lines of what campaigns write beside visits and purchases: claims, coupons, budgets, approvals. Each part has a platform of
// its own, with the campaigns that it takes, so that all that is in its database is what the part has asked for.

// fewSites are enough where a line isn't about many of them.
const fewSites = 10

// fewer are the pairs of these lines, which are many: but not one alone, if there are to be more.
func (b *bench) fewer() int { return max(min(b.o.pairs, 2), (b.o.pairs+1)/2) }

// apart lets a part have a new platform, whose campaigns say terms beside the usual.
func (b *bench) apart(ctx context.Context, name string, sites int, terms object, part func(p *platform) error) (err error) {
	p, err := startPlatform(ctx, b.pg, name, b.o.binary, "grouped")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	p.terms = terms
	if err := b.furnish(ctx, p, sites); err != nil {
		return err
	}
	if b.o.statements {
		if err := p.forgetStatements(ctx); err != nil {
			return err
		}
	}
	return part(p)
}

// noted tells what one of a part's main load cost and, if that is asked for, where the time of the part's statements went.
func (b *bench) noted(ctx context.Context, p *platform, what string, sum *weighed) error {
	b.report.note(what, "%s", sum)
	if !b.o.statements {
		return nil
	}
	return p.showStatements(ctx, &b.report, "of "+p.name, sum.all)
}

// measured lets a load run, and all that follows from it.
func (p *platform) measured(ctx context.Context, run func() (tally, error)) (r bought, err error) {
	before, err := p.used(ctx)
	if err != nil {
		return r, err
	}
	if r.tally, err = run(); err != nil {
		return r, err
	}
	done, err := p.settle(ctx)
	if err != nil {
		return r, err
	}
	after, err := p.used(ctx)
	if err != nil {
		return r, err
	}
	r.usage, r.settled = after.minus(before), float64(r.count)/done.Sub(r.began).Seconds()
	return r, p.quiet(ctx)
}

// rival is pgbench's side of a pair.
type rival struct {
	outcome
	others float64
}

func (b *bench) rival(ctx context.Context, script string) (r rival, err error) {
	r.outcome, r.others, err = b.yardstick(ctx, script, clients...)
	return r, err
}

// compare puts a pair to its line.
func (b *bench) compare(line string, ours float64, r bought, theirs rival, speed float64) {
	b.report.add(line, pair{ours, theirs.rate, theirs.clients, max(r.others(0), theirs.others), speed})
}

// weighed adds up what was measured, for the notes.
type weighed struct {
	bought
	all int64 // with the part's other loads
}

// add takes the main load, and others beside it.
func (w *weighed) add(r bought, others ...bought) {
	for _, o := range append(others, r) {
		w.all += o.count
	}
	w.count, w.times, w.usage = w.count+r.count, append(w.times, r.times...), w.plus(r.usage)
}

func (w *weighed) String() string {
	return fmt.Sprintf("%s; answered in %s (median), %s (p99)", cost(w.usage, w.count), milliseconds(w.quantile(0.5)), milliseconds(w.quantile(0.99)))
}

// holds compares what a part's platform acknowledged with what its modules hold, to the last one.
func (p *platform) holds(ctx context.Context, facts ...fact) error {
	if err := check(ctx, p.db, facts); err != nil {
		return fmt.Errorf("what the platform recorded in %s is not what it acknowledged:\n%w", p.name, err)
	}
	return nil
}

// ledger are the facts about points, of which there are so many rewards of so many each.
func ledger(rewards int64) []fact {
	return []fact{
		{"transactions of points", `select count(*) from loyalty.txn`, rewards},
		{"points of the members", `select coalesce(sum(balance), 0)::bigint from loyalty.account where owner_id is not null`, rewardPoints * rewards},
		{"entries", `select count(*) from loyalty.entry`, 2 * rewards},
		{"transactions that don't add up to zero", `select count(*) from (select from loyalty.entry group by site_id, txn_id having sum(amount) <> 0) t`, 0},
		{"accounts that differ from their entries", `select count(*) from loyalty.account a left join
			(select site_id, account_id, sum(amount) as sum, count(*) as n from loyalty.entry group by 1, 2) e on (e.site_id, e.account_id) = (a.site_id, a.id)
			where a.balance <> coalesce(e.sum, 0) or a.seq <> coalesce(e.n, 0)`, 0},
		{"messages", `select count(*) from notify.message where template = 'points_earned'`, rewards},
	}
}

// supply runs a statement of the yardstick's that makes what its next runs use up.
func supply(ctx context.Context, db *sqlx.DB, query string, args ...any) error {
	_, err := db.ExecContext(ctx, query, args...)
	return err
}
