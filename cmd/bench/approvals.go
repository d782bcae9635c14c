package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/talkable/talkable/internal/money"
)

const approvalsDatabase = "approvals"

// waitingOf are the referrals that wait for a second of approvals.
const waitingOf = 1500

// approvals measures how fast a shop approves referrals that wait for it, each with points and a commission; each tenth is voided.
func (b *bench) approvals(ctx context.Context) error {
	terms := object{"approval": object{"mode": "manual"}, "incentives": []object{
		{"identifier": "points", "action_type": "referrer", "kind": "points", "points": rewardPoints},
		{"identifier": "money", "action_type": "referrer", "kind": "commission", "percent": commissionPercent}}}
	return b.apart(ctx, approvalsDatabase, min(b.o.sites, fewSites), terms, func(p *platform) error {
		var a approved
		var sum weighed
		if err := a.wait(ctx, p, 10*connections); err != nil { // the first ones, so that the tables are no longer empty
			return err
		}
		if _, err := p.measured(ctx, func() (tally, error) { return a.judge(ctx, p) }); err != nil {
			return err
		}
		if err := p.ripen(ctx); err != nil {
			return err
		}
		for n := range b.fewer() {
			if err := a.wait(ctx, p, waitingOf*b.o.seconds); err != nil {
				return err
			}
			r, err := p.measured(ctx, func() (tally, error) { return a.judge(ctx, p) })
			if err != nil {
				return err
			}
			if err := supply(ctx, b.pg.yardstick, `select bench.hold($1)`, 8000*b.o.seconds*len(clients)); err != nil {
				return err
			}
			a1, err := b.rival(ctx, "approve.sql")
			if err != nil {
				return err
			}
			sum.add(r)
			speed := pace()
			b.compare("approvals / A1", r.rate(), r, a1, speed)
			b.compare("approvals settled / A1", r.settled, r, a1, speed)
			progress("approvals %d/%d: %.0f/s, settled %.0f/s, pgbench %.0f/s at %d clients, others %.0f %%", n+1, b.fewer(), r.rate(), r.settled, a1.rate, a1.clients,
				100*max(r.others(0), a1.others))
		}
		if err := b.noted(ctx, p, "an approval", &sum); err != nil {
			return err
		}
		return p.holds(ctx, append(ledger(a.approved), a.facts(p)...)...)
	})
}

const commissionPercent = 10

// waitingOrder is an order whose referral waits.
type waitingOrder struct {
	site   int
	number uint64
	sum    int64
}

// approved is what was decided, and what has not been yet.
type approved struct {
	waiting                  []waitingOrder
	approved, voided, earned int64
}

// wait lets friends buy until so many referrals wait.
func (a *approved) wait(ctx context.Context, p *platform, n int) error {
	if err := p.stock(ctx, 2*n, p.anySite, &p.pool); err != nil {
		return err
	}
	jobs := make([]*ordering, connections)
	_, err := drive(ctx, p.address, connections, 0, func(i int) job {
		jobs[i] = &ordering{buying: buying{platform: p, site: p.anySite, from: &p.pool, n: i}, left: n / connections}
		return jobs[i]
	})
	for _, j := range jobs {
		p.took.bought(&j.buying)
		a.waiting = append(a.waiting, j.made...)
	}
	if err != nil {
		return err
	}
	_, err = p.settle(ctx)
	return err
}

// ordering buys a number of things by friends, and keeps the numbers of the orders.
type ordering struct {
	buying
	left int
	made []waitingOrder
}

func (o *ordering) next(buf []byte) []byte {
	if o.left == 0 {
		return nil
	}
	o.left--
	return o.buying.next(buf)
}

func (o *ordering) done(r *response) error {
	again := o.last.again
	if err := o.buying.done(r); err != nil {
		return err
	}
	if o.last.known && !again {
		o.made = append(o.made, waitingOrder{o.last.site, o.last.number, o.last.sum})
	}
	return nil
}

// judge decides about all that wait, and counts what it decided.
func (a *approved) judge(ctx context.Context, p *platform) (tally, error) {
	jobs := make([]*judging, connections)
	for i := range jobs {
		jobs[i] = &judging{platform: p}
	}
	for i, o := range a.waiting {
		j := jobs[i%connections]
		j.todo = append(j.todo, o)
	}
	a.waiting = nil
	t, err := drive(ctx, p.address, connections, 0, func(i int) job { return jobs[i] })
	for _, j := range jobs {
		a.approved, a.voided, a.earned = a.approved+j.approved, a.voided+j.voided, a.earned+j.earned
	}
	return t, err
}

// judging approves referrals by their orders, and voids each tenth.
type judging struct {
	*platform
	todo                     []waitingOrder
	at                       waitingOrder
	status                   string
	n                        int
	approved, voided, earned int64
}

func (j *judging) next(buf []byte) []byte {
	if len(j.todo) == 0 {
		return nil
	}
	j.at, j.todo, j.status = j.todo[0], j.todo[1:], "approved"
	if j.n++; j.n%10 == 0 {
		j.status = "voided"
	}
	body := `{"data":{"status":"` + j.status + `"}}`
	buf = fmt.Appendf(buf, "PUT /api/v2/origins/T%x/referral HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: ",
		j.at.number, j.address, j.sites[j.at.site].key)
	buf = strconv.AppendInt(buf, int64(len(body)), 10)
	buf = append(buf, "\r\n\r\n"...)
	return append(buf, body...)
}

func (j *judging) done(r *response) error {
	if r.status != 200 || !bytes.Contains(r.body, []byte(`"status":"`+j.status+`"`)) {
		return r.unexpected("an approval")
	}
	if j.status == "voided" {
		j.voided++
		return nil
	}
	j.approved++
	j.earned += money.Percent(j.at.sum, 100*commissionPercent)
	return nil
}

// facts: what was approved has its rewards, and each commission is in the advocate's account, to the cent.
func (a *approved) facts(p *platform) []fact {
	referrals := func(status string) string {
		return `select count(*) from referral.referral where status = '` + status + `'`
	}
	return []fact{
		{"approved referrals", referrals("approved"), a.approved},
		{"voided referrals", referrals("voided"), a.voided},
		{"referrals that wait", referrals("pending"), p.took.matched - a.approved - a.voided},
		{"steps of approval", `select count(*) from referral.status_log where old = 'pending' and new = 'approved' and cause = 'manual'`, a.approved},
		{"decisions that are kept", `select count(*) from referral.audit where action in ('referral.approved', 'referral.voided')`, a.approved + a.voided},
		{"rewards", `select count(*) from referral.reward`, 2 * a.approved},
		{"rewards of points", `select coalesce(sum(points), 0)::bigint from referral.reward`, rewardPoints * a.approved},
		{"rewards of money", `select coalesce(sum(amount), 0)::bigint from referral.reward`, a.earned},
		{"commissions", `select coalesce(sum(amount), 0)::bigint from referral.commission where status = 'earned'`, a.earned},
		{"advocates' accounts", `select coalesce(sum(balance), 0)::bigint from referral.account`, a.earned},
		{"accounts that differ from their entries", `select count(*) from referral.account a left join
			(select site_id, person_id, currency, sum(amount) as sum, count(*) as n, max(seq) as last from referral.account_entry group by 1, 2, 3) e using (site_id, person_id, currency)
			where a.balance <> coalesce(e.sum, 0) or a.seq <> coalesce(e.n, 0) or a.seq <> coalesce(e.last, 0)`, 0},
		{"entries that no payout has taken", `select coalesce(sum(amount), 0)::bigint from referral.open_entry`, a.earned},
		{"approvals that analytics counted", `select coalesce(sum(count), 0)::bigint from analytics.daily where metric = 'talkable_sales'`, a.approved},
		{"rewards that analytics counted", `select coalesce(sum(count), 0)::bigint from analytics.daily where metric = 'total_rewards'`, 2 * a.approved},
	}
}
