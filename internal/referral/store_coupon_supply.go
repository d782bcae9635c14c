package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/agenda"
)

const (
	supplyColumns      = `s.site_id, s.list_id, s.url, s.secret, s.timeout_ms, s.batch, s.template, s.enabled, s.ask_at, s.key_id, s.at`
	codeRequestColumns = `a.site_id, a.id, a.list_id, a.count, a.offered, a.state, a.tries, a.attempts, a.added, a.refused, a.refused_why, a.asked_at, a.next_at, a.settled_at`
)

// needing are the lists whose shops are to be asked, with the moment; $1 is now. Supplies are few: a list has one if somebody set it.
const needing = `
	from referral.coupon_supply s
	join referral.coupon_list l on l.site_id = s.site_id and l.id = s.list_id and (l.expires_at is null or l.expires_at > $1)
	where s.enabled and (l.low_at is not null or exists (select from referral.coupon_wait w where w.site_id = s.site_id and w.list_id = s.list_id))
		and not exists (select from referral.coupon_request r where r.site_id = s.site_id and r.list_id = s.list_id and r.state = 'waiting')`

func supplyDue(ctx context.Context, q sqlx.QueryerContext, now time.Time) ([]key, error) {
	rows, err := keysIn(ctx, q, `select s.site_id, s.list_id as id`+needing+` and s.ask_at <= $1 order by s.site_id, s.list_id`, now)
	if err != nil {
		return nil, fmt.Errorf("find lists that need codes: %w", err)
	}
	return rows, nil
}

// one reads a row, nil where there is none.
func one[T any](ctx context.Context, q sqlx.QueryerContext, what, query string, args ...any) (*T, error) {
	var out []T
	if err := sqlx.SelectContext(ctx, q, &out, query, args...); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return &out[0], nil
}

func supplyOf(ctx context.Context, q sqlx.QueryerContext, l key) (*supply, error) {
	return one[supply](ctx, q, "read a coupon supply", `select `+supplyColumns+` from referral.coupon_supply s where s.site_id = $1 and s.list_id = $2`, l.site, l.id)
}

// lockSupply locks the supply of a list, if it is to be asked and no request of it is open.
func lockSupply(ctx context.Context, tx *sqlx.Tx, l key) (*supply, error) {
	return one[supply](ctx, tx, "lock a coupon supply", `
		select `+supplyColumns+` from referral.coupon_supply s
		where s.site_id = $1 and s.list_id = $2 and s.enabled
			and not exists (select from referral.coupon_request r where r.site_id = s.site_id and r.list_id = s.list_id and r.state = 'waiting')
		for update of s skip locked`, l.site, l.id)
}

func saveSupply(ctx context.Context, tx *sqlx.Tx, s supply) error {
	_, err := tx.ExecContext(ctx, `
		insert into referral.coupon_supply (site_id, list_id, url, secret, timeout_ms, batch, template, enabled, ask_at, key_id, at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $10, $9, $10)
		on conflict on constraint coupon_supply_pkey do update set url = excluded.url, secret = excluded.secret, timeout_ms = excluded.timeout_ms, batch = excluded.batch,
			template = excluded.template, enabled = excluded.enabled, ask_at = excluded.ask_at, key_id = excluded.key_id, at = excluded.at`,
		s.SiteID, s.ListID, s.URL, s.Secret, s.TimeoutMS, s.Batch, s.Template, s.Enabled, s.KeyID, s.At)
	if err != nil {
		return fmt.Errorf("save a coupon supply: %w", err)
	}
	return nil
}

func deleteSupply(ctx context.Context, tx *sqlx.Tx, l key) error {
	if _, err := tx.ExecContext(ctx, `delete from referral.coupon_supply where site_id = $1 and list_id = $2`, l.site, l.id); err != nil {
		return fmt.Errorf("delete a coupon supply: %w", err)
	}
	return nil
}

// askLater says from when a list's shop may be asked again.
func askLater(ctx context.Context, tx *sqlx.Tx, l key, at time.Time) error {
	if _, err := tx.ExecContext(ctx, `update referral.coupon_supply set ask_at = $3 where site_id = $1 and list_id = $2`, l.site, l.id, at); err != nil {
		return fmt.Errorf("ask for codes later: %w", err)
	}
	return nil
}

func insertCodeRequest(ctx context.Context, tx *sqlx.Tx, now time.Time, l key, count int, offered *string) error {
	_, err := tx.ExecContext(ctx, `
		insert into referral.coupon_request (site_id, list_id, count, offered, asked_at, next_at) values ($1, $2, $3, $4::jsonb, $5, $5)`, l.site, l.id, count, offered, now)
	if err != nil {
		return fmt.Errorf("insert a request for codes: %w", err)
	}
	return nil
}

// codeRequestsDue are requests that are to be made.
var codeRequestsDue = agenda.Due{What: "requests for codes", Table: "referral.coupon_request", ID: "id", Columns: codeRequestColumns, Open: "state = 'waiting'"}

// lockCodeRequest locks a request that still waits for this try; nil if it doesn't.
func lockCodeRequest(ctx context.Context, tx *sqlx.Tx, r *codeRequest) (*codeRequest, error) {
	return one[codeRequest](ctx, tx, "lock a request for codes", `
		select `+codeRequestColumns+` from referral.coupon_request a
		where a.site_id = $1 and a.id = $2 and a.state = 'waiting' and a.tries = $3 for update`, r.SiteID, r.ID, r.Tries)
}

func saveCodeRequest(ctx context.Context, tx *sqlx.Tx, r *codeRequest, tried string) error {
	_, err := tx.ExecContext(ctx, `
		update referral.coupon_request set state = $3, attempts = attempts || $4::jsonb, added = $5, refused = $6, refused_why = $7, next_at = $8, settled_at = $9, offered = $10::jsonb
		where site_id = $1 and id = $2`, r.SiteID, r.ID, r.State, tried, r.Added, r.Refused, r.RefusedWhy, r.NextAt, r.SettledAt, r.Offered)
	if err != nil {
		return fmt.Errorf("save a request for codes: %w", err)
	}
	return nil
}

// lastCodeRequest is the newest request of a list; nil: there was none.
func lastCodeRequest(ctx context.Context, q sqlx.QueryerContext, l key) (*codeRequest, error) {
	return one[codeRequest](ctx, q, "read the last request for codes", `
		select `+codeRequestColumns+` from referral.coupon_request a where a.site_id = $1 and a.list_id = $2 order by a.id desc limit 1`, l.site, l.id)
}

// dropCodeRequests drops so many old requests.
func dropCodeRequests(ctx context.Context, q sqlx.ExecerContext, before time.Time, most int) (int64, error) {
	done, err := q.ExecContext(ctx, `
		delete from referral.coupon_request where ctid = any (array(select ctid from referral.coupon_request where settled_at < $1 limit $2))`, before, most)
	if err != nil {
		return 0, fmt.Errorf("drop old requests for codes: %w", err)
	}
	return done.RowsAffected()
}
