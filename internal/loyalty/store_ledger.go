package loyalty

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// The lookups below are lateral, behind "offset 0" where a lock is not barrier enough: each row of the batch is one probe of an
// index, whatever the planner believes of tables that were empty a moment ago and that nobody has analysed. Left to itself it
// joined the tables with each other first, which took seconds a batch.

type siteSource struct {
	SiteID int64  `db:"site_id"`
	Source string `db:"source"`
}

// opened is what a batch of postings begins with.
type opened struct {
	ids   []int64 // for transactions, ascending
	own   map[siteAccount]*account
	known map[siteSource]bool
}

// alone lets one transaction of a consumer post at a time. It hears sets of several kinds, and each of them locks its members and
// then the sites' accounts: a second set would lock members after accounts, and two logs' transactions would wait for each other.
func alone(ctx context.Context, tx sqlx.ExecerContext) error {
	if _, err := tx.ExecContext(ctx, `select pg_advisory_xact_lock(hashtextextended('loyalty.post', 0))`); err != nil {
		return fmt.Errorf("post alone: %w", err)
	}
	return nil
}

// open takes ids for n transactions, locks some of the sites' own accounts, and says which sources have earned, or were refused,
// before: a decision stands. It comes last: everything of a site waits for its accounts. Members are locked by then, so nobody
// else decides about what is theirs. Ids are taken once all accounts are locked, so those of an account's entries rise with their
// numbers, and by a transaction that has an xid: the sealer relies on both.
func open(ctx context.Context, tx sqlx.QueryerContext, n int, sites []int64, names []string, sources []siteSource) (opened, error) {
	of := make([]int64, len(sources))
	what := make([]string, len(sources))
	for i, s := range sources {
		of[i], what[i] = s.SiteID, s.Source
	}
	var rows []struct {
		account
		Is string `db:"is"`
	}
	plain, assets := namesApart(names)
	err := sqlx.SelectContext(ctx, tx, &rows, `
		with own as (
			select site_id, id, name, balance, seq, asset from loyalty.account
			where site_id = any($1) and owner_id is null and name = any($2) and asset = any($6)
			order by site_id, name, asset
			for update
		)
		select 'own' as is, site_id, id as account_id, name, balance, seq, case when asset <> 'points' then asset else '' end as wallet from own
		union all
		select 'id', 0, nextval('loyalty.txn_id_seq'), '', 0, 0, '' from generate_series(1, $3::int)
		union all
		select 'known', u.site_id, 0, u.source, 0, 0, '' from unnest($4::bigint[], $5::text[]) as u (site_id, source)
		where (select true from loyalty.txn t where t.site_id = u.site_id and t.kind = 'earn' and t.source = u.source)
			or (select true from loyalty.refusal r where r.site_id = u.site_id and r.source = u.source)`,
		pq.Array(sites), pq.Array(plain), n, pq.Array(of), pq.Array(what), pq.Array(assets))
	if err != nil {
		return opened{}, fmt.Errorf("open the books: %w", err)
	}
	o := opened{ids: make([]int64, 0, n), own: map[siteAccount]*account{}, known: map[siteSource]bool{}}
	for _, r := range rows {
		switch r.Is {
		case "own":
			o.own[siteAccount{r.SiteID, qualified(r.Name, r.Wallet)}] = &r.account
		case "id":
			o.ids = append(o.ids, r.ID)
		default:
			o.known[siteSource{r.SiteID, r.Name}] = true
		}
	}
	slices.Sort(o.ids)
	return o, nil
}

// namesApart are names of the site's accounts without their wallets, and the assets of these.
func namesApart(names []string) (plain, assets []string) {
	for _, name := range names {
		wallet, name := unqualified(name)
		if of := asset(wallet); !slices.Contains(assets, of) {
			assets = append(assets, of)
		}
		if !slices.Contains(plain, name) {
			plain = append(plain, name)
		}
	}
	return plain, assets
}

// earned is an earning as later steps need it.
type earned struct {
	SiteID     int64  `db:"site_id"`
	ID         int64  `db:"id"`
	Source     string `db:"source"`
	MemberID   int64  `db:"member_id"`
	PersonID   int64  `db:"person_id"`
	Reason     string `db:"reason"`
	OriginID   int64  `db:"origin_id"`
	ReferralID int64  `db:"referral_id"`
	RewardID   int64  `db:"reward_id"`
	Wallet     string `db:"wallet"`

	EffectiveAt time.Time `db:"effective_at"`
}

func (e earned) txn() txn {
	return txn{Wallet: e.Wallet, SiteID: e.SiteID, ID: e.ID, MemberID: e.MemberID, Reason: e.Reason, OriginID: e.OriginID, ReferralID: e.ReferralID, RewardID: e.RewardID,
		EffectiveAt: e.EffectiveAt}
}

const earnedColumns = `t.site_id, t.id, t.source, t.member_id, t.reason, t.effective_at, coalesce(t.origin_id, 0) as origin_id,
	coalesce(t.referral_id, 0) as referral_id, coalesce(t.reward_id, 0) as reward_id, coalesce(t.wallet, '') as wallet`

// earnedBy finds what the sources earned; it never changes.
func earnedBy(ctx context.Context, tx sqlx.QueryerContext, sites []int64, sources []string) (map[siteSource]earned, error) {
	var rows []earned
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select `+earnedColumns+`, m.person_id
		from unnest($1::bigint[], $2::text[]) as u (site_id, source)
		cross join lateral (select * from loyalty.txn t where t.site_id = u.site_id and t.kind = 'earn' and t.source = u.source offset 0) t
		cross join lateral (select * from loyalty.member m where m.site_id = t.site_id and m.id = t.member_id offset 0) m`, pq.Array(sites), pq.Array(sources))
	if err != nil {
		return nil, fmt.Errorf("find earnings: %w", err)
	}
	out := make(map[siteSource]earned, len(rows))
	for _, r := range rows {
		out[siteSource{r.SiteID, r.Source}] = r
	}
	return out, nil
}

const lotColumns = `l.site_id, l.id, l.account_id, l.granted, l.remaining, l.clawed, l.expired, l.forgiven, l.reinstated, l.expires_at, coalesce(l.by_activity, false) as by_activity, l.wake_at, coalesce(l.reminded, false) as reminded,
	l.waived, coalesce(l.pending, false) as pending, l.activates_at, coalesce(l.tierless, false) as tierless`

// lotsOf reads the lots of locked accounts that have points left, and those of the given earnings whether or not, also where they are pending.
func lotsOf(ctx context.Context, tx sqlx.QueryerContext, holders map[person]*holder, of map[siteSource]earned) ([]*lot, error) {
	return lotsIn(ctx, tx, each(holders), of)
}

// lotsIn is lotsOf for some wallets.
func lotsIn(ctx context.Context, tx sqlx.QueryerContext, holders []*holder, of map[siteSource]earned) ([]*lot, error) {
	var sites, accounts, earnSites, earns []int64
	for _, h := range holders {
		sites, accounts = append(sites, h.SiteID), append(accounts, h.ID)
	}
	for _, e := range of {
		earnSites, earns = append(earnSites, e.SiteID), append(earns, e.ID)
	}
	var rows []*lot
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select `+lotColumns+`
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, account_id)
		cross join lateral (select * from loyalty.lot l where l.site_id = u.site_id and l.account_id = u.account_id and l.remaining > 0 offset 0) l
		union all
		select `+lotColumns+`
		from unnest($3::bigint[], $4::bigint[]) as u (site_id, id)
		cross join lateral (select * from loyalty.lot l where l.site_id = u.site_id and l.id = u.id and (l.remaining = 0 or l.pending) offset 0) l`,
		pq.Array(sites), pq.Array(accounts), pq.Array(earnSites), pq.Array(earns))
	if err != nil {
		return nil, fmt.Errorf("read lots: %w", err)
	}
	return rows, nil
}

// dueLot is a lot that is due, with its earning.
type dueLot struct {
	lot
	MemberID   int64  `db:"member_id"`
	Reason     string `db:"reason"`
	OriginID   int64  `db:"origin_id"`
	ReferralID int64  `db:"referral_id"`
	RewardID   int64  `db:"reward_id"`
}

// dueLots reads up to limit due lots of locked accounts: those whose date is past, and of who has lapsed those that live by activity.
func dueLots(ctx context.Context, tx sqlx.QueryerContext, holders []*holder, now time.Time, limit int) ([]*dueLot, error) {
	sites, accounts, lapsed := make([]int64, len(holders)), make([]int64, len(holders)), make([]bool, len(holders))
	for i, h := range holders {
		sites[i], accounts[i], lapsed[i] = h.SiteID, h.ID, h.lapsed(now)
	}
	var rows []*dueLot
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select `+lotColumns+`, t.member_id, t.reason,
			coalesce(t.origin_id, 0) as origin_id, coalesce(t.referral_id, 0) as referral_id, coalesce(t.reward_id, 0) as reward_id
		from unnest($1::bigint[], $2::bigint[], $5::boolean[]) as u (site_id, account_id, lapsed)
		cross join lateral (select * from loyalty.lot l where l.site_id = u.site_id and l.account_id = u.account_id and l.remaining > 0
			and (l.expires_at <= $3 or l.by_activity and u.lapsed) offset 0) l
		cross join lateral (select * from loyalty.txn t where t.site_id = l.site_id and t.id = l.id offset 0) t
		order by l.expires_at, l.site_id, l.id
		limit $4`, pq.Array(sites), pq.Array(accounts), now, limit, pq.Array(lapsed))
	if err != nil {
		return nil, fmt.Errorf("read due lots: %w", err)
	}
	return rows, nil
}
