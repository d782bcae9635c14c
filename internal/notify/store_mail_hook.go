package notify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/agenda"
)

const (
	mailHookColumns = `site_id, url, secret, timeout_ms, on_failure, enabled, key_id, at`
	mailAskColumns  = `a.site_id, a.message_id, a.state, a.send, a.reason, a.tries, a.asked_at`
)

// sitesThatAsk are those that want to be asked before a mail is sent.
func sitesThatAsk(ctx context.Context, q sqlx.QueryerContext) (map[int64]bool, error) {
	var ids []int64
	if err := sqlx.SelectContext(ctx, q, &ids, `select site_id from notify.mail_hook where enabled`); err != nil {
		return nil, fmt.Errorf("sites that want to be asked: %w", err)
	}
	out := make(map[int64]bool, len(ids))
	for _, id := range ids {
		out[id] = true
	}
	return out, nil
}

// found reads a row, nil where there is none.
func found[T any](ctx context.Context, q sqlx.QueryerContext, what, query string, args ...any) (*T, error) {
	var out T
	err := sqlx.GetContext(ctx, q, &out, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return &out, nil
}

func mailHookOf(ctx context.Context, q sqlx.QueryerContext, siteID int64) (*mailHook, error) {
	return found[mailHook](ctx, q, "read a mail hook", `select `+mailHookColumns+` from notify.mail_hook where site_id = $1`, siteID)
}

// saveMailHook sets a hook. Those who change one at the same time queue up at its row.
func saveMailHook(ctx context.Context, tx sqlx.ExecerContext, h mailHook) error {
	_, err := tx.ExecContext(ctx, `
		insert into notify.mail_hook (`+mailHookColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict on constraint mail_hook_pkey do update set url = excluded.url, secret = excluded.secret, timeout_ms = excluded.timeout_ms,
			on_failure = excluded.on_failure, enabled = excluded.enabled, key_id = excluded.key_id, at = excluded.at`,
		h.SiteID, h.URL, h.Secret, h.TimeoutMS, h.OnFailure, h.Enabled, h.KeyID, h.At)
	if err != nil {
		return fmt.Errorf("save a mail hook: %w", err)
	}
	return nil
}

func deleteMailHook(ctx context.Context, tx sqlx.ExecerContext, siteID int64) error {
	if _, err := tx.ExecContext(ctx, `delete from notify.mail_hook where site_id = $1`, siteID); err != nil {
		return fmt.Errorf("delete a mail hook: %w", err)
	}
	return nil
}

// putMailAsk gives a claimed message back, to be looked at again by later, and puts its question, once; again only where it had become moot, because the message
// had ended, and somebody has it sent again.
func putMailAsk(ctx context.Context, tx sqlx.ExecerContext, j job, now, later time.Time) error {
	_, err := tx.ExecContext(ctx, `
		with back as (
			update notify.message set status = 'queued', attempts = attempts - 1, lease_until = null, reason = $6, next_at = $5
			where site_id = $1 and id = $2 and claim = $3 and status = 'sending'
			returning site_id, id)
		insert into notify.mail_ask (site_id, message_id, next_at, asked_at) select site_id, id, $4::timestamptz, $4 from back
		on conflict on constraint mail_ask_pkey do update set state = 'waiting', tries = 0, next_at = excluded.next_at, asked_at = excluded.asked_at, reason = null, settled_at = null
			where mail_ask.state = 'moot'`, j.SiteID, j.ID, j.Claim, now, later, asking)
	if err != nil {
		return fmt.Errorf("put a question about a message: %w", err)
	}
	return nil
}

// mailAsksDue are questions that are to be put.
var mailAsksDue = agenda.Due{What: "questions about messages", Table: "notify.mail_ask", ID: "message_id", Columns: mailAskColumns, Open: "state = 'waiting'"}

// readAskedMail fills in what a question is about.
func readAskedMail(ctx context.Context, q sqlx.QueryerContext, a mailAsk, into *mailQuestion) error {
	err := sqlx.GetContext(ctx, q, &into.Mail, `
		select m.id, m.template, case when coalesce(c.email, '') = '' then 'sms' else 'email' end as channel, m.person_id,
			coalesce(c.email, '') as email, coalesce(c.phone, '') as phone
		from notify.message m
		left join notify.contact c on c.site_id = m.site_id and c.person_id = m.person_id
		where m.site_id = $1 and m.id = $2`, a.SiteID, a.MessageID)
	if err != nil {
		return fmt.Errorf("read the message of a question: %w", err)
	}
	return nil
}

// lockMailAsk locks a question that still waits for this try; nil if it doesn't.
func lockMailAsk(ctx context.Context, tx sqlx.QueryerContext, a mailAsk) (*mailAsk, error) {
	return found[mailAsk](ctx, tx, "lock a question about a message", `
		select `+mailAskColumns+` from notify.mail_ask a
		where a.site_id = $1 and a.message_id = $2 and a.state = 'waiting' and a.tries = $3 for update`, a.SiteID, a.MessageID, a.Tries)
}

func saveMailAsk(ctx context.Context, tx sqlx.ExecerContext, a *mailAsk, tried string, next, now time.Time) error {
	_, err := tx.ExecContext(ctx, `
		update notify.mail_ask set state = $3, send = $4, reason = $5, attempts = attempts || $6::jsonb, next_at = $7,
			settled_at = case when $3 <> 'waiting' then $8::timestamptz end
		where site_id = $1 and message_id = $2`, a.SiteID, a.MessageID, a.State, a.Send, a.Reason, tried, next, now)
	if err != nil {
		return fmt.Errorf("save a question about a message: %w", err)
	}
	return nil
}

// answerMessage lets a message that waits for an answer go on its way, or ends it. found is false if it doesn't wait.
func answerMessage(ctx context.Context, tx sqlx.QueryerContext, siteID, id int64, send bool, now time.Time) (gone []ended, found bool, err error) {
	var all []ended
	err = sqlx.SelectContext(ctx, tx, &all, `
		update notify.message set status = case when $3 then status else 'suppressed' end, reason = case when $3 then null else $5 end,
			cleared_at = case when $3 then $4::timestamptz end, suppressed_at = case when not $3 then $4::timestamptz end, next_at = $4
		where site_id = $1 and id = $2 and status = 'queued'
		returning site_id, id, person_id, channel, template, status, coalesce(reason, '') as reason`, siteID, id, send, now, objected)
	if err != nil {
		return nil, false, fmt.Errorf("answer a message: %w", err)
	}
	if send {
		return nil, len(all) > 0, nil
	}
	return all, len(all) > 0, nil
}

// dropMailAsks drops so many old questions.
func dropMailAsks(ctx context.Context, db sqlx.ExecerContext, before time.Time, most int) (int64, error) {
	done, err := db.ExecContext(ctx, `
		delete from notify.mail_ask where ctid = any (array(select ctid from notify.mail_ask where settled_at < $1 limit $2))`, before, most)
	if err != nil {
		return 0, fmt.Errorf("drop old questions about messages: %w", err)
	}
	return done.RowsAffected()
}
