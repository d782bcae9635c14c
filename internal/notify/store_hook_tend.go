package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// endCalls lets up to n deliveries go on whose worker died. Their receivers may have got them; they know them by their ids.
func endCalls(ctx context.Context, db sqlx.ExtContext, now time.Time, n int) (int64, error) {
	return changed(db.ExecContext(ctx, `
		update notify.delivery d set state = 'waiting', lease_until = null, next_at = $1, last_error = 'the worker ended while it was being sent'
		where (d.site_id, d.id) in (
			select site_id, id from notify.delivery where state = 'sending' and lease_until < $1 order by lease_until limit $2 for update skip locked)`, now, n))
}

// dropDisabled ends up to n waiting deliveries of endpoints that are told no more.
func dropDisabled(ctx context.Context, db sqlx.ExtContext, now time.Time, n int) (int64, error) {
	return changed(db.ExecContext(ctx, `
		update notify.delivery d set state = 'failed', reason = 'disabled', failed_at = $1
		where (d.site_id, d.id) in (
			select w.site_id, w.id from notify.endpoint e
			join notify.delivery w on w.site_id = e.site_id and w.endpoint_id = e.id and w.state = 'waiting'
			where not e.enabled
			limit $2
			for update of w skip locked)`, now, n))
}

// resendFailed queues up to n failed deliveries again of one endpoint whose merchant asked for it, the oldest first; an endpoint that
// has no more is done. more says whether somebody may have more.
func resendFailed(ctx context.Context, tx sqlx.ExtContext, now time.Time, n int) (queued int64, more bool, err error) {
	var of []struct {
		SiteID int64     `db:"site_id"`
		ID     int64     `db:"id"`
		Since  time.Time `db:"resend_since"`
		Until  time.Time `db:"resend_until"`
	}
	err = sqlx.SelectContext(ctx, tx, &of, `
		select site_id, id, resend_since, resend_until from notify.endpoint
		where resend_since is not null
		order by resend_until limit 1
		for no key update skip locked`)
	if err != nil || len(of) == 0 {
		return 0, false, err
	}
	e := of[0]
	queued, err = changed(tx.ExecContext(ctx, `
		update notify.delivery d set state = 'waiting', reason = null, failed_at = null, attempts = 0, next_at = $5, queued_at = $5
		where (d.site_id, d.id) in (
			select site_id, id from notify.delivery
			where site_id = $1 and endpoint_id = $2 and state = 'failed' and created_at >= $3 and failed_at <= $4
			order by created_at limit $6 for update)`, e.SiteID, e.ID, e.Since, e.Until, now, n))
	if err != nil || queued == int64(n) {
		return queued, true, err
	}
	_, err = tx.ExecContext(ctx, `update notify.endpoint set resend_since = null, resend_until = null where site_id = $1 and id = $2`, e.SiteID, e.ID)
	return queued, true, err
}

// sweepDeliveries forgets up to n deliveries that have ended, and their attempts.
func sweepDeliveries(ctx context.Context, db sqlx.ExtContext, before time.Time, n int) (int64, error) {
	var gone int64
	err := sqlx.GetContext(ctx, db, &gone, `
		with old as (
			delete from notify.delivery where (site_id, id) in (
				select site_id, id from notify.delivery
				where state in ('delivered', 'failed') and created_at < $1
				order by created_at limit $2 for update skip locked)
			returning site_id, id
		), attempts as (
			delete from notify.attempt a using old where a.site_id = old.site_id and a.delivery_id = old.id
		)
		select count(*) from old`, before, n)
	if err != nil {
		return 0, fmt.Errorf("forget deliveries: %w", err)
	}
	return gone, nil
}

// hookBacklog counts deliveries that wait and that are under way, up to 100,000 of each.
func hookBacklog(ctx context.Context, db sqlx.QueryerContext) (waits, underway int, err error) {
	err = db.QueryRowxContext(ctx, `
		select (select count(*) from (select from notify.delivery where state = 'waiting' limit 100000) w),
			(select count(*) from (select from notify.delivery where state = 'sending' limit 100000) s)`).Scan(&waits, &underway)
	if err != nil {
		return 0, 0, fmt.Errorf("count deliveries: %w", err)
	}
	return waits, underway, nil
}

func changed(done interface{ RowsAffected() (int64, error) }, err error) (int64, error) {
	if err != nil {
		return 0, fmt.Errorf("tend deliveries: %w", err)
	}
	return done.RowsAffected()
}

// forgetInDeliveries drops the bodies and answers that hold people who were anonymized. What is still to be sent is written anew, without
// them.
func forgetInDeliveries(ctx context.Context, tx sqlx.ExecerContext, people []customerevent.PersonAnonymized) error {
	n := len(people)
	sites, ids := make([]int64, n), make([]int64, n)
	for i, p := range people {
		sites[i], ids[i] = p.SiteID, p.PersonID
	}
	_, err := tx.ExecContext(ctx, `
		with found as (
			select d.site_id, d.id from unnest($1::bigint[], $2::bigint[]) as u (s, p) join notify.delivery d on d.site_id = u.s and d.person_id = u.p and u.p <> 0
			union
			select d.site_id, d.id from unnest($1::bigint[], $2::bigint[]) as u (s, p) join notify.delivery d on d.site_id = u.s and d.friend_id = u.p and u.p <> 0
		), bodies as (
			update notify.delivery d set body = null from found where d.site_id = found.site_id and d.id = found.id and d.body is not null
		)
		update notify.attempt a set answer = null from found where a.site_id = found.site_id and a.delivery_id = found.id and a.answer is not null`,
		pq.Array(sites), pq.Array(ids))
	if err != nil {
		return fmt.Errorf("forget people in deliveries: %w", err)
	}
	return nil
}
