package notify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/timeline"
)

const messageColumns = `id, person_id, channel, template, template_version, dedupe_key, status, reason, attempts, recipient, subject,
	text, html, message_id_header, last_error, next_at, queued_at, sent_at, failed_at, suppressed_at, body_dropped_at`

// filter says which messages of a site are asked for.
type filter struct {
	email, status string
	personID      int64
	before        int64 // id; 0: from the newest
}

// messages lists newest first. An address finds what was sent to it and what is for the person who has it now; its messages are
// few and found first, or the planner would walk the whole site from its newest message.
func messages(ctx context.Context, db sqlx.QueryerContext, siteID int64, f filter, n int) ([]message, error) {
	with, only, args := "", "", []any{siteID, f.before, f.personID, f.status, n}
	if f.email != "" {
		with = `with found as materialized (
			select id from notify.message where site_id = $1 and lower(recipient) = lower($6)
			union
			select m.id from notify.contact c join notify.message m on m.site_id = c.site_id and m.person_id = c.person_id
			where c.site_id = $1 and lower(c.email) = lower($6) and c.email <> '')`
		only, args = `and id in (select id from found)`, append(args, f.email)
	}
	var out []message
	err := sqlx.SelectContext(ctx, db, &out, with+`
		select `+messageColumns+`
		from notify.message
		where site_id = $1 and ($2::bigint = 0 or id < $2) and ($3::bigint = 0 or person_id = $3) and ($4 = '' or status = $4) `+only+`
		order by id desc
		limit $5`, args...)
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	return out, nil
}

func messageByID(ctx context.Context, db sqlx.QueryerContext, siteID, id int64) (message, error) {
	return oneMessage(ctx, db, `
		select `+messageColumns+` from notify.message where site_id = $1 and id = $2`, siteID, id)
}

func lockMessage(ctx context.Context, db sqlx.QueryerContext, siteID, id int64) (message, error) {
	return oneMessage(ctx, db, `
		select `+messageColumns+` from notify.message where site_id = $1 and id = $2 for update`, siteID, id)
}

// requeue begins anew with a message that had ended.
func requeue(ctx context.Context, db sqlx.QueryerContext, siteID, id int64, now time.Time) (message, error) {
	return oneMessage(ctx, db, `
		update notify.message set status = 'queued', reason = null, attempts = 0, since = $3, next_at = $3, failed_at = null
		where site_id = $1 and id = $2
		returning `+messageColumns, siteID, id, now)
}

func oneMessage(ctx context.Context, db sqlx.QueryerContext, query string, args ...any) (message, error) {
	var m message
	err := sqlx.GetContext(ctx, db, &m, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return message{}, fault.New(fault.NotFound, "message_not_found", "There is no such message.")
	}
	if err != nil {
		return message{}, fmt.Errorf("read a message: %w", err)
	}
	return m, nil
}

// happening is one thing that happened to a message.
type happening struct {
	At       time.Time      `db:"at"`
	Type     string         `db:"type"`
	ID       int64          `db:"id"`
	Template string         `db:"template"`
	Channel  string         `db:"channel"`
	Status   string         `db:"status"`
	Reason   sql.NullString `db:"reason"`
}

// happenings lists what happened to a person's messages, newest first, older than before.
func happenings(ctx context.Context, db sqlx.QueryerContext, siteID, personID int64, before timeline.Place, n int) ([]happening, error) {
	var out []happening
	at := before.At
	if at.IsZero() {
		at = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	err := sqlx.SelectContext(ctx, db, &out, `
		select h.at, h.type, m.id, m.template, m.channel, m.status, m.reason
		from notify.message m
		cross join lateral (values (m.queued_at, 'message_queued'), (m.sent_at, 'message_sent'), (m.failed_at, 'message_failed'),
			(m.suppressed_at, 'message_suppressed'))
			as h (at, type)
		where m.site_id = $1 and m.person_id = $2 and h.at is not null
			and (h.at, 'notify' collate "C", h.type collate "C", m.id) < ($3::timestamptz, $4 collate "C", $5 collate "C", $6::bigint)
		order by h.at desc, h.type collate "C" desc, m.id desc
		limit $7`, siteID, personID, at, before.Module, before.Type, before.ID, n)
	if err != nil {
		return nil, fmt.Errorf("what happened to messages: %w", err)
	}
	return out, nil
}
