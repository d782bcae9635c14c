package loyalty

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// saveState writes the state of a locked member.
func saveState(ctx context.Context, tx sqlx.ExecerContext, h *holder, joins bool) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.member set status = $3, forfeit_at = $4, forfeited = null, joined_at = case when $5 then $6 else joined_at end
		where site_id = $1 and id = $2`, h.SiteID, h.MemberID, h.Status, h.ForfeitAt, joins, h.JoinedAt)
	return wrapped("save a member's state", err)
}

// addChanges notes how members came to their states.
func addChanges(ctx context.Context, tx sqlx.ExecerContext, rows []memberChange) error {
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.member_change (site_id, member_id, from_status, to_status, cause, key_id, note, forfeit_at, changed_at)
		select site_id, member_id, was, is_now, cause, key_id, nullif(note, ''), nullif(forfeit_at, '')::timestamptz, at::timestamptz
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[])
			with ordinality as u (site_id, member_id, was, is_now, cause, key_id, note, forfeit_at, at, o)
		order by o`,
		pq.Array(column(rows, func(c memberChange) int64 { return c.SiteID })), pq.Array(column(rows, func(c memberChange) int64 { return c.MemberID })),
		pq.Array(column(rows, func(c memberChange) string { return c.From })), pq.Array(column(rows, func(c memberChange) string { return c.To })),
		pq.Array(column(rows, func(c memberChange) string { return c.Cause })), pq.Array(column(rows, func(c memberChange) int64 { return c.KeyID })),
		pq.Array(column(rows, func(c memberChange) string { return c.Note })), pq.Array(column(rows, func(c memberChange) string { return stampOrNot(c.ForfeitAt) })),
		pq.Array(column(rows, func(c memberChange) string { return stamp(c.At) })))
	return wrapped("note changes of members' states", err)
}

// dropChangeNotes forgets why people's memberships changed, in the words of who changed them.
func dropChangeNotes(ctx context.Context, tx sqlx.ExecerContext, people []person) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.member_change c set note = null
		from unnest($1::bigint[], $2::bigint[]) as u (s, p), loyalty.member m
		where m.site_id = u.s and m.person_id = u.p and c.site_id = m.site_id and c.member_id = m.id and c.note is not null`,
		pq.Array(column(people, func(p person) int64 { return p.site })), pq.Array(column(people, func(p person) int64 { return p.id })))
	return wrapped("drop notes of members' states", err)
}

// memberships selects members of a site ($1) with how they came to their states.
const memberships = `
	select m.id as member_id, m.person_id, m.status, m.joined_at, m.forfeit_at, a.balance, coalesce(w.balance, 0) as pending, coalesce(c.cause, '') as cause, c.note,
		coalesce(c.changed_at, m.joined_at) as changed_at
	from loyalty.member m
	join loyalty.account a on a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points'
	left join loyalty.account w on w.site_id = m.site_id and w.name = 'pending' and w.asset = 'points' and w.pending_of = m.id and w.owner_id is null
	left join lateral (select c.cause, c.note, c.changed_at from loyalty.member_change c where c.site_id = m.site_id and c.member_id = m.id order by c.id desc limit 1) c on true
	where m.site_id = $1`

func membershipIn(ctx context.Context, db sqlx.QueryerContext, siteID, memberID int64) (out loyaltyapi.Membership, err error) {
	err = sqlx.GetContext(ctx, db, &out, memberships+` and m.id = $2`, siteID, memberID)
	return out, wrapped("read a membership", err)
}

// membershipsOf reads members of a state, by their ids. The state is a word of ours, and stands in the text so that its index is found.
func membershipsOf(ctx context.Context, db sqlx.QueryerContext, siteID int64, status string, after int64, limit int) ([]loyaltyapi.Membership, error) {
	rows := []loyaltyapi.Membership{}
	err := sqlx.SelectContext(ctx, db, &rows, memberships+` and m.status = '`+status+`' and m.id > $2 order by m.id limit $3`, siteID, after, limit)
	return rows, wrapped("list memberships", err)
}

// memberChangesOf reads how a member came to its state, the latest change first.
func memberChangesOf(ctx context.Context, db sqlx.QueryerContext, siteID, memberID, before int64, limit int) ([]loyaltyapi.MemberChange, error) {
	rows := []loyaltyapi.MemberChange{}
	err := sqlx.SelectContext(ctx, db, &rows, `
		select id, nullif(from_status, '') as from_status, to_status, cause, nullif(key_id, 0) as key_id, note, forfeit_at, changed_at
		from loyalty.member_change where site_id = $1 and member_id = $2 and ($3 = 0 or id < $3) order by id desc limit $4`, siteID, memberID, before, limit)
	return rows, wrapped("list changes of a member's state", err)
}

// sitesToForfeit are the sites of up to limit members whose points end because they left.
func sitesToForfeit(ctx context.Context, tx sqlx.QueryerContext, now time.Time, limit int) ([]int64, error) {
	var sites []int64
	err := sqlx.SelectContext(ctx, tx, &sites, `
		select distinct site_id from (
			select site_id from loyalty.member where forfeited is null and forfeit_at <= $1 and status <> 'merged' order by forfeit_at limit $2) m order by site_id`, now, limit)
	return sites, wrapped("find who forfeits points", err)
}

// lockToForfeit locks up to limit such members of sites, passing by those that somebody else is at.
func lockToForfeit(ctx context.Context, tx sqlx.QueryerContext, sites []int64, now time.Time, limit int) ([]*holder, error) {
	var rows []*holder
	err := sqlx.SelectContext(ctx, tx, &rows, `
		with due as (
			select m.site_id, a.id as account_id
			from (select site_id, id from loyalty.member where forfeited is null and forfeit_at <= $2 and status <> 'merged' and site_id = any ($1) order by forfeit_at limit $3) m
			cross join lateral (select * from loyalty.account a where a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points' offset 0) a
		)
		`+lockingDue, pq.Array(sites), now, limit)
	return rows, wrapped("lock who forfeits points", err)
}

// pendingOf reads all pending lots of members whose account of pending points is loaded, with what made them.
func pendingOf(ctx context.Context, tx sqlx.QueryerContext, holders []*holder) (lots []*lot, made map[siteID]txn, err error) {
	var sites, accounts []int64
	for _, h := range holders {
		if h.pending != nil {
			sites, accounts = append(sites, h.SiteID), append(accounts, h.pending.ID)
		}
	}
	if len(sites) == 0 {
		return nil, nil, nil
	}
	err = sqlx.SelectContext(ctx, tx, &lots, `
		select `+lotColumns+`
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, account_id)
		cross join lateral (select * from loyalty.lot l where l.site_id = u.site_id and l.account_id = u.account_id and l.remaining > 0 offset 0) l
		order by l.site_id, l.id`, pq.Array(sites), pq.Array(accounts))
	if err != nil {
		return nil, nil, fmt.Errorf("read pending points: %w", err)
	}
	made, err = madeBy(ctx, tx, column(lots, func(l *lot) siteID { return siteID{l.SiteID, l.ID} }))
	return lots, made, err
}

// memberChangesBefore reads changes of a member's state behind a place of the timeline, newest first.
func memberChangesBefore(ctx context.Context, db sqlx.QueryerContext, site, member int64, p place, limit int) ([]loyaltyapi.MemberChange, error) {
	var rows []loyaltyapi.MemberChange
	err := sqlx.SelectContext(ctx, db, &rows, `
		select id, nullif(from_status, '') as from_status, to_status, cause, changed_at
		from loyalty.member_change
		where site_id = $1 and member_id = $2 and changed_at <= $3
			and (changed_at < $3 or ('`+typeState+`' collate "C", id) < ($4 collate "C", $5))
		order by changed_at desc, id desc
		limit $6`, site, member, p.at, p.typ, p.id, limit)
	return rows, wrapped("read changes of a member's state", err)
}

// saveForfeited notes that the timer has come by members.
func saveForfeited(ctx context.Context, tx sqlx.ExecerContext, holders []*holder) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.member m set forfeited = true
		from unnest($1::bigint[], $2::bigint[]) as u (s, i) where m.site_id = u.s and m.id = u.i`,
		pq.Array(column(holders, func(h *holder) int64 { return h.SiteID })), pq.Array(column(holders, func(h *holder) int64 { return h.MemberID })))
	return wrapped("note who forfeited points", err)
}

// saveWindows writes until when the points of new candidates wait.
func saveWindows(ctx context.Context, tx sqlx.ExecerContext, holders []*holder) error {
	if len(holders) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		update loyalty.member m set forfeit_at = u.at::timestamptz
		from unnest($1::bigint[], $2::bigint[], $3::text[]) as u (s, i, at) where m.site_id = u.s and m.id = u.i`,
		pq.Array(column(holders, func(h *holder) int64 { return h.SiteID })), pq.Array(column(holders, func(h *holder) int64 { return h.MemberID })),
		pq.Array(column(holders, func(h *holder) string { return stampOrNot(h.ForfeitAt) })))
	return wrapped("save until when points wait", err)
}
