package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// nightly is the part that is measured only when it is asked for: it fills databases of its own, and takes as long as the timers need.
const nightly = "nightly"

// nights measures a ledger of the scale's size: what the timers do in a night, what is read, and what one hot account takes. It stands beside one with a few
// entries, so that what grows with the ledger is seen.
func (b *bench) nights(ctx context.Context, pg *database) (err error) {
	var sides [2]*platform
	for i, name := range []string{ledgerDatabase, sparseDatabase} {
		if sides[i], err = openLedger(ctx, pg, b.o, name); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, sides[i].stop()) }()
	}
	if err := pg.assertDurable(ctx); err != nil {
		return err
	}
	for _, measure := range []func(context.Context, [2]*platform) error{b.reads, b.night, b.reversal, b.oneAccount} {
		if err := measure(ctx, sides); err != nil {
			return err
		}
	}
	b.report.note("ledger", "%s", ledgers(b.o)[1].scale)
	for _, p := range sides {
		if err := check(ctx, p.db, p.intact()); err != nil {
			return fmt.Errorf("database %s: %w", p.name, err)
		}
	}
	return nil
}

// openLedger serves a ledger.
func openLedger(ctx context.Context, pg *database, o options, name string) (p *platform, err error) {
	if p, err = startPlatform(ctx, pg, name, o.binary, "grouped"); err != nil {
		return nil, err
	}
	var rows []struct {
		SiteID  int64  `db:"site_id"`
		Slug    string `db:"slug"`
		Key     string `db:"key"`
		Program int64  `db:"program_id"`
		Members int64  `db:"members"`
	}
	if err := p.db.SelectContext(ctx, &rows, `select site_id, slug, key, program_id, members from bench.site order by n`); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	for _, r := range rows {
		p.sites = append(p.sites, shop{slug: r.Slug, key: r.Key, id: r.SiteID, program: r.Program, members: r.Members})
	}
	return p, nil
}

// intact are sums that hold whatever was done.
func (p *platform) intact() []fact {
	first := fmt.Sprint(p.sites[0].id)
	return []fact{
		{"sum of the accounts", `select coalesce(sum(balance), 0)::bigint from loyalty.account`, 0},
		{"members' balances against their open lots", `select (select sum(balance) from loyalty.account where site_id = ` + first + ` and coalesce(owner_id, pending_of) is not null)::bigint
			- (select sum(remaining) from loyalty.lot where site_id = ` + first + ` and remaining > 0)::bigint`, 0},
		{"lots that are due still", `select count(*) from loyalty.lot where remaining > 0 and expires_at <= now() - interval '5 minutes'`, 0},
		{"parked events", `select count(*) from loyalty.park`, 0},
	}
}

// chore is a thing that the timers do.
type chore struct {
	line string
	kind string // in the metric of how long it takes
	pick string // twice what a night has of a site ($1) with so many members ($2): what would be due next
	due  string // has these ($2) of a site ($1) be due
	left string // how many of them are due still
	bare string // writes for these what the timers would write, in one statement; it is rolled back
}

// A day's part of the lots and of what is pending; and, of the members whose tiers time changes, those that are two in a hundred of all.
var chores = []chore{
	{line: "expired / bare", kind: "expire",
		pick: `select id from loyalty.lot where site_id = $1 and remaining > 0 and expires_at > now() + interval '1 hour' order by expires_at limit 2 * greatest(20, $2 * 10 / 365)`,
		due:  `update loyalty.lot set expires_at = now() where site_id = $1 and id = any ($2)`,
		left: `select count(*) from loyalty.lot where site_id = $1 and id = any ($2) and remaining > 0`,
		bare: bareMoves("expire", "expired", `update loyalty.lot l set remaining = 0, expired = l.expired + l.remaining from due where l.site_id = due.site_id and l.id = due.id`)},
	{line: "activated / bare", kind: "activate",
		pick: `select id from loyalty.lot where site_id = $1 and pending and remaining > 0 and activates_at > now() + interval '1 hour' order by activates_at limit 2 * greatest(10, $2 / 1000)`,
		due:  `update loyalty.lot set activates_at = now() where site_id = $1 and id = any ($2)`,
		left: `select count(*) from loyalty.lot where site_id = $1 and id = any ($2) and pending`,
		bare: bareMoves("activate", "issued", `update loyalty.lot l set pending = null, activates_at = null, account_id = l.account_id - 10000000, expires_at = now() + interval '1 year' from due where l.site_id = due.site_id and l.id = due.id`)},
	{line: "tiers / bare", kind: "tier",
		pick: `select id from loyalty.member where site_id = $1 and tier_due_at > now() + interval '1 hour' order by tier_due_at limit 2 * greatest(10, $2 / 50)`,
		due:  `update loyalty.member set tier_due_at = now() where site_id = $1 and id = any ($2)`,
		left: `select count(*) from loyalty.member where site_id = $1 and id = any ($2) and tier_due_at <= now()`,
		bare: `update loyalty.member m set tier_due_at = now() + interval '1 day', earned = m.earned + 0 * q.earned
			from (select u.id, sum(d.earned) as earned from unnest($2::bigint[]) u (id)
				cross join lateral (select * from loyalty.merit_day d where d.site_id = $1 and d.member_id = u.id and d.day >= current_date - 365 offset 0) d group by 1) q
			where m.site_id = $1 and m.id = q.id`},
}

// bareMoves is the statement that moves the points of lots: it reads them with their accounts, and writes lots, accounts, transactions, entries and allocations.
func bareMoves(kind, against, lots string) string {
	return `with due as (
			select l.site_id, l.id, l.remaining, l.account_id, a.seq, a.balance, coalesce(a.owner_id, a.pending_of) as member_id, nextval('loyalty.txn_id_seq') as txn_id,
				row_number() over (partition by l.account_id order by l.id) as nth, sum(l.remaining) over (partition by l.account_id order by l.id) as upto,
				row_number() over (order by l.id) as own
			from unnest($2::bigint[]) u (id)
			cross join lateral (select * from loyalty.lot l where l.site_id = $1 and l.id = u.id offset 0) l
			cross join lateral (select * from loyalty.account a where a.site_id = $1 and a.id = l.account_id offset 0) a
		), lots as (` + lots + `
		), accounts as (
			update loyalty.account a set balance = a.balance - s.points, seq = a.seq + s.n
			from (select account_id, sum(remaining) as points, count(*) as n from due group by 1) s where a.site_id = $1 and a.id = s.account_id
		), txns as (
			insert into loyalty.txn (site_id, id, member_id, kind, source, reason, points, earn_id, rule, effective_at, recorded_at)
			select site_id, txn_id, member_id, '` + kind + `', 'bare:' || txn_id, 'purchase', remaining, id, '{"rule":"bare","earn_id":' || id || ',"granted":100}', now(), now() from due
		), entries as (
			insert into loyalty.entry (site_id, txn_id, account_id, asset, amount, seq, balance_after)
			select site_id, txn_id, account_id, 'points', -remaining, seq + nth, balance - upto from due
			union all
			select d.site_id, d.txn_id, a.id, 'points', d.remaining, a.seq + d.own, 0 from due d
				join loyalty.account a on a.site_id = $1 and a.name = '` + against + `' and a.owner_id is null and a.pending_of is null
		)
		insert into loyalty.allocation (site_id, lot_id, txn_id, amount) select site_id, id, txn_id, remaining from due`
}

// night has things be due that the timers find, in each round others, and compares how fast they are done with the same writes as one statement. In the last
// round the program is killed meanwhile, and goes on.
func (b *bench) night(ctx context.Context, sides [2]*platform) error {
	p := sides[0]
	site := p.sites[0]
	rounds := min(b.o.pairs, 3)
	for n := range rounds {
		ids, bare := make([]pq.Int64Array, len(chores)), make([]float64, len(chores))
		for i, c := range chores {
			var all pq.Int64Array
			if err := p.db.SelectContext(ctx, &all, c.pick, site.id, site.members); err != nil {
				return fmt.Errorf("%s: %w", c.line, err)
			}
			others := all[len(all)/2:] // whose pages nobody has read before, either
			ids[i] = all[:len(all)/2]
			took, err := p.rolledBack(ctx, c.bare, site.id, others)
			if err != nil {
				return fmt.Errorf("%s: %w", c.line, err)
			}
			bare[i] = float64(len(others)) / took.Seconds()
		}
		before, err := p.used(ctx)
		if err != nil {
			return err
		}
		from, err := p.postingSeconds(ctx)
		if err != nil {
			return err
		}
		for i, c := range chores {
			if _, err := p.db.ExecContext(ctx, c.due, site.id, ids[i]); err != nil {
				return fmt.Errorf("%s: %w", c.line, err)
			}
		}
		if n == rounds-1 && n > 0 {
			return b.interrupted(ctx, p, ids)
		}
		if err := p.allDone(ctx, ids, 0); err != nil {
			return err
		}
		to, err := p.postingSeconds(ctx)
		if err != nil {
			return err
		}
		after, err := p.used(ctx)
		if err != nil {
			return err
		}
		others, speed := after.minus(before).others(0), pace()
		for i, c := range chores {
			count, took := float64(len(ids[i])), to[c.kind]-from[c.kind]
			b.report.add(c.line, pair{count / took, bare[i], 0, others, speed})
			progress("night %d/%d: %s: %.0f in %.2f s, %.0f/s; bare %.0f/s; others %.0f %%", n+1, rounds, c.kind, count, took, count/took, bare[i], 100*others)
		}
		if err := p.quiet(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rolledBack times a statement that leaves nothing behind.
func (p *platform) rolledBack(ctx context.Context, query string, args ...any) (time.Duration, error) {
	tx, err := p.db.BeginTxx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }() // that is what it is for
	began := time.Now()
	_, err = tx.ExecContext(ctx, query, args...)
	return time.Since(began), err
}

// allDone waits until the timers have done all but so many of each of their first chores.
func (p *platform) allDone(ctx context.Context, ids []pq.Int64Array, but int64) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for i := range ids {
		for {
			var left int64
			if err := p.db.GetContext(ctx, &left, chores[i].left, p.sites[0].id, ids[i]); err != nil {
				return fmt.Errorf("wait for the timers (%s): %w", chores[i].kind, err)
			}
			if left <= but {
				break
			}
			if err := p.pause(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// interrupted kills the program while the timers work, starts it again, and waits until all is done: nothing is left out or done twice, which intact looks at.
func (b *bench) interrupted(ctx context.Context, p *platform, ids []pq.Int64Array) error {
	if err := p.allDone(ctx, ids[:1], int64(len(ids[0])/2)); err != nil {
		return err
	}
	if err := p.serve.Process.Kill(); err != nil {
		return err
	}
	<-p.ended
	p.ended = make(chan struct{})
	began := time.Now()
	if err := p.start(ctx); err != nil {
		return err
	}
	if err := p.allDone(ctx, ids, 0); err != nil {
		return err
	}
	var twice int64
	err := p.db.GetContext(ctx, &twice, `select count(*) from (select from loyalty.txn where site_id = $1 and kind = 'expire' and earn_id = any ($2) group by earn_id having count(*) <> 1) x`,
		p.sites[0].id, ids[0])
	if err == nil && twice > 0 {
		err = fmt.Errorf("%d lots expired twice, or not at all", twice)
	}
	b.report.note("a night that was interrupted", "killed when half the lots had expired; all was done %s after the program was started again, each once", time.Since(began).Round(100*time.Millisecond))
	return err
}

// reversal takes back what expired today, and compares with the statement that expires as many.
func (b *bench) reversal(ctx context.Context, sides [2]*platform) error {
	p := sides[0]
	site := p.sites[0]
	from, err := p.postingSeconds(ctx)
	if err != nil {
		return err
	}
	before, err := p.used(ctx)
	if err != nil {
		return err
	}
	var answer struct{}
	path := "/api/v2/loyalty/expiry_runs/" + time.Now().UTC().Format(time.DateOnly)
	began := time.Now()
	if err := p.call(ctx, site.key, "POST", path+"/reverse", object{"grace_days": 30, "note": "The bench was only trying"}, &answer); err != nil {
		return err
	}
	asked := time.Since(began)
	limit, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	var done struct {
		Transactions int64 `db:"transactions"`
		Points       int64 `db:"points"`
		Over         bool  `db:"over"`
	}
	for !done.Over {
		if err := p.db.GetContext(limit, &done, `select transactions, points, done_at is not null as over from loyalty.expiry_reversal where site_id = $1 order by id desc limit 1`, site.id); err != nil {
			return fmt.Errorf("wait for the reversal: %w", err)
		}
		if err := p.pause(limit, 100*time.Millisecond); err != nil {
			return err
		}
	}
	to, err := p.postingSeconds(ctx)
	if err != nil {
		return err
	}
	after, err := p.used(ctx)
	if err != nil {
		return err
	}
	var ids pq.Int64Array
	if err := p.db.SelectContext(ctx, &ids, chores[0].pick, site.id, site.members); err != nil {
		return err
	}
	bare, err := p.rolledBack(ctx, chores[0].bare, site.id, ids)
	if err != nil {
		return err
	}
	took := to["reinstate"] - from["reinstate"]
	rate := float64(done.Transactions) / took
	b.report.add("reversed / bare", pair{rate, float64(len(ids)) / bare.Seconds(), 0, after.minus(before).others(0), pace()})
	b.report.note("a reversal", "answered in %s; %d lots of %d points in %.1f s", milliseconds(asked), done.Transactions, done.Points, took)
	progress("reversed %d lots in %.2f s, %.0f/s", done.Transactions, took, rate)
	return p.quiet(ctx)
}
