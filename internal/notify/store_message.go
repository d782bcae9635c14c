package notify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// order is a message that is wanted.
type order struct {
	siteID, personID int64
	dedupeKey, data  string
	delay            time.Duration
}

// insertOrders queues messages of one template; those whose occasion has one already are left out. Whoever is known to have no
// address, or to want none, or has had its fill of the day, gets none: such a message ends where it begins. It returns the new ones
// that are queued, as a number, and those that have ended. One consumer after the other comes here, so nothing is counted at a time.
func insertOrders(ctx context.Context, tx sqlx.ExtContext, template string, now time.Time, orders []order) (waiting int, mute []ended, err error) {
	n := len(orders)
	sites, persons, keys, data, delays := make([]int64, n), make([]int64, n), make([]string, n), make([]string, n), make([]int64, n)
	for i, o := range orders {
		sites[i], persons[i], keys[i], data[i], delays[i] = o.siteID, o.personID, o.dedupeKey, o.data, int64(o.delay/time.Second)
	}
	var made []ended
	err = sqlx.SelectContext(ctx, tx, &made, `
		insert into notify.message (site_id, person_id, channel, template, dedupe_key, data, status, reason, since, next_at, queued_at, failed_at, suppressed_at)
		select s, p, 'email', $5, k, d::jsonb, case when reason is null then 'queued' when reason = $7 then 'failed' else 'suppressed' end, reason,
			$6::timestamptz + w * interval '1 second', $6::timestamptz + w * interval '1 second', $6,
			case when reason = $7 then $6::timestamptz end, case when reason <> $7 then $6::timestamptz end
		from (
			select s, p, k, d, w, coalesce(c.reason, case when daily > 0 and nth + had > daily then $12 end) as reason
			from (select s, p, k, d, w, row_number() over (partition by s, p order by n) as nth, $11::int as daily
				from (
					select s, coalesce(x.merged_into, p) as p, k, d, w, n
					from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $13::bigint[]) with ordinality as u (s, p, k, d, w, n)
					left join lateral (select merged_into from notify.contact where site_id = s and person_id = p offset 0) x on true) u) o
			left join lateral (
				select case when anonymized_at is not null then $8 when unsubscribed_at is not null and not $10 then $9 when email = '' and not (phone <> '' and exists (
					select from notify.sms_consent o where o.site_id = s and o.person_id = p and o.opted_in_at is not null)) then $7 end as reason
				from notify.contact where site_id = s and person_id = p offset 0) c on true
			left join lateral (
				select count(*) as had from notify.message m
				where daily > 0 and m.site_id = s and m.person_id = p and m.template = 'share' and m.status <> 'suppressed'
					and m.queued_at > $6::timestamptz - interval '1 day') h on true) wanted
		order by s, k
		on conflict on constraint message_dedupe_key do nothing
		returning site_id, id, person_id, channel, template, status, coalesce(reason, '') as reason`,
		pq.Array(sites), pq.Array(persons), pq.Array(keys), pq.Array(data), template, now, noAddress, anonymized, unsubscribed, necessary(template),
		templates[template].daily, tooMany, pq.Array(delays))
	if err != nil {
		return 0, nil, fmt.Errorf("queue messages: %w", err)
	}
	for _, m := range made {
		if m.Status != queued {
			mute = append(mute, m)
		}
	}
	return len(made) - len(mute), mute, nil
}

// lockDue locks up to n messages whose time has come, with what their rendering needs. Other workers pass them by.
func lockDue(ctx context.Context, tx sqlx.ExtContext, now time.Time, n int) ([]job, error) {
	var jobs []job
	err := sqlx.SelectContext(ctx, tx, &jobs, `
		select m.site_id, m.id, m.person_id, m.channel, m.template, m.data, m.attempts, m.claim, m.since, m.queued_at, m.uncertain_at, m.cleared_at is not null as cleared, coalesce((m.data->>'ends')::timestamptz <= $1, false) as over,
			coalesce(m.message_id_header, '') as message_id_header,
			c.person_id is not null as contact_known, c.unsubscribed_at is not null as unsubscribed, c.anonymized_at is not null as anonymized,
			coalesce(c.email, '') as email, coalesce(c.phone, '') as phone, o.opted_in_at is not null as agrees,
			coalesce(c.first_name, '') as first_name, coalesce(c.last_name, '') as last_name,
			coalesce(a.first_name, '') as advocate,
			s.site_id is not null as site_known, coalesce(s.name, '') as site_name, coalesce(s.url, '') as site_url,
			coalesce(s.email_from, '') as site_from, coalesce(s.time_zone, '') as site_zone
		from notify.message m
		left join notify.contact c on c.site_id = m.site_id and c.person_id = m.person_id
		left join notify.sms_consent o on c.email = '' and c.phone <> '' and o.site_id = m.site_id and o.person_id = m.person_id
		left join notify.contact a on m.template in ('share', 'share_reminder') and a.site_id = m.site_id and a.person_id = (m.data->>'advocate_id')::bigint
		left join notify.site s on s.site_id = m.site_id
		where m.status = 'queued' and m.next_at <= $1
		order by m.next_at
		limit $2
		for update of m skip locked`, now, n)
	if err != nil {
		return nil, fmt.Errorf("lock due messages: %w", err)
	}
	return jobs, nil
}

// takeJobs marks locked messages as claimed.
func takeJobs(ctx context.Context, tx sqlx.ExtContext, jobs []job, lease time.Time) error {
	sites, ids := places(jobs)
	channels := make([]string, len(jobs))
	for i, j := range jobs {
		channels[i] = j.Channel
	}
	_, err := tx.ExecContext(ctx, `
		update notify.message m
		set status = 'sending', attempts = attempts + 1, claim = claim + 1, lease_until = $3, reason = null, channel = h
		from unnest($1::bigint[], $2::bigint[], $4::text[]) as u (s, i, h)
		where m.site_id = u.s and m.id = u.i`, pq.Array(sites), pq.Array(ids), lease, pq.Array(channels))
	if err != nil {
		return fmt.Errorf("claim messages: %w", err)
	}
	return nil
}

// settleJobs gives locked messages that can't be sent now their fate.
func settleJobs(ctx context.Context, tx sqlx.ExtContext, jobs []job, fates []fate, now time.Time) error {
	if len(jobs) == 0 {
		return nil
	}
	sites, ids := places(jobs)
	states, reasons, nexts := make([]string, len(jobs)), make([]string, len(jobs)), make([]string, len(jobs))
	for i, f := range fates {
		next := f.next
		if next.IsZero() {
			next = now
		}
		states[i], reasons[i], nexts[i] = f.status, f.reason, next.Format(time.RFC3339Nano)
	}
	_, err := tx.ExecContext(ctx, `
		update notify.message m
		set status = f, reason = r, next_at = n::timestamptz, failed_at = case when f = 'failed' then $6::timestamptz end,
			suppressed_at = case when f = 'suppressed' then $6::timestamptz end, uncertain_at = case when f = 'queued' then m.uncertain_at end
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[]) as u (s, i, f, r, n)
		where m.site_id = u.s and m.id = u.i`,
		pq.Array(sites), pq.Array(ids), pq.Array(states), pq.Array(reasons), pq.Array(nexts), now)
	if err != nil {
		return fmt.Errorf("settle messages: %w", err)
	}
	return nil
}

// startTransmission notes that the next thing to happen is the transmission of l, and keeps the words. False: the lease has
// ended and somebody else has the message, or the person has just said that no such mail is wanted: the end of its lease leads it
// to its own.
func startTransmission(ctx context.Context, tx sqlx.ExtContext, j job, l letter, lease time.Time) (bool, error) {
	return one(tx.ExecContext(ctx, `
		update notify.message
		set status = 'transmitting', lease_until = $4, recipient = $5, subject = $6, text = $7, html = nullif($8, ''),
			message_id_header = nullif($9, ''), template_version = $10
		where site_id = $1 and id = $2 and claim = $3 and status = 'sending' and not exists (
			select from notify.contact c
			where c.site_id = $1 and c.person_id = $11 and (c.anonymized_at is not null or c.unsubscribed_at is not null and not $12))`,
		j.SiteID, j.ID, j.Claim, lease, l.to, l.subject, l.text, l.html, l.messageID, l.version, j.PersonID, necessary(j.Template)))
}

// finishAttempt notes what became of a claimed message. A worker that comes late may still turn an uncertain outcome into the
// one it saw. doubted is when the message was told as uncertain, if it was. False: the message has gone on without this worker.
func finishAttempt(ctx context.Context, tx sqlx.ExtContext, j job, f fate, detail string, now time.Time) (doubted sql.NullTime, mine bool, err error) {
	next := f.next
	if next.IsZero() {
		next = now
	}
	err = sqlx.GetContext(ctx, tx, &doubted, `
		with old as (
			select site_id, id, uncertain_at from notify.message
			where site_id = $1 and id = $2 and claim = $3 and status in ('sending', 'transmitting', 'uncertain')
			for update
		)
		update notify.message m
		set status = $4, reason = nullif($5, ''), last_error = case when m.body_dropped_at is null then nullif($6, '') end, next_at = $7, lease_until = null,
			sent_at = case when $4 = 'sent' then $8::timestamptz end,
			failed_at = case when $4 in ('failed', 'uncertain') then $8::timestamptz end,
			suppressed_at = case when $4 = 'suppressed' then $8::timestamptz end,
			uncertain_at = case $4 when 'uncertain' then coalesce(m.uncertain_at, $8) when 'queued' then m.uncertain_at end
		from old
		where m.site_id = old.site_id and m.id = old.id
		returning old.uncertain_at`,
		j.SiteID, j.ID, j.Claim, f.status, f.reason, detail, next, now)
	if errors.Is(err, sql.ErrNoRows) {
		return doubted, false, nil
	}
	if err != nil {
		return doubted, false, fmt.Errorf("finish an attempt: %w", err)
	}
	return doubted, true, nil
}

// giveBack returns claimed messages that were not tried.
func giveBack(ctx context.Context, tx sqlx.ExtContext, jobs []job, now time.Time) error {
	sites, ids := places(jobs)
	claims := make([]int64, len(jobs))
	for i, j := range jobs {
		claims[i] = int64(j.Claim)
	}
	_, err := tx.ExecContext(ctx, `
		update notify.message m set status = 'queued', attempts = attempts - 1, lease_until = null, next_at = $4
		from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as u (s, i, c)
		where m.site_id = u.s and m.id = u.i and m.claim = u.c and m.status = 'sending'`,
		pq.Array(sites), pq.Array(ids), pq.Array(claims), now)
	if err != nil {
		return fmt.Errorf("give messages back: %w", err)
	}
	return nil
}

// endLeases returns messages whose worker died before transmission, and marks those whose worker died within it. A doubt that was
// told before is returned with its moment.
func endLeases(ctx context.Context, tx sqlx.ExtContext, now time.Time) (returned int, doubtful []job, err error) {
	var ended []struct {
		job
		Status string `db:"status"`
		Known  bool   `db:"known"`
	}
	err = sqlx.SelectContext(ctx, tx, &ended, `
		update notify.message m
		set status = case m.status when 'sending' then 'queued' else 'uncertain' end,
			reason = case m.status when 'sending' then m.reason else 'lost' end,
			failed_at = case m.status when 'sending' then m.failed_at else $1 end,
			uncertain_at = case m.status when 'sending' then m.uncertain_at else coalesce(m.uncertain_at, $1) end,
			last_error = case m.status when 'sending' then 'the worker ended before it was sent'
				else 'the worker ended while it was being sent' end,
			lease_until = null, next_at = $1
		where (m.site_id, m.id) in (
			select site_id, id from notify.message where lease_until < $1 order by lease_until limit 100 for update skip locked)
		returning m.site_id, m.id, m.person_id, m.channel, m.template, m.status, m.uncertain_at, coalesce(m.uncertain_at < $1, false) as known`, now)
	if err != nil {
		return 0, nil, fmt.Errorf("end leases: %w", err)
	}
	for _, e := range ended {
		if e.Status == uncertain {
			e.Doubted.Valid = e.Known
			doubtful = append(doubtful, e.job)
		} else {
			returned++
		}
	}
	return returned, doubtful, nil
}

// dropBodies forgets the words of up to n old messages that have ended.
func dropBodies(ctx context.Context, db sqlx.ExtContext, before, now time.Time, n int) (int64, error) {
	done, err := db.ExecContext(ctx, `
		update notify.message set subject = null, text = null, html = null, body_dropped_at = $2
		where (site_id, id) in (
			select site_id, id from notify.message
			where text is not null and queued_at < $1 and status in ('sent', 'failed', 'uncertain', 'suppressed')
			order by queued_at limit $3 for update skip locked)`, before, now, n)
	if err != nil {
		return 0, fmt.Errorf("drop bodies: %w", err)
	}
	return done.RowsAffected()
}

// backlog counts the messages that are not at their end, up to 100,000 of each state.
func backlog(ctx context.Context, db sqlx.QueryerContext) (waiting, underway int, err error) {
	err = db.QueryRowxContext(ctx, `
		select (select count(*) from (select from notify.message where status = 'queued' limit 100000) q),
			(select count(*) from (select from notify.message where lease_until is not null limit 100000) l)`).Scan(&waiting, &underway)
	if err != nil {
		return 0, 0, fmt.Errorf("count the backlog: %w", err)
	}
	return waiting, underway, nil
}

func places(jobs []job) (sites, ids []int64) {
	for _, j := range jobs {
		sites, ids = append(sites, j.SiteID), append(ids, j.ID)
	}
	return sites, ids
}

func one(done interface{ RowsAffected() (int64, error) }, err error) (bool, error) {
	if err != nil {
		return false, fmt.Errorf("change a message: %w", err)
	}
	n, err := done.RowsAffected()
	return n == 1, err
}
