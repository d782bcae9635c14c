package loyalty

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// place of a lot; LotID 0: all that a member has.
type lotPlace struct {
	SiteID    int64 `db:"site_id"`
	LotID     int64 `db:"lot_id"`
	AccountID int64 `db:"account_id"`
}

// awake are up to limit lots, and up to limit members and wallets of theirs, with which something is to be done by now.
func awake(ctx context.Context, tx sqlx.QueryerContext, now time.Time, limit int) ([]lotPlace, error) {
	var rows []lotPlace
	err := sqlx.SelectContext(ctx, tx, &rows, `
		(select site_id, id as lot_id, account_id from loyalty.lot where wake_at <= $1 order by wake_at limit $2)
		union all
		select a.site_id, 0, a.id from (select site_id, id from loyalty.member where wake_at <= $1 order by wake_at limit $2) m
		cross join lateral (select * from loyalty.account a where a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points' offset 0) a
		union all
		(select site_id, 0, id from loyalty.account where wake_at <= $1 order by wake_at limit $2)`, now, limit)
	if err != nil {
		return nil, fmt.Errorf("find lots to wake: %w", err)
	}
	return rows, nil
}

// lotsAfter are the open lots of a site behind one of them, in their order.
func lotsAfter(ctx context.Context, tx sqlx.QueryerContext, site, after int64, limit int) ([]lotPlace, error) {
	var rows []lotPlace
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select site_id, id as lot_id, account_id from loyalty.lot where site_id = $1 and id > $2 and remaining > 0 order by id limit $3`, site, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read lots: %w", err)
	}
	return rows, nil
}

// lockedLots are lots whose members are locked.
type lockedLots struct {
	holders []*holder
	lots    []*lot // all that the members have left, and those that were picked
	picked  []*lot
}

// lockLots locks the members of lots, and reads all that they have left.
func lockLots(ctx context.Context, tx sqlx.QueryerContext, places []lotPlace, how string) (d lockedLots, err error) {
	accounts := make([]siteID, len(places))
	wanted := map[siteID]bool{}
	for i, p := range places {
		accounts[i] = siteID{p.SiteID, p.AccountID}
		wanted[siteID{p.SiteID, p.LotID}] = true
	}
	sites, ids := pairs(accounts)
	err = sqlx.SelectContext(ctx, tx, &d.holders, `
		select `+purseColumns+`
		from (
			select d.site_id, m.person_id, m.id, d.account_id from unnest($1::bigint[], $2::bigint[]) as d (site_id, account_id)
			cross join lateral (select * from loyalty.account a where a.site_id = d.site_id and a.id = d.account_id offset 0) a
			cross join lateral (select * from loyalty.member m where m.site_id = a.site_id and m.id = a.owner_id offset 0) m
			order by d.site_id, m.person_id) d
		cross join lateral (select * from loyalty.member m where m.site_id = d.site_id and m.id = d.id `+how+`) m
		cross join lateral (select * from loyalty.account a where a.site_id = d.site_id and a.id = d.account_id `+how+`) a`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return d, fmt.Errorf("lock members of lots: %w", err)
	}
	apart(d.holders)
	byPerson, byAccount := map[person]*holder{}, map[int64]bool{}
	for _, h := range d.holders {
		byAccount[h.ID] = true
		who := person{h.SiteID, h.PersonID}
		if h.Wallet == "" {
			byPerson[who] = h
		}
	}
	for _, h := range d.holders { // each wallet beside its member, whether or not the main one is asked for
		if who := (person{h.SiteID, h.PersonID}); h.Wallet != "" && byPerson[who] != nil {
			byPerson[who].wallets = append(byPerson[who].wallets, h)
		} else if h.Wallet != "" {
			byPerson[who] = h
		}
	}
	spentOut := map[siteSource]earned{} // lotsOf reads these whether or not anything is left of them
	for _, p := range places {
		if p.LotID != 0 && byAccount[p.AccountID] {
			spentOut[siteSource{p.SiteID, sourceOf("lot", p.LotID)}] = earned{SiteID: p.SiteID, ID: p.LotID}
		}
	}
	if d.lots, err = lotsOf(ctx, tx, byPerson, spentOut); err != nil {
		return d, err
	}
	hand(d.lots, d.holders)
	for _, l := range d.lots {
		if wanted[siteID{l.SiteID, l.ID}] {
			d.picked = append(d.picked, l)
		}
	}
	slices.SortFunc(d.picked, func(a, b *lot) int { return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.ID, b.ID)) })
	return d, nil
}

// sitesToRewake are those whose programme reminds otherwise than it did.
func sitesToRewake(ctx context.Context, db sqlx.QueryerContext) ([]int64, error) {
	var sites []int64
	if err := sqlx.SelectContext(ctx, db, &sites, `select site_id from loyalty.program where rewake_after is not null order by site_id`); err != nil {
		return nil, fmt.Errorf("find changed reminders: %w", err)
	}
	return sites, nil
}

// programToRewake locks a programme, and says behind which lot to go on; nil: it is done.
func programToRewake(ctx context.Context, tx sqlx.QueryerContext, site int64) (p program, after *int64, err error) {
	var r struct {
		programRow
		After sql.NullInt64 `db:"rewake_after"`
	}
	err = sqlx.GetContext(ctx, tx, &r, `select `+programColumns+`, rewake_after from loyalty.program where site_id = $1 and rewake_after is not null for update`, site)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil, nil
	}
	if err != nil {
		return p, nil, fmt.Errorf("lock programme: %w", err)
	}
	p, err = r.program()
	return p, &r.After.Int64, err
}

func rewakeFrom(ctx context.Context, tx sqlx.ExecerContext, p program, lot int64) error {
	if _, err := tx.ExecContext(ctx, `update loyalty.program set rewake_after = $3 where site_id = $1 and id = $2`, p.SiteID, p.ID, lot); err != nil {
		return fmt.Errorf("note how far lots follow a reminder: %w", err)
	}
	return nil
}

func rewakeDone(ctx context.Context, tx sqlx.ExecerContext, p program) error {
	if _, err := tx.ExecContext(ctx, `update loyalty.program set rewake_after = null where site_id = $1 and id = $2`, p.SiteID, p.ID); err != nil {
		return fmt.Errorf("note that lots follow a reminder: %w", err)
	}
	return nil
}
