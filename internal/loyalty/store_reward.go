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

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

func (k countKey) compare(o countKey) int {
	return cmp.Or(cmp.Compare(k.SiteID, o.SiteID), cmp.Compare(k.BatchID, o.BatchID), cmp.Compare(k.MemberID, o.MemberID), cmp.Compare(k.Span, o.Span), cmp.Compare(k.Since, o.Since))
}

// countArrays are keys in the order of locks, as arrays of a statement.
func countArrays(keys []countKey) (sorted []countKey, arrays []any) {
	sorted = slices.Clone(keys)
	slices.SortFunc(sorted, countKey.compare)
	sorted = slices.Compact(sorted)
	return sorted, []any{pq.Array(column(sorted, func(k countKey) int64 { return k.SiteID })), pq.Array(column(sorted, func(k countKey) int64 { return k.BatchID })),
		pq.Array(column(sorted, func(k countKey) int64 { return k.MemberID })), pq.Array(column(sorted, func(k countKey) string { return k.Span })),
		pq.Array(column(sorted, func(k countKey) string { return k.Since }))}
}

const countsWanted = `(select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) with ordinality as u (site_id, batch_id, member_id, span, since, o)
	order by o) u`

// openCounts makes the counts that redemptions are to be part of, where they aren't there yet.
func openCounts(ctx context.Context, tx sqlx.ExecerContext, keys []countKey) error {
	if len(keys) == 0 {
		return nil
	}
	_, arrays := countArrays(keys)
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.redemption_count (site_id, batch_id, member_id, span, since, most)
		select u.site_id, u.batch_id, u.member_id, u.span, u.since::date, 0 from `+countsWanted+`
		on conflict on constraint redemption_count_pkey do nothing`, arrays...)
	if err != nil {
		return fmt.Errorf("open counts of redemptions: %w", err)
	}
	return nil
}

// countsOf reads counts; how is "for update" for who changes them, "offset 0" for who only looks.
func countsOf(ctx context.Context, db sqlx.QueryerContext, keys []countKey, how string) (map[countKey]*rewardCount, error) {
	out := map[countKey]*rewardCount{}
	if len(keys) == 0 {
		return out, nil
	}
	_, arrays := countArrays(keys)
	var rows []*rewardCount
	err := sqlx.SelectContext(ctx, db, &rows, `
		select c.site_id, c.batch_id, c.member_id, c.span, to_char(c.since, 'YYYY-MM-DD') as since, c.taken, c.most
		from `+countsWanted+`
		cross join lateral (select * from loyalty.redemption_count c where c.site_id = u.site_id and c.batch_id = u.batch_id and c.member_id = u.member_id
			and c.span = u.span and c.since = u.since::date `+how+`) c`, arrays...)
	if err != nil {
		return nil, fmt.Errorf("read counts of redemptions: %w", err)
	}
	for _, c := range rows {
		out[c.countKey] = c
	}
	return out, nil
}

func (s *saving) rewardCounts(all map[countKey]*rewardCount) {
	var rows []*rewardCount
	for _, c := range all {
		if c.dirty {
			rows = append(rows, c)
		}
	}
	if len(rows) == 0 {
		return
	}
	s.add("counts of redemptions", `
		update loyalty.redemption_count c set taken = u.taken, most = u.most from $rows
		where c.site_id = u.site_id and c.batch_id = u.batch_id and c.member_id = u.member_id and c.span = u.span and c.since = u.since::date`,
		`site_id batch_id member_id span:text since:text taken most`,
		column(rows, func(c *rewardCount) int64 { return c.SiteID }), column(rows, func(c *rewardCount) int64 { return c.BatchID }),
		column(rows, func(c *rewardCount) int64 { return c.MemberID }), column(rows, func(c *rewardCount) string { return c.Span }),
		column(rows, func(c *rewardCount) string { return c.Since }), column(rows, func(c *rewardCount) int64 { return c.Taken }),
		column(rows, func(c *rewardCount) int64 { return c.Most }))
}

// sweepCounts forgets the counts of days so long ago that nobody cancels anything of them; one that is cancelled all the same gives
// back what it cost, and no place.
func (m *Module) sweepCounts(ctx context.Context) error {
	_, err := m.db.ExecContext(ctx, `
		delete from loyalty.redemption_count where ctid = any (array(
			select ctid from loyalty.redemption_count where span = 'day' and since < $1::date order by since limit $2))`, m.now().Add(-keepTallies), 2*perPass)
	if err != nil {
		return fmt.Errorf("sweep counts of redemptions: %w", err)
	}
	return nil
}

// siteRedemptionsQuery has a filter's conditions in place of %s. By time, as the indexes are: a period in the past is found however much came since.
const siteRedemptionsQuery = `
		select ` + redemptionColumns + ` from loyalty.redemption r where r.site_id = $1 and (r.created_at, r.id) < ($2, $3)%s order by r.created_at desc, r.id desc limit $4`

// siteRedemptions reads redemptions of a site behind a place, newest first.
func siteRedemptions(ctx context.Context, db sqlx.QueryerContext, site int64, f redemptionFilter, after loyaltyapi.AfterRedemption, limit int) ([]redemption, error) {
	if after.At.IsZero() {
		after = f.start()
	}
	var rows []redemption
	where, args := f.where([]any{site, after.At, after.ID, limit})
	err := sqlx.SelectContext(ctx, db, &rows, fmt.Sprintf(siteRedemptionsQuery, where), args...)
	if err != nil {
		return nil, fmt.Errorf("read redemptions: %w", err)
	}
	return rows, nil
}

// lockRedemption locks a redemption, and says whose it is by now: of a merged member, the survivor's.
func lockRedemption(ctx context.Context, tx sqlx.QueryerContext, site, id int64) (redemption, int64, error) {
	var r struct {
		redemption
		PersonID int64 `db:"person_id"`
	}
	err := sqlx.GetContext(ctx, tx, &r, `
		select `+redemptionColumns+`, coalesce(s.person_id, m.person_id) as person_id
		from loyalty.redemption r
		join loyalty.member m on m.site_id = r.site_id and m.id = r.member_id
		left join loyalty.member s on s.site_id = m.site_id and s.id = m.merged_into
		where r.site_id = $1 and r.id = $2 for update of r`, site, id)
	if errors.Is(err, sql.ErrNoRows) {
		return r.redemption, 0, errNoRedemption
	}
	if err != nil {
		return r.redemption, 0, fmt.Errorf("lock redemption: %w", err)
	}
	return r.redemption, r.PersonID, nil
}

// fulfilRedemption writes that a locked redemption is in the hands of who redeemed it.
func fulfilRedemption(ctx context.Context, tx sqlx.ExecerContext, now time.Time, site, id int64, note string) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.redemption set status = 'fulfilled', fulfilled_at = $3, note = nullif($4, '') where site_id = $1 and id = $2 and status = 'waiting'`, site, id, now, note)
	if err != nil {
		return fmt.Errorf("fulfil redemption: %w", err)
	}
	return nil
}

// wantCancelled notes that somebody cancels a redemption, and why; nil: nobody does any more.
func wantCancelled(ctx context.Context, tx sqlx.ExecerContext, now time.Time, site, id int64, reason *string) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.redemption set cancel_wanted = $3, cancel_wanted_at = case when $3::text is null then null else $4::timestamptz end
		where site_id = $1 and id = $2 and status <> 'cancelled'`, site, id, reason, now)
	if err != nil {
		return fmt.Errorf("note that a redemption is cancelled: %w", err)
	}
	return nil
}

// begunCancel is a cancellation that somebody began.
type begunCancel struct {
	SiteID       int64   `db:"site_id"`
	ID           int64   `db:"id"`
	CancelWanted *string `db:"cancel_wanted"`
}

func cancelsBegun(ctx context.Context, db sqlx.QueryerContext, before time.Time, limit int) ([]begunCancel, error) {
	var out []begunCancel
	err := sqlx.SelectContext(ctx, db, &out, `
		select site_id, id, cancel_wanted from loyalty.redemption
		where cancel_wanted_at is not null and status <> 'cancelled' and cancel_wanted_at <= $1 order by cancel_wanted_at limit $2`, before, limit)
	if err != nil {
		return nil, fmt.Errorf("find cancellations that were begun: %w", err)
	}
	return out, nil
}

// dropNotes forgets what was noted for people whose data is erased.
func dropNotes(ctx context.Context, tx sqlx.ExecerContext, people []person) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.redemption r set note = null
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, person_id)
		join loyalty.member m on m.site_id = u.site_id and m.person_id = u.person_id
		where r.site_id = m.site_id and r.member_id = m.id and r.note is not null`,
		pq.Array(column(people, func(p person) int64 { return p.site })), pq.Array(column(people, func(p person) int64 { return p.id })))
	if err != nil {
		return fmt.Errorf("drop notes of redemptions: %w", err)
	}
	return nil
}
