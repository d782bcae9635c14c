package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

const holdColumns = `k.id, k.member_id, k.status, k.points, k.restored, k.reference, k.until, k.created_at, k.ended_at, k.batch_id, k.amount, k.currency, coalesce(k.wallet, '') as of_wallet`

func (s *saving) holds(rows []*hold) {
	if len(rows) == 0 {
		return
	}
	s.add("holds", `
		insert into loyalty.hold (site_id, id, member_id, status, points, reference, until, created_at, batch_id, amount, currency, counted, wallet, pooled)
		select site_id, id, member_id, 'held', points, reference, until::timestamptz, at::timestamptz, nullif(batch_id, 0), nullif(amount, 0), nullif(currency, ''),
			nullif(counted, '')::jsonb, nullif(wallet, ''), nullif(pooled, false) from $rows`,
		`site_id id member_id points reference:text until:text at:text batch_id amount currency:text counted:text wallet:text pooled:boolean`,
		column(rows, func(k *hold) int64 { return k.SiteID }), column(rows, func(k *hold) int64 { return k.ID }),
		column(rows, func(k *hold) int64 { return k.MemberID }), column(rows, func(k *hold) int64 { return k.Points }),
		column(rows, func(k *hold) string { return k.Reference }), column(rows, func(k *hold) string { return stamp(k.Until) }),
		column(rows, func(k *hold) string { return stamp(k.CreatedAt) }), column(rows, func(k *hold) int64 { return orZero(k.BatchID) }),
		column(rows, func(k *hold) int64 { return orZero(k.Amount) }), column(rows, func(k *hold) string { return deref(k.Currency) }),
		column(rows, func(k *hold) string { return k.Counted.text() }), column(rows, func(k *hold) string { return k.Wallet }), column(rows, func(k *hold) bool { return k.Pooled }))
}

func (s *saving) endedHolds(all []*hold) {
	var rows []*hold
	for _, k := range all {
		if k.dirty {
			rows = append(rows, k)
		}
	}
	if len(rows) == 0 {
		return
	}
	s.add("ended holds", `
		update loyalty.hold k set status = u.status, restored = u.restored, ended_at = u.at::timestamptz, end_txn_id = u.txn_id
		from $rows where k.site_id = u.site_id and k.id = u.id`,
		`site_id id status:text restored at:text txn_id`,
		column(rows, func(k *hold) int64 { return k.SiteID }), column(rows, func(k *hold) int64 { return k.ID }),
		column(rows, func(k *hold) string { return k.Status }), column(rows, func(k *hold) int64 { return k.Restored }),
		column(rows, func(k *hold) string { return stampOrNot(k.EndedAt) }), column(rows, func(k *hold) int64 { return orZero(k.EndTxnID) }))
}

// holdersOfHolds are the persons whose holds these are, and to which others of a pool pay a part; that never changes.
func holdersOfHolds(ctx context.Context, tx sqlx.QueryerContext, ids []siteID, into map[siteID]int64) (pooled []siteID, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []struct {
		SiteID   int64 `db:"site_id"`
		ID       int64 `db:"id"`
		PersonID int64 `db:"person_id"`
		Pooled   bool  `db:"pooled"`
	}
	sites, own := pairs(ids)
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select k.site_id, k.id, m.person_id, coalesce(k.pooled, false) as pooled
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, id)
		cross join lateral (select * from loyalty.hold k where k.site_id = u.site_id and k.id = u.id offset 0) k
		cross join lateral (select * from loyalty.member m where m.site_id = k.site_id and m.id = k.member_id offset 0) m`, pq.Array(sites), pq.Array(own))
	if err != nil {
		return nil, fmt.Errorf("find holds' members: %w", err)
	}
	for _, k := range rows {
		into[siteID{k.SiteID, k.ID}] = k.PersonID
		if k.Pooled {
			pooled = append(pooled, siteID{k.SiteID, k.ID})
		}
	}
	return pooled, nil
}

// lockHolds locks holds, whose members are locked already, and reads from which lots they took their points.
func lockHolds(ctx context.Context, tx sqlx.QueryerContext, ids []siteID, used map[siteID][]allocation) (map[siteID]*hold, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	sites, own := pairs(ids)
	var rows []*hold
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select k.site_id, `+holdColumns+`, k.counted, k.end_txn_id
		from (select * from unnest($1::bigint[], $2::bigint[]) with ordinality as u (site_id, id, o) order by o) u
		cross join lateral (select * from loyalty.hold k where k.site_id = u.site_id and k.id = u.id for update) k`, pq.Array(sites), pq.Array(own))
	if err != nil {
		return nil, fmt.Errorf("lock holds: %w", err)
	}
	out := make(map[siteID]*hold, len(rows))
	for _, k := range rows {
		out[siteID{k.SiteID, k.ID}] = k
	}
	return out, allocationsOf(ctx, tx, keys(out), used)
}

func holdOf(ctx context.Context, db sqlx.QueryerContext, site, id int64) (loyaltyapi.Hold, error) {
	var k loyaltyapi.Hold
	err := sqlx.GetContext(ctx, db, &k, `select `+holdColumns+` from loyalty.hold k where k.site_id = $1 and k.id = $2`, site, id)
	if errors.Is(err, sql.ErrNoRows) {
		return k, errNoHold
	}
	if err != nil {
		return k, fmt.Errorf("read hold: %w", err)
	}
	return k, nil
}

// holdsOf reads a member's holds below after (0: from the newest on).
func holdsOf(ctx context.Context, db sqlx.QueryerContext, site, member, after int64, limit int) ([]loyaltyapi.Hold, error) {
	if after <= 0 {
		after = math.MaxInt64
	}
	rows := []loyaltyapi.Hold{}
	err := sqlx.SelectContext(ctx, db, &rows, `
		select `+holdColumns+` from `+oneself("$2")+` cross join lateral (
			select * from loyalty.hold k where k.site_id = $1 and k.member_id = who.id and k.id < $3 order by k.id desc limit $4) k
		order by k.id desc limit $4`, site, member, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	return rows, nil
}

// holdsDue are up to limit holds whose time is over.
func holdsDue(ctx context.Context, db sqlx.QueryerContext, now time.Time, limit int) ([]siteID, error) {
	var rows []hold
	err := sqlx.SelectContext(ctx, db, &rows, `select site_id, id from loyalty.hold where status = 'held' and until <= $1 order by until limit $2`, now, limit)
	if err != nil {
		return nil, fmt.Errorf("find holds that are over: %w", err)
	}
	return column(rows, func(k hold) siteID { return siteID{k.SiteID, k.ID} }), nil
}
