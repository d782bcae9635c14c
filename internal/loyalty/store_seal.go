package loyalty

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/loyalty/seal"
)

// lastID is the last id that a transaction of points has taken.
func lastID(ctx context.Context, db sqlx.QueryerContext) (id int64, err error) {
	if err := sqlx.GetContext(ctx, db, &id, `select case when is_called then last_value else 0 end from loyalty.txn_id_seq`); err != nil {
		return 0, fmt.Errorf("read the last id: %w", err)
	}
	return id, nil
}

type horizon struct {
	Floor int64 `db:"floor"`
	Mark  int64 `db:"mark"`
	Over  bool  `db:"over"`  // all that was under way at the mark is
	Other bool  `db:"other"` // the mark is from another cluster: a dump was restored, or a replica that lacked the newest was promoted
}

// moveHorizon lifts the floor to the mark when that is decided, and marks last. A mark that is not decided stays: to move it on each time would
// put it off for ever under load. Who finds another replica at it takes the floor as it is.
func moveHorizon(ctx context.Context, tx sqlx.ExtContext, last int64) (horizon, error) {
	var h horizon
	err := sqlx.GetContext(ctx, tx, &h, `
		select floor, mark, xid <= pg_snapshot_xmin(pg_current_snapshot()) as over, xid > pg_current_xact_id() as other
		from loyalty.horizon for update skip locked`)
	if errors.Is(err, sql.ErrNoRows) {
		err := sqlx.GetContext(ctx, tx, &h.Floor, `select floor from loyalty.horizon`)
		return h, wrapped("read the horizon", err)
	}
	if err != nil {
		return h, fmt.Errorf("lock the horizon: %w", err)
	}
	if h.Over && !h.Other {
		h.Floor = h.Mark
	}
	if (h.Over || h.Other) && last > h.Floor {
		_, err = tx.ExecContext(ctx, `update loyalty.horizon set floor = $1, mark = $2, xid = pg_current_xact_id() where one`, h.Floor, max(last, h.Floor))
	}
	return h, wrapped("move the horizon", err)
}

// wrapped says what was done when an error came, and nothing when none did.
func wrapped(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// unsealedSites are the sites that have decided transactions behind the end of their chains, whose turn it is longest first: a look into one
// index for each site.
func unsealedSites(ctx context.Context, db sqlx.QueryerContext, floor int64) ([]int64, error) {
	var sites []int64
	err := sqlx.SelectContext(ctx, db, &sites, `
		select p.site_id
		from loyalty.program p
		left join loyalty.chain c on c.site_id = p.site_id
		cross join lateral (select t.id from loyalty.txn t where t.site_id = p.site_id and t.id > coalesce(c.txn_id, 0) and t.id <= $1 order by t.id limit 1) t
		order by c.sealed_at nulls first, p.site_id`, floor)
	return sites, wrapped("find what is to be sealed", err)
}

type chainRow struct {
	SiteID      int64  `db:"site_id"`
	Place       int64  `db:"place"`
	ID          int64  `db:"txn_id"`
	Hash        []byte `db:"hash"`
	Entries     int64  `db:"entries"`
	Allocations int64  `db:"allocations"`
	Sums        string `db:"sums"`
}

const chainColumns = `site_id, place, txn_id, hash, entries, allocations, sums::text as sums`

func (r chainRow) chain() (c seal.Chain, err error) {
	c = seal.Chain{SiteID: r.SiteID, Place: r.Place, ID: r.ID, Hash: seal.Hash(r.Hash), Entries: r.Entries, Allocations: r.Allocations}
	return c, wrapped("read the sums of a chain", json.Unmarshal([]byte(r.Sums), &c.Sums))
}

// lockChain locks a site's chain, and begins it where there is none. Not ok: somebody else is at it.
func lockChain(ctx context.Context, tx sqlx.ExtContext, site int64) (c seal.Chain, ok bool, err error) {
	var r chainRow
	lock := func() error {
		return sqlx.GetContext(ctx, tx, &r, `select `+chainColumns+` from loyalty.chain where site_id = $1 for update skip locked`, site)
	}
	if err = lock(); errors.Is(err, sql.ErrNoRows) {
		c := seal.Begin(site)
		if _, err := tx.ExecContext(ctx, `
			insert into loyalty.chain (site_id, place, txn_id, hash, entries, allocations, sums, sealed_at)
			values ($1, 0, 0, $2, 0, 0, '{}', '-infinity') on conflict do nothing`, site, c.Hash[:]); err != nil {
			return c, false, fmt.Errorf("begin a chain: %w", err)
		}
		err = lock()
	}
	if errors.Is(err, sql.ErrNoRows) {
		return c, false, nil
	}
	if err != nil {
		return c, false, fmt.Errorf("lock a chain: %w", err)
	}
	c, err = r.chain()
	return c, err == nil, err
}

func saveChain(ctx context.Context, tx sqlx.ExecerContext, c seal.Chain, now time.Time) error {
	sums, err := json.Marshal(c.Sums)
	if err == nil {
		_, err = tx.ExecContext(ctx, `
			update loyalty.chain set place = $2, txn_id = $3, hash = $4, entries = $5, allocations = $6, sums = $7, sealed_at = $8
			where site_id = $1`, c.SiteID, c.Place, c.ID, c.Hash[:], c.Entries, c.Allocations, string(sums), now)
	}
	return wrapped("save a chain", err)
}

// recordsOf reads up to limit transactions behind one, in the order of their ids, with all that they did.
func recordsOf(ctx context.Context, db sqlx.QueryerContext, site, behind, upto int64, limit int) ([]seal.Transaction, error) {
	var rows []struct {
		ID          int64     `db:"id"`
		MemberID    int64     `db:"member_id"`
		Kind        string    `db:"kind"`
		Reason      string    `db:"reason"`
		Source      string    `db:"source"`
		Points      int64     `db:"points"`
		EarnID      int64     `db:"earn_id"`
		OriginID    int64     `db:"origin_id"`
		ReferralID  int64     `db:"referral_id"`
		RewardID    int64     `db:"reward_id"`
		Rule        string    `db:"rule"`
		EffectiveAt time.Time `db:"effective_at"`
		RecordedAt  time.Time `db:"recorded_at"`
	}
	err := sqlx.SelectContext(ctx, db, &rows, `
		select id, member_id, kind, reason, source, points, coalesce(earn_id, 0) as earn_id, coalesce(origin_id, 0) as origin_id,
			coalesce(referral_id, 0) as referral_id, coalesce(reward_id, 0) as reward_id, rule, effective_at, recorded_at
		from loyalty.txn where site_id = $1 and id > $2 and id <= $3 order by id limit $4`, site, behind, upto, limit)
	if err != nil || len(rows) == 0 {
		return nil, wrapped("read transactions", err)
	}
	out := make([]seal.Transaction, len(rows))
	place := make(map[int64]*seal.Transaction, len(rows))
	for i, r := range rows {
		name, version := seal.RuleOf(r.Rule)
		out[i] = seal.Transaction{ID: r.ID, MemberID: r.MemberID, Kind: r.Kind, Reason: r.Reason, Source: r.Source, Points: r.Points, About: r.EarnID,
			OriginID: r.OriginID, ReferralID: r.ReferralID, RewardID: r.RewardID, Rule: name, RuleVersion: version,
			EffectiveAt: r.EffectiveAt.UTC(), RecordedAt: r.RecordedAt.UTC(), Entries: []seal.Entry{}, Allocations: []seal.Allocation{}, Lots: []seal.Lot{}}
		place[r.ID] = &out[i]
	}
	return out, partsOf(ctx, db, site, rows[0].ID, rows[len(rows)-1].ID, place)
}

// partsOf reads what transactions from one id to another did.
func partsOf(ctx context.Context, db sqlx.QueryerContext, site, first, last int64, of map[int64]*seal.Transaction) error {
	var entries []seal.Entry
	err := sqlx.SelectContext(ctx, db, &entries, `
		select e.txn_id, e.account_id, a.name, coalesce(a.owner_id, a.pending_of, 0) as owner_id, e.asset, e.amount, e.seq, e.balance_after
		from (select * from loyalty.entry where site_id = $1 and txn_id between $2 and $3 offset 0) e
		cross join lateral (select * from loyalty.account a where a.site_id = $1 and a.id = e.account_id offset 0) a
		order by e.txn_id, e.account_id, e.seq`, site, first, last)
	if err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	for _, e := range entries {
		if t := of[e.TxnID]; t != nil {
			t.Entries = append(t.Entries, e)
		}
	}
	var uses []seal.Allocation
	if err := sqlx.SelectContext(ctx, db, &uses, `
		select txn_id, lot_id, amount from loyalty.allocation where site_id = $1 and txn_id between $2 and $3 order by txn_id, lot_id`, site, first, last); err != nil {
		return fmt.Errorf("read allocations: %w", err)
	}
	for _, a := range uses {
		if t := of[a.TxnID]; t != nil {
			t.Allocations = append(t.Allocations, a)
		}
	}
	var lots []seal.Lot
	if err := sqlx.SelectContext(ctx, db, &lots, `
		select id as txn_id, id, granted from loyalty.lot where site_id = $1 and id between $2 and $3 order by id`, site, first, last); err != nil {
		return fmt.Errorf("read lots: %w", err)
	}
	for _, l := range lots {
		if t := of[l.TxnID]; t != nil {
			t.Lots = append(t.Lots, l)
		}
	}
	return nil
}

func saveAnchors(ctx context.Context, tx sqlx.ExecerContext, site int64, rows []seal.Anchor) error {
	if len(rows) == 0 {
		return nil
	}
	hashes := column(rows, func(a seal.Anchor) []byte { return a.Hash[:] })
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.anchor (site_id, place, txn_id, hash)
		select $1, place, txn_id, hash from unnest($2::bigint[], $3::bigint[], $4::bytea[]) as u (place, txn_id, hash)`, site,
		pq.Array(column(rows, func(a seal.Anchor) int64 { return a.Place })), pq.Array(column(rows, func(a seal.Anchor) int64 { return a.ID })), pq.Array(hashes))
	return wrapped("save anchors", err)
}

// sitesToCheck are the sites whose chains have grown since their last checkpoint, and that have none of the day or later.
func sitesToCheck(ctx context.Context, db sqlx.QueryerContext, day time.Time) ([]int64, error) {
	var sites []int64
	err := sqlx.SelectContext(ctx, db, &sites, `
		select c.site_id
		from loyalty.chain c
		left join lateral (select k.day, k.place from loyalty.checkpoint k where k.site_id = c.site_id order by k.day desc limit 1) k on true
		where c.place > coalesce(k.place, 0) and (k.day is null or k.day < $1::date)
		order by c.site_id`, day.Format(time.DateOnly))
	return sites, wrapped("find sites without a checkpoint", err)
}
