package loyalty

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/loyalty/seal"
)

// chainOf reads what a site's chain has come to.
func chainOf(ctx context.Context, db sqlx.QueryerContext, site int64) (seal.Chain, error) {
	var r chainRow
	err := sqlx.GetContext(ctx, db, &r, `select `+chainColumns+` from loyalty.chain where site_id = $1`, site)
	if errors.Is(err, sql.ErrNoRows) {
		return seal.Begin(site), nil
	}
	if err != nil {
		return seal.Chain{}, fmt.Errorf("read a chain: %w", err)
	}
	return r.chain()
}

// transactionsOf counts a site's transactions, sealed or not.
func transactionsOf(ctx context.Context, db sqlx.QueryerContext, c seal.Chain) (n int64, err error) {
	err = sqlx.GetContext(ctx, db, &n, `select $3 + count(*) from loyalty.txn where site_id = $1 and id > $2`, c.SiteID, c.ID, c.Place)
	return n, wrapped("count transactions", err)
}

// anchorsOf reads the next thousand anchors.
func anchorsOf(ctx context.Context, db sqlx.QueryerContext, site, behind int64) ([]seal.Anchor, error) {
	var rows []struct {
		seal.Anchor
		Raw []byte `db:"hash"`
	}
	err := sqlx.SelectContext(ctx, db, &rows, `
		select place, txn_id, hash from loyalty.anchor where site_id = $1 and place > $2 order by place limit 1000`, site, behind)
	out := make([]seal.Anchor, len(rows))
	for i, r := range rows {
		out[i] = r.Anchor
		out[i].Hash = seal.Hash(r.Raw)
	}
	return out, wrapped("read anchors", err)
}

type checkpointRow struct {
	chainRow
	Day       string    `db:"day"`
	MadeAt    time.Time `db:"made_at"`
	PublicKey []byte    `db:"public_key"`
	Signature []byte    `db:"signature"`
}

// checkpointsOf reads a site's checkpoints: from the first, or the newest first and before a day ("": from the newest).
func checkpointsOf(ctx context.Context, db sqlx.QueryerContext, site int64, before string, limit int, newest bool) ([]seal.Checkpoint, error) {
	order := "day"
	if newest {
		order = "day desc"
	}
	if before == "" {
		before = "infinity"
	}
	var rows []checkpointRow
	err := sqlx.SelectContext(ctx, db, &rows, `
		select `+chainColumns+`, day::text as day, made_at, public_key, signature
		from loyalty.checkpoint k where site_id = $1 and day < $2::date order by k.`+order+` limit $3`, site, before, limit)
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	out := make([]seal.Checkpoint, len(rows))
	for i, r := range rows {
		c, err := r.chain()
		if err != nil {
			return nil, err
		}
		out[i] = seal.Checkpoint{Chain: c, Day: r.Day, MadeAt: r.MadeAt.UTC(), PublicKey: r.PublicKey, Signature: r.Signature}
	}
	return out, nil
}

// saveCheckpoint says whether it is new: the site may have one of this day, or of this place.
func saveCheckpoint(ctx context.Context, tx sqlx.ExecerContext, k seal.Checkpoint) (bool, error) {
	sums, err := json.Marshal(k.Sums)
	if err != nil {
		return false, wrapped("save a checkpoint", err)
	}
	done, err := tx.ExecContext(ctx, `
		insert into loyalty.checkpoint (site_id, day, place, txn_id, hash, entries, allocations, sums, made_at, public_key, signature)
		values ($1, $2::date, $3, $4, $5, $6, $7, $8, $9, nullif($10::bytea, ''), nullif($11::bytea, '')) on conflict do nothing`,
		k.SiteID, k.Day, k.Place, k.ID, k.Hash[:], k.Entries, k.Allocations, string(sums), k.MadeAt, k.PublicKey, k.Signature)
	if err != nil {
		return false, fmt.Errorf("save a checkpoint: %w", err)
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// accountsOf reads the next thousand accounts that were ever posted to.
func accountsOf(ctx context.Context, db sqlx.QueryerContext, site, behind int64) (rows []seal.Account, err error) {
	err = sqlx.SelectContext(ctx, db, &rows, `
		select id, name, coalesce(owner_id, pending_of, 0) as owner_id, seq, balance
		from loyalty.account where site_id = $1 and id > $2 and (seq <> 0 or balance <> 0) order by id limit 1000`, site, behind)
	return rows, wrapped("read accounts", err)
}

// lotsLeft reads the next thousand lots.
func lotsLeft(ctx context.Context, db sqlx.QueryerContext, site, behind int64) (rows []seal.LotLeft, err error) {
	err = sqlx.SelectContext(ctx, db, &rows, `
		select id, remaining from loyalty.lot where site_id = $1 and id > $2 order by id limit 1000`, site, behind)
	return rows, wrapped("read lots", err)
}

// balanceAt reads what an account held at a moment: an entry counts from when it and all before it were written. That is the balance before the
// first entry that was written later, which is looked for from the last milestone on: no more than some hundred entries, however many there are.
func balanceAt(ctx context.Context, db sqlx.QueryerContext, site, account int64, at time.Time) (seq, balance int64, err error) {
	var e struct {
		Seq     int64 `db:"seq"`
		Balance int64 `db:"balance"`
	}
	if account == 0 { // of a wallet that the member never needed
		return 0, 0, nil
	}
	err = sqlx.GetContext(ctx, db, &e, balanceAtQuery, site, account, at)
	return e.Seq, e.Balance, wrapped("read a balance", err)
}

// pendingAt reads what a member had in a wallet at a moment that could not be spent yet.
func pendingAt(ctx context.Context, db sqlx.QueryerContext, site, member int64, wallet string, at time.Time) (points int64, err error) {
	var account int64
	err = sqlx.GetContext(ctx, db, &account, pendingAccount, site, member, asset(wallet))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find the account of pending points: %w", err)
	}
	_, points, err = balanceAt(ctx, db, site, account, at)
	return points, err
}

const balanceAtQuery = `
		select coalesce(l.seq - 1, a.seq) as seq, coalesce(l.balance_after - l.amount, a.balance) as balance
		from loyalty.account a
		left join lateral (
			select e.seq, e.amount, e.balance_after
			from loyalty.entry e
			cross join lateral (select t.recorded_at from loyalty.txn t where t.site_id = e.site_id and t.id = e.txn_id offset 0) t
			where e.site_id = $1 and e.account_id = $2 and t.recorded_at > $3 and e.seq > coalesce((
				select m.seq from loyalty.milestone m where m.site_id = $1 and m.account_id = $2 and m.at <= $3 order by m.at desc, m.seq desc limit 1), 0)
			order by e.seq
			limit 1) l on true
		where a.site_id = $1 and a.id = $2`
