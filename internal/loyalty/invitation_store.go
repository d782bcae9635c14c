package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

const invitationColumns = `i.site_id, i.id, i.member_id, m.person_id, i.code, i.status, i.note, i.created_at, i.expires_at, i.ended_at`

// saveInvitations adds those of who has none open, and reads what is open then, by member; fresh are the ids of the new ones. The members are locked.
func saveInvitations(ctx context.Context, tx sqlx.ExtContext, siteID int64, asked []invitation, note string, keyID int64, now time.Time) (fresh map[int64]bool, open map[int64]invitation, err error) {
	if len(asked) == 0 {
		return nil, nil, nil
	}
	members, codes := pq.Array(column(asked, func(i invitation) int64 { return i.MemberID })), pq.Array(column(asked, func(i invitation) string { return i.Code }))
	_, err = tx.ExecContext(ctx, `
		update loyalty.invitation set status = 'lapsed', ended_at = expires_at where site_id = $1 and member_id = any ($2) and status = 'open' and expires_at <= $3`, siteID, members, now)
	if err != nil {
		return nil, nil, wrapped("end invitations whose time is over", err)
	}
	var ids []int64
	err = sqlx.SelectContext(ctx, tx, &ids, `
		insert into loyalty.invitation (site_id, member_id, code, note, key_id, created_at, expires_at)
		select $1, u.member_id, u.code, nullif($4, ''), $5, $6, $7 from unnest($2::bigint[], $3::text[]) as u (member_id, code) order by u.member_id
		on conflict (site_id, member_id) where status = 'open' do nothing
		returning id`, siteID, members, codes, note, keyID, now, asked[0].ExpiresAt)
	if err != nil {
		return nil, nil, wrapped("invite", err)
	}
	var rows []invitation
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select `+invitationColumns+` from loyalty.invitation i join loyalty.member m on m.site_id = i.site_id and m.id = i.member_id
		where i.site_id = $1 and i.member_id = any ($2) and i.status = 'open'`, siteID, members)
	fresh, open = make(map[int64]bool, len(ids)), make(map[int64]invitation, len(rows))
	for _, id := range ids {
		fresh[id] = true
	}
	for _, i := range rows {
		open[i.MemberID] = i
	}
	return fresh, open, wrapped("read invitations", err)
}

// invitationBy finds an invitation by its id or its code; how says whether it is locked.
func invitationBy(ctx context.Context, db sqlx.QueryerContext, siteID int64, by string, value any, how string) (i invitation, err error) {
	err = sqlx.GetContext(ctx, db, &i, `
		select `+invitationColumns+` from loyalty.invitation i join loyalty.member m on m.site_id = i.site_id and m.id = i.member_id
		where i.site_id = $1 and i.`+by+` = $2 `+how, siteID, value)
	if errors.Is(err, sql.ErrNoRows) {
		return i, errNoInvitation
	}
	return i, wrapped("find an invitation", err)
}

// endInvitation ends a locked invitation, and tells it.
func endInvitation(ctx context.Context, u *bus.Unit, i invitation, status string) error {
	now := moment(u.Now, u.Now)
	u.Tell(i.SiteID, sourceOf("member", i.MemberID), loyaltyevent.InvitationEnded{SiteID: i.SiteID, InvitationID: i.ID, MemberID: i.MemberID, PersonID: i.PersonID, Status: status, EndedAt: now})
	_, err := u.ExecContext(ctx, `update loyalty.invitation set status = $3, ended_at = $4 where site_id = $1 and id = $2`, i.SiteID, i.ID, status, now)
	return wrapped("end an invitation", err)
}

// dropInvitations ends what people of whom nothing is to be known were asked, and forgets why.
func dropInvitations(ctx context.Context, tx sqlx.ExecerContext, people []person, now time.Time) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.invitation i set status = case i.status when 'open' then 'revoked' else i.status end, ended_at = coalesce(i.ended_at, $3), note = null
		from unnest($1::bigint[], $2::bigint[]) as u (s, p), loyalty.member m
		where m.site_id = u.s and m.person_id = u.p and i.site_id = m.site_id and i.member_id = m.id and (i.note is not null or i.status = 'open')`,
		pq.Array(column(people, func(p person) int64 { return p.site })), pq.Array(column(people, func(p person) int64 { return p.id })), now)
	return wrapped("drop invitations", err)
}

// invitationsOf lists invitations of a state, the latest first.
func invitationsOf(ctx context.Context, db sqlx.QueryerContext, siteID int64, status string, now time.Time, before int64, limit int) ([]invitation, error) {
	rows := []invitation{}
	err := sqlx.SelectContext(ctx, db, &rows, `
		select `+invitationColumns+` from loyalty.invitation i join loyalty.member m on m.site_id = i.site_id and m.id = i.member_id
		where i.site_id = $1 and ($2 = 0 or i.id < $2)
			and ($3 = '' or $3 = case when i.status = 'open' and i.expires_at <= $4 then 'lapsed' else i.status end)
		order by i.id desc limit $5`, siteID, before, status, now, limit)
	return rows, wrapped("list invitations", err)
}

// sweepInvitations forgets up to limit that were over before a moment.
func sweepInvitations(ctx context.Context, tx sqlx.ExecerContext, before time.Time, limit int) error {
	_, err := tx.ExecContext(ctx, `
		delete from loyalty.invitation i using (
			select site_id, id from loyalty.invitation where coalesce(ended_at, expires_at) < $1 order by coalesce(ended_at, expires_at) limit $2 for update skip locked) x
		where i.site_id = x.site_id and i.id = x.id`, before, limit)
	return wrapped("sweep invitations", err)
}
