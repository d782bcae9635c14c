package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// TestFilledDatabase fills a small one and asks whether it is such as the platform itself would have made, and goes on in it.
func TestFilledDatabase(t *testing.T) {
	o := options{sites: 7, people: 20, pairs: 1, seconds: 1}
	var err error
	if o.scale, err = scaleOf("tiny"); err != nil {
		t.Fatal(err)
	}
	pg, err := startDatabase(t.Context(), pgtest.Dir(t), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := pg.stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := fill(t.Context(), pg, o, crowded(o)); err != nil {
		t.Fatal(err)
	}
	db, err := pg.use(t.Context(), filledDatabase)
	if err != nil {
		t.Fatal(err)
	}
	const none = 0
	daily := func(metric, what string) string {
		return `select (select coalesce(sum(` + what + `), 0)::bigint from analytics.daily where metric = '` + metric + `')`
	}
	if err := check(t.Context(), db, []fact{
		{"people too few", `select (count(*) < 1990)::int from customer.person`, none},
		{"visits too few", `select (count(*) < 3900)::int from referral.visit`, none},
		{"entries too few", `select (count(*) < 9900)::int from loyalty.entry`, none},
		{"transactions that don't add up to zero", `select count(*) from (select from loyalty.entry group by site_id, txn_id having sum(amount) <> 0 or count(*) <> 2) t`, none},
		{"accounts that differ from their entries", `select count(*) from loyalty.account a left join
			(select site_id, account_id, sum(amount) as sum, count(*) as n, max(seq) as last from loyalty.entry group by 1, 2) e on (e.site_id, e.account_id) = (a.site_id, a.id)
			where a.balance <> coalesce(e.sum, 0) or a.seq <> coalesce(e.n, 0) or a.seq <> coalesce(e.last, 0)`, none},
		{"breaks in the chains of entries", `select count(*) from (select seq, amount, balance_after, lag(seq, 1, 0::bigint) over w as s, lag(balance_after, 1, 0::bigint) over w as b
			from loyalty.entry window w as (partition by site_id, account_id order by seq)) x where seq <> s + 1 or balance_after <> b + amount`, none},
		{"sites whose accounts don't add up to zero", `select count(*) from (select from loyalty.account group by site_id having sum(balance) <> 0) t`, none},
		{"balances that are not their lots'", `select count(*) from loyalty.account a left join (select site_id, account_id, sum(remaining) as sum from loyalty.lot group by 1, 2) l
			on (l.site_id, l.account_id) = (a.site_id, a.id) where owner_id is not null and a.balance <> coalesce(l.sum, 0)`, none},
		{"members that differ from their accounts", `select count(*) from loyalty.member m full join loyalty.account a on (a.site_id, a.owner_id) = (m.site_id, m.id)
			where (a.owner_id is not null or a.id is null) and m.earned is distinct from a.balance`, none},
		{"transactions of points against their rewards", `select (select count(*) from loyalty.txn t join referral.reward w on (w.site_id, w.id) = (t.site_id, t.reward_id)
			and t.source = 'reward:' || w.id and t.points = w.points) - (select count(*) from referral.reward where kind = 'points')`, none},
		{"rewards against referrals", `select (select count(*) from referral.reward w join referral.referral r on (r.site_id, r.id) = (w.site_id, w.referral_id) and r.advocate_id = w.person_id where w.kind = 'points') - (select count(*) from referral.referral)`, none},
		{"referrals against origins, offers and friend offers", `select (select count(*) from referral.referral r
			join customer.origin c on (c.site_id, c.id, c.person_id) = (r.site_id, r.origin_id, r.friend_id)
			join referral.offer o on (o.site_id, o.id, o.person_id) = (r.site_id, r.offer_id, r.advocate_id)
			join referral.friend_offer f on (f.site_id, f.offer_id, f.visitor_id) = (r.site_id, r.offer_id, c.visitors[1])
			join referral.status_log l on (l.site_id, l.referral_id, l.new) = (r.site_id, r.id, r.status)) - (select count(*) from customer.origin)`, none},
		{"friends who are their own advocates", `select count(*) from referral.referral where advocate_id = friend_id`, none},
		{"friend offers that differ from their visits", `select count(*) from referral.friend_offer f full join
			(select site_id, offer_id, visitor_id, count(*) as n, min(visited_at) as first_at, max(visited_at) as last_at from referral.visit group by 1, 2, 3) v using (site_id, offer_id, visitor_id)
			where (f.visits, f.first_at, f.last_at) is distinct from (v.n, v.first_at, v.last_at)`, none},
		{"visits against their rollup", daily("visits", "count") + ` - (select count(*) from referral.visit)`, none},
		{"days whose visitors differ from their rollup", `select count(*) from (select site_id, (visited_at at time zone 'UTC')::date as day, count(distinct visitor_id) as n from referral.visit group by 1, 2) v
			full join (select site_id, day, count as n from analytics.daily where metric = 'visits_unique') d using (site_id, day) where v.n is distinct from d.n`, none},
		{"sales against their rollup", daily("total_sales", "sum") + ` - (select sum(subtotal) from customer.origin)::bigint`, none},
		{"points against their rollup", daily("points_earned", "sum") + ` - (select sum(balance) from loyalty.account where owner_id is not null)::bigint`, none},
		{"messages against rewards", `select (select count(*) from notify.message) - (select count(*) from referral.reward where kind = 'points')`, none},
		{"contacts against persons", `select (select count(*) from notify.contact) - (select count(*) from customer.person)`, none},
		{"coupons without their one holder", `select (select count(*) from referral.coupon c join referral.reward w on (w.site_id, w.id, w.coupon_id, w.coupon_code) = (c.site_id, c.reward_id, c.id, c.code)
			join referral.offer_claim o on (o.site_id, o.friend_offer_id, o.friend_id) = (w.site_id, w.friend_offer_id, c.person_id)) - (select count(*) from referral.referral)`, none},
		{"coupons against the stock", `select (select count(*) from referral.coupon) - (select sum(added) from referral.coupon_stock)::bigint`, none},
		{"coupons handed out against the stock", `select (select count(*) from referral.coupon where issued_at is not null) - (select sum(issued) from referral.coupon_stock)::bigint`, none},
		{"commissions against their rewards", `select (select count(*) from referral.commission c join referral.reward w on (w.site_id, w.id, w.referral_id, w.amount) = (c.site_id, c.reward_id, c.referral_id, c.amount))
			- (select count(*) from referral.referral)`, none},
		{"advocates' accounts that differ from their entries", `select count(*) from referral.account a full join
			(select site_id, person_id, currency, sum(amount) as sum, count(*) as n, max(seq) as last from referral.account_entry group by 1, 2, 3) e using (site_id, person_id, currency)
			where a.balance is distinct from e.sum or a.seq is distinct from e.n or a.seq is distinct from e.last`, none},
		{"entries that no payout has taken", `select (select sum(balance) from referral.account)::bigint - (select sum(amount) from referral.open_entry)::bigint`, none},
		{"deliveries without their attempt", `select (select count(*) from notify.delivery) - (select count(*) from notify.attempt)`, none},
		{"sites in other zones", `select count(*) from analytics.site where time_zone <> 'UTC'`, none},
		{"indexes lost", `select (count(*) < 25)::int from pg_index where indrelid = any ('{` + strings.Join(loaded, ",") + `}'::regclass[])`, none},
	}); err != nil {
		t.Error(err)
	}
	p, err := reopen(t.Context(), pg, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	}()
	r, err := p.purchase(t.Context(), p.all(4, 300*time.Millisecond))
	if err != nil || r.count == 0 {
		t.Fatalf("%d purchases: %v", r.count, err)
	}
	b := &bench{o: o, platform: p}
	if err := b.rollup(t.Context(), p); err != nil {
		t.Error(err)
	}
	if err := p.verify(t.Context()); err != nil {
		t.Error(err)
	}
	p.took.purchases++
	if err := p.verify(t.Context()); err == nil {
		t.Error("a purchase too few wasn't noticed")
	}
	var member struct {
		Member struct {
			Points int64 `json:"points_balance"`
		} `json:"loyalty_member"`
	}
	var first, balance int64
	if err := db.QueryRow(`select s.first + 1, a.balance from bench.site s join loyalty.account a on (a.site_id, a.id) = (s.site_id, s.first + 1) where n = 1`).Scan(&first, &balance); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/api/v2/loyalty/members/a%d", first)
	if err := p.call(t.Context(), p.sites[0].key, "GET", path, nil, &member); err != nil || member.Member.Points != balance || balance == 0 {
		t.Errorf("%s has %d points by the API, %d in the database: %v", path, member.Member.Points, balance, err)
	}
	if err := fill(t.Context(), pg, o, crowded(o)); err != nil { // it is there
		t.Error(err)
	}
}
