package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

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

// mark is how far a database went before this run: the last numbers, and what was counted.
type mark struct {
	Origin      int64 `db:"origin"`
	Visit       int64 `db:"visit"`
	FriendOffer int64 `db:"friend_offer"`
	Referral    int64 `db:"referral"`
	Reward      int64 `db:"reward"`
	Txn         int64 `db:"txn"`
	Message     int64 `db:"message"`
	Points      int64 `db:"points"`

	Sales      int64 `db:"sales"`
	Revenue    int64 `db:"revenue"`
	Visits     int64 `db:"visits"`
	Referrals  int64 `db:"referrals"`
	Rewards    int64 `db:"rewards"`
	Earned     int64 `db:"earned"`
	VisitsFrom string
}

// remember notes where the database stands.
func (p *platform) remember(ctx context.Context) error {
	counted := func(metric string) string {
		return fmt.Sprintf(`(select coalesce(sum(count), 0)::bigint from analytics.daily where metric = '%s')`, metric)
	}
	last := func(sequence string) string {
		return fmt.Sprintf(`(select case when is_called then last_value else 0 end from %s)`, sequence)
	}
	err := p.db.GetContext(ctx, &p.mark, `select `+last("customer.origin_id_seq")+` as origin, `+last("referral.visit_id")+` as visit, `+
		last("referral.friend_offer_id_seq")+` as friend_offer, `+last("referral.referral_id_seq")+` as referral, `+
		last("referral.reward_id_seq")+` as reward, `+last("loyalty.txn_id_seq")+` as txn, `+last("notify.message_id_seq")+` as message,
		(select coalesce(sum(balance), 0)::bigint from loyalty.account where owner_id is not null) as points, `+
		counted("total_sales")+` as sales, (select coalesce(sum(sum), 0)::bigint from analytics.daily where metric = 'total_sales') as revenue, `+
		counted("visits")+` as visits, `+counted("talkable_sales")+` as referrals, `+counted("total_rewards")+` as rewards,
		(select coalesce(sum(sum), 0)::bigint from analytics.daily where metric = 'points_earned') as earned`)
	if err != nil {
		return err
	}
	return p.db.GetContext(ctx, &p.mark.VisitsFrom, `select to_char(now(), 'YYYY-MM-DD HH24:MI:SS.USOF')`)
}

// verify compares what the platform acknowledged with what each module holds, to the last one.
func (p *platform) verify(ctx context.Context) error {
	if err := p.quiet(ctx); err != nil {
		return err
	}
	r, m := p.took, p.mark
	count := func(from string, last int64, where string) string {
		return fmt.Sprintf(`select count(*) from %s where id > %d %s`, from, last, where)
	}
	counted := func(metric string) string {
		return fmt.Sprintf(`select coalesce(sum(count), 0)::bigint from analytics.daily where metric = '%s'`, metric)
	}
	entries := fmt.Sprintf(` from loyalty.entry where txn_id > %d `, m.Txn)
	err := check(ctx, p.db, []fact{
		{"purchases", count("customer.origin", m.Origin, `and type = 'Purchase'`), r.purchases},
		{"their subtotals", strings.Replace(count("customer.origin", m.Origin, `and type = 'Purchase'`), "count(*)", "coalesce(sum(subtotal), 0)::bigint", 1), r.revenue},
		{"sign-ups", count("customer.origin", m.Origin, `and type = 'AffiliateMember'`), r.signUps},
		{"visits", count("referral.visit", m.Visit, `and visited_at >= '`+m.VisitsFrom+`'`), r.visits},
		{"friend offers", count("referral.friend_offer", m.FriendOffer, ``), r.visits},
		{"referrals", count("referral.referral", m.Referral, `and status = 'approved'`), r.matched},
		{"rewards", count("referral.reward", m.Reward, ``), r.matched},
		{"rewards without a referral", count("referral.reward w", m.Reward, `and not exists (select from referral.referral r where (r.site_id, r.id) = (w.site_id, w.referral_id))`), 0},
		{"transactions of points", count("loyalty.txn", m.Txn, `and kind = 'earn' and reason = 'reward'`), r.matched},
		{"all transactions of points", count("loyalty.txn", m.Txn, ``), r.matched + r.adjusted + r.redeemed},
		{"adjustments", count("loyalty.txn", m.Txn, `and kind = 'adjust'`), r.adjusted},
		{"redemptions", count("loyalty.redemption", m.Txn, ``), r.redeemed},
		{"entries", `select count(*)` + entries, 2 * (r.matched + r.adjusted + r.redeemed)},
		{"sum of the entries", `select coalesce(sum(amount), 0)::bigint` + entries, 0},
		{"transactions that don't add up to zero", `select count(*) from (select` + entries + `group by site_id, txn_id having sum(amount) <> 0) t`, 0},
		{"points of the members", `select coalesce(sum(balance), 0)::bigint from loyalty.account where owner_id is not null`, m.Points + rewardPoints*r.matched + r.given - r.spent},
		{"accounts that differ from their entries", `
			with moved as (select site_id, account_id, sum(amount) as sum, count(*) as n, min(seq) as first` + entries + `group by 1, 2)
			select count(*) from moved m join loyalty.account a on (a.site_id, a.id) = (m.site_id, m.account_id)
			join loyalty.entry f on (f.site_id, f.account_id, f.seq) = (m.site_id, m.account_id, m.first)
			where a.balance <> f.balance_after - f.amount + m.sum or a.seq <> m.first + m.n - 1`, 0},
		{"messages", count("notify.message", m.Message, `and template = 'points_earned'`), r.matched},
		{"purchases that analytics counted", counted("total_sales"), m.Sales + r.purchases},
		{"their amount", `select coalesce(sum(sum), 0)::bigint from analytics.daily where metric = 'total_sales'`, m.Revenue + r.revenue},
		{"visits that analytics counted", counted("visits"), m.Visits + r.visits},
		{"referrals that analytics counted", counted("talkable_sales"), m.Referrals + r.matched},
		{"rewards that analytics counted", counted("total_rewards"), m.Rewards + r.matched},
		{"points that analytics counted", `select coalesce(sum(sum), 0)::bigint from analytics.daily where metric = 'points_earned'`, m.Earned + rewardPoints*r.matched},
	})
	if err != nil {
		return fmt.Errorf("what the platform recorded in %s is not what it acknowledged:\n%w", p.name, err)
	}
	return nil
}

// verifyYardstick sees to it that pgbench, too, did what it says.
func verifyYardstick(ctx context.Context, db *sqlx.DB) error {
	return check(ctx, db, []fact{
		{"sum of the yardstick's entries", `select coalesce(sum(amount), 0)::bigint from bench.entry`, 0},
		{"the yardstick's rewards against its transactions", `select (select count(*) from bench.reward) - (select count(*) from bench.ledger_tx where kind = 'reward')`, 0},
		{"the yardstick's transactions against its entries", `select 2 * (select count(*) from bench.ledger_tx) - (select count(*) from bench.entry)`, 0},
		{"the yardstick's rewards against its referrals", `select (select count(*) from bench.reward) - (select count(*) from bench.referral)`, 0},
		{"the yardstick's rewards against its messages", `select (select count(*) from bench.reward) - (select count(*) from bench.notification where template = 'points_earned')`, 0},
		{"the yardstick's entries against its balances", `select (select coalesce(sum(points), 0) from bench.balance)::bigint - (select coalesce(sum(amount), 0) from bench.entry where account <> 0)::bigint`, 0},
		{"the yardstick's purchases against its rollup", `select (select count(*) from bench.purchase) - (select coalesce(sum(purchases), 0) from bench.rollup_hour)::bigint`, 0},
		{"the yardstick's purchases against its outbox", `select 2 * (select count(*) from bench.purchase) - (select count(*) from bench.outbox where type in ('purchase', 'reward'))`, 0},
		{"the yardstick's shares against their links and messages", `select 2 * (select count(*) from bench.share) - (select count(*) from bench.share_link) - (select count(*) from bench.outbox where type = 'share')`, 0},
		{"the yardstick's claims against its friend offers and people", `select 2 * (select count(*) from bench.claim) - (select count(*) from bench.friend_offer) - (select count(*) from bench.person)`, 0},
		{"the yardstick's coupons that were handed out against its rewards", `select (select count(*) from bench.coupon c join bench.click_reward w on (w.site, w.coupon, w.id, w.person) = (c.site, c.id, c.reward, c.person)
			where c.issued_at is not null) - (select count(*) from bench.click_reward)`, 0},
		{"the yardstick's coupons that were handed out against its stock", `select (select count(*) from bench.coupon where issued_at is not null) - (select coalesce(sum(issued), 0)::bigint from bench.coupon_stock)`, 0},
		{"the yardstick's approvals against their rewards", `select 2 * (select count(*) from bench.held where status = 'approved') - (select count(*) from bench.given)`, 0},
		{"the yardstick's commissions against its purses", `select (select coalesce(sum(worth), 0) from bench.given where kind = 'commission')::bigint - (select coalesce(sum(balance), 0) from bench.purse)::bigint`, 0},
		{"the yardstick's purses against their entries", `select (select coalesce(sum(balance), 0) from bench.purse)::bigint - (select coalesce(sum(amount), 0) from bench.purse_entry)::bigint`, 0},
		{"more than a tenth of the yardstick's purchases without a reward", `select (10 * (select count(*) from bench.reward) < 9 * (select count(*) from bench.purchase))::int`, 0},
	})
}
