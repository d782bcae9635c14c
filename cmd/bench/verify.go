package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// fact is a number in the database and what it has to be.
type fact struct {
	what string
	sql  string
	want int64
}

func check(ctx context.Context, db *sqlx.DB, facts []fact) error {
	var wrong []error
	for _, f := range facts {
		var got int64
		if err := db.GetContext(ctx, &got, f.sql); err != nil {
			return fmt.Errorf("%s: %w", f.what, err)
		}
		if got != f.want {
			wrong = append(wrong, fmt.Errorf("%s: %d, and not %d", f.what, got, f.want))
		}
	}
	return errors.Join(wrong...)
}

// verify compares what the platform acknowledged with what each module holds, to the last one.
func (p *platform) verify(ctx context.Context) error {
	if err := p.quiet(ctx); err != nil {
		return err
	}
	r := p.took
	counted := func(metric string) string {
		return fmt.Sprintf(`select coalesce(sum(count), 0)::bigint from analytics.daily where metric = '%s'`, metric)
	}
	return check(ctx, p.pg.platform, []fact{
		{"purchases", `select count(*) from customer.origin where type = 'Purchase'`, r.purchases},
		{"their subtotals", `select coalesce(sum(subtotal), 0)::bigint from customer.origin where type = 'Purchase'`, r.revenue},
		{"sign-ups", `select count(*) from customer.origin where type = 'AffiliateMember'`, r.advocates},
		{"visits", `select count(*) from referral.visit`, r.visits},
		{"friend offers", `select count(*) from referral.friend_offer`, r.visits},
		{"referrals", `select count(*) from referral.referral where status = 'approved'`, r.matched},
		{"rewards", `select count(*) from referral.reward`, r.matched},
		{"rewards without a referral", `select count(*) from referral.reward w where not exists (select from referral.referral r where (r.site_id, r.id) = (w.site_id, w.referral_id))`, 0},
		{"transactions of points", `select count(*) from loyalty.txn where kind = 'earn' and reason = 'reward'`, r.matched},
		{"all transactions of points", `select count(*) from loyalty.txn`, r.matched},
		{"entries", `select count(*) from loyalty.entry`, 2 * r.matched},
		{"sum of the entries", `select coalesce(sum(amount), 0)::bigint from loyalty.entry`, 0},
		{"transactions that don't add up to zero", `select count(*) from (select from loyalty.entry group by site_id, txn_id having sum(amount) <> 0) t`, 0},
		{"points of the members", `select coalesce(sum(balance), 0)::bigint from loyalty.account where owner_id is not null`, rewardPoints * r.matched},
		{"accounts that differ from their entries", `
			select count(*) from loyalty.account a left join (select site_id, account_id, sum(amount) as sum from loyalty.entry group by 1, 2) e
				on (e.site_id, e.account_id) = (a.site_id, a.id) where a.balance <> coalesce(e.sum, 0)`, 0},
		{"messages", `select count(*) from notify.message`, r.matched},
		{"purchases that analytics counted", counted("total_sales"), r.purchases},
		{"their amount", `select coalesce(sum(sum), 0)::bigint from analytics.daily where metric = 'total_sales'`, r.revenue},
		{"visits that analytics counted", counted("visits"), r.visits},
		{"referrals that analytics counted", counted("talkable_sales"), r.matched},
		{"rewards that analytics counted", counted("total_rewards"), r.matched},
		{"points that analytics counted", `select coalesce(sum(sum), 0)::bigint from analytics.daily where metric = 'points_earned'`, rewardPoints * r.matched},
	})
}

// verifyYardstick sees to it that pgbench, too, did what it says.
func verifyYardstick(ctx context.Context, db *sqlx.DB) error {
	return check(ctx, db, []fact{
		{"sum of the yardstick's entries", `select coalesce(sum(amount), 0)::bigint from bench.entry`, 0},
		{"the yardstick's rewards against its transactions", `select (select count(*) from bench.reward) - (select count(*) from bench.ledger_tx)`, 0},
		{"the yardstick's rewards against its referrals", `select (select count(*) from bench.reward) - (select count(*) from bench.referral)`, 0},
		{"the yardstick's rewards against its balances", `select (select coalesce(sum(points), 0) from bench.balance)::bigint - 500 * (select count(*) from bench.reward)`, 0},
		{"the yardstick's purchases against its rollup", `select (select count(*) from bench.purchase) - (select coalesce(sum(purchases), 0) from bench.rollup_hour)::bigint`, 0},
		{"more than a fifth of the yardstick's purchases without a reward", `select (5 * (select count(*) from bench.reward) < 4 * (select count(*) from bench.purchase))::int`, 0},
	})
}
