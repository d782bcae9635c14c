package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// loadPending hands locked members' wallets the accounts on which their points wait, and opens them, if wanted, for those that have none yet. Whoever
// locks a member has the accounts, too.
func loadPending(ctx context.Context, tx sqlx.QueryerContext, holders []*holder, fresh bool) error {
	if len(holders) == 0 {
		return nil
	}
	type key struct {
		siteID
		wallet string
	}
	sites, members, assets := make([]int64, len(holders)), make([]int64, len(holders)), make([]string, len(holders))
	by := make(map[key]*holder, len(holders))
	for i, h := range holders {
		sites[i], members[i], assets[i] = h.SiteID, h.MemberID, asset(h.Wallet)
		by[key{siteID{h.SiteID, h.MemberID}, h.Wallet}] = h
	}
	var rows []struct {
		account
		MemberID int64 `db:"pending_of"`
	}
	err := sqlx.SelectContext(ctx, tx, &rows, `
		with u as (select distinct site_id, id, asset from unnest($1::bigint[], $2::bigint[], $4::text[]) as u (site_id, id, asset)),
		known as (
			select a.* from u
			cross join lateral (select * from loyalty.account a where a.site_id = u.site_id and a.name = 'pending' and a.asset = u.asset
				and a.pending_of = u.id and a.owner_id is null offset 0) a
		), fresh as (
			insert into loyalty.account (site_id, name, asset, pending_of)
			select site_id, 'pending', asset, id from u
			where $3 and not exists (select from known k where k.site_id = u.site_id and k.pending_of = u.id and k.asset = u.asset)
			order by site_id, id, asset
			returning site_id, id, name, balance, seq, pending_of, asset
		)
		select site_id, id as account_id, name, balance, seq, pending_of, `+walletColumn+` from known a
		union all
		select site_id, id, name, balance, seq, pending_of, `+walletColumn+` from fresh a`, pq.Array(sites), pq.Array(members), fresh, pq.Array(assets))
	if err != nil {
		return fmt.Errorf("load accounts of pending points: %w", err)
	}
	for _, r := range rows {
		by[key{siteID{r.SiteID, r.MemberID}, r.Wallet}].pending = &r.account
	}
	return nil
}

// goAheads says which earnings need not wait, and since when.
func goAheads(ctx context.Context, tx sqlx.QueryerContext, of []siteSource) (map[siteSource]time.Time, error) {
	sites, sources := sourceColumns(of)
	var rows []struct {
		siteSource
		At time.Time `db:"told_at"`
	}
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select g.site_id, g.source, g.told_at
		from unnest($1::bigint[], $2::text[]) as u (site_id, source)
		cross join lateral (select * from loyalty.go_ahead g where g.site_id = u.site_id and g.source = u.source offset 0) g`,
		pq.Array(sites), pq.Array(sources))
	if err != nil {
		return nil, fmt.Errorf("look for go-aheads: %w", err)
	}
	out := make(map[siteSource]time.Time, len(rows))
	for _, r := range rows {
		out[r.siteSource] = r.At
	}
	return out, nil
}

func sourceColumns(of []siteSource) (sites []int64, sources []string) {
	return column(of, func(s siteSource) int64 { return s.SiteID }), column(of, func(s siteSource) string { return s.Source })
}

// goAhead has what waits for somebody's word be due now, also what is yet to come.
func goAhead(ctx context.Context, tx sqlx.ExecerContext, of []siteSource, now time.Time) error {
	sites, sources := sourceColumns(of)
	_, err := tx.ExecContext(ctx, `
		with told as (
			insert into loyalty.go_ahead (site_id, source, told_at)
			select distinct u.site_id, u.source, $3::timestamptz from unnest($1::bigint[], $2::text[]) as u (site_id, source) order by 1, 2
			on conflict (site_id, source) do nothing
		)
		update loyalty.lot l set activates_at = $3
		from unnest($1::bigint[], $2::text[]) as u (site_id, source)
		cross join lateral (select * from loyalty.txn t where t.site_id = u.site_id and t.kind = 'earn' and t.source = u.source offset 0) t
		where l.site_id = t.site_id and l.id = t.id and l.pending and l.activates_at is null`, pq.Array(sites), pq.Array(sources), now)
	if err != nil {
		return fmt.Errorf("let pending points go: %w", err)
	}
	return nil
}

// sweepGoAheads forgets up to limit of those that came so long ago that their order would be here.
func sweepGoAheads(ctx context.Context, db sqlx.ExecerContext, before time.Time, limit int) error {
	_, err := db.ExecContext(ctx, `
		delete from loyalty.go_ahead g using (select site_id, source from loyalty.go_ahead where told_at < $1 order by told_at limit $2) d
		where g.site_id = d.site_id and g.source = d.source`, before, limit)
	if err != nil {
		return fmt.Errorf("sweep go-aheads: %w", err)
	}
	return nil
}

// sitesToActivate are those of the next lots that are due to be activated.
func sitesToActivate(ctx context.Context, tx sqlx.QueryerContext, now time.Time, limit int) ([]int64, error) {
	var sites []int64
	err := sqlx.SelectContext(ctx, tx, &sites, `
		select distinct site_id from (
			select site_id from loyalty.lot where pending and remaining > 0 and activates_at <= $1 order by activates_at limit $2) l order by site_id`, now, limit)
	if err != nil {
		return nil, fmt.Errorf("find points to activate: %w", err)
	}
	return sites, nil
}

// lockToActivate locks up to limit members of sites who have points that are due to be activated, passing by those that somebody else is at.
func lockToActivate(ctx context.Context, tx sqlx.QueryerContext, sites []int64, now time.Time, limit int) ([]*holder, error) {
	var rows []*holder
	err := sqlx.SelectContext(ctx, tx, &rows, `
		with due as (
			select distinct p.site_id, m.id as member_id, m.person_id
			from (select site_id, account_id from loyalty.lot where pending and remaining > 0 and activates_at <= $2 and site_id = any ($1)
				order by activates_at limit $3) l
			cross join lateral (select * from loyalty.account p where p.site_id = l.site_id and p.id = l.account_id offset 0) p
			cross join lateral (select * from loyalty.member m where m.site_id = p.site_id and m.id = p.pending_of offset 0) m
		)
		select `+holderColumns+`
		from (select * from due order by site_id, person_id) d
		cross join lateral (select * from loyalty.member m where m.site_id = d.site_id and m.id = d.member_id for update skip locked) m
		cross join lateral (select * from loyalty.account a where a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points' for update skip locked) a`,
		pq.Array(sites), now, limit)
	if err != nil {
		return nil, fmt.Errorf("lock members with points to activate: %w", err)
	}
	return rows, nil
}

// pendingLot is a lot that waits, with its earning.
type pendingLot struct {
	lot
	Earned txn `db:"-"`
}

// lotsToActivate reads up to limit lots of members whose accounts of pending points are loaded, in the order in which they were due.
func lotsToActivate(ctx context.Context, tx sqlx.QueryerContext, holders []*holder, now time.Time, limit int) ([]*pendingLot, error) {
	var sites, accounts []int64
	for _, h := range holders {
		if h.pending != nil {
			sites, accounts = append(sites, h.SiteID), append(accounts, h.pending.ID)
		}
	}
	var rows []*pendingLot
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select `+lotColumns+`
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, account_id)
		cross join lateral (select * from loyalty.lot l where l.site_id = u.site_id and l.account_id = u.account_id and l.remaining > 0
			and l.activates_at <= $3 offset 0) l
		order by l.activates_at, l.site_id, l.id
		limit $4`, pq.Array(sites), pq.Array(accounts), now, limit)
	if err != nil {
		return nil, fmt.Errorf("read points to activate: %w", err)
	}
	made, err := madeBy(ctx, tx, column(rows, func(l *pendingLot) siteID { return siteID{l.SiteID, l.ID} }))
	for _, l := range rows {
		l.Earned = made[siteID{l.SiteID, l.ID}]
	}
	return rows, err
}

// earningByID is what made a lot, with whose it is; false: the site has no such transaction.
func earningByID(ctx context.Context, tx sqlx.QueryerContext, site, id int64) (e earned, found bool, err error) {
	err = sqlx.GetContext(ctx, tx, &e, `
		select `+earnedColumns+`, m.person_id
		from loyalty.txn t join loyalty.member m on m.site_id = t.site_id and m.id = t.member_id
		where t.site_id = $1 and t.id = $2`, site, id)
	if errors.Is(err, sql.ErrNoRows) {
		return e, false, nil
	}
	if err != nil {
		return e, false, fmt.Errorf("find earning: %w", err)
	}
	return e, true, nil
}

// pendingAccount selects the account of pending points of a member ($2 of site $1) in a wallet ($3: its asset); nothing: there is none.
const pendingAccount = `select id from loyalty.account where site_id = $1 and name = 'pending' and asset = $3 and pending_of = $2 and owner_id is null`

// waitingOf reads a member's pending points in a wallet, the next to be activated first.
func waitingOf(ctx context.Context, db sqlx.QueryerContext, site, member int64, wallet string, after loyaltyapi.AfterExpiration, limit int) ([]loyaltyapi.Pending, error) {
	rows := []loyaltyapi.Pending{}
	err := sqlx.SelectContext(ctx, db, &rows, `
		select l.id as transaction_id, l.remaining as points, l.granted, l.activates_at, l.sorts_at, t.reason, t.origin_id, t.effective_at as earned_at
		from (select *, coalesce(activates_at, '9999-01-01') as sorts_at from loyalty.lot
			where site_id = $1 and account_id = (`+pendingAccount+`) and remaining > 0) l
		join loyalty.txn t on t.site_id = l.site_id and t.id = l.id
		where (l.sorts_at, l.id) > ($4, $5)
		order by l.sorts_at, l.id
		limit $6`, site, member, asset(wallet), after.At, after.LotID, limit)
	if err != nil {
		return nil, fmt.Errorf("read pending points: %w", err)
	}
	return rows, nil
}

// activatingNext is what of a member's pending points can be spent next; nil: nothing that has a date.
func activatingNext(ctx context.Context, db sqlx.QueryerContext, site, member int64) (*loyaltyapi.Expiring, error) {
	var next loyaltyapi.Expiring
	err := sqlx.GetContext(ctx, db, &next, `
		select activates_at as at, sum(remaining)::bigint as points from loyalty.lot
		where site_id = $1 and account_id = (`+pendingAccount+`) and remaining > 0 and activates_at is not null
		group by activates_at order by activates_at limit 1`, site, member, mainWallet)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what is activated next: %w", err)
	}
	return &next, nil
}
