package notify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
)

// saveConsent keeps what a person said last. A person who isn't known, or is anonymized, has no say.
func saveConsent(ctx context.Context, tx sqlx.QueryerContext, siteID, personID int64, in bool, now time.Time) (c consent, err error) {
	err = sqlx.GetContext(ctx, tx, &c, `
		insert into notify.sms_consent as c (site_id, person_id, opted_in_at, opted_out_at)
		select site_id, person_id, case when $3 then $4::timestamptz end, case when not $3 then $4::timestamptz end
		from notify.contact where site_id = $1 and person_id = $2 and anonymized_at is null
		on conflict on constraint sms_consent_pkey do update
		set opted_in_at = case when $3 then coalesce(c.opted_in_at, $4) end, opted_out_at = case when not $3 then coalesce(c.opted_out_at, $4) end
		returning person_id, opted_in_at, opted_out_at`, siteID, personID, in, now)
	return c, noPerson(err)
}

func consentOf(ctx context.Context, db sqlx.QueryerContext, siteID, personID int64) (c consent, err error) {
	err = sqlx.GetContext(ctx, db, &c, `
		select p.person_id, c.opted_in_at, c.opted_out_at from notify.contact p
		left join notify.sms_consent c on c.site_id = p.site_id and c.person_id = p.person_id
		where p.site_id = $1 and p.person_id = $2`, siteID, personID)
	return c, noPerson(err)
}

func noPerson(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fault.New(fault.NotFound, "person_not_found", "There is no such person.")
	}
	return fmt.Errorf("consent to SMS: %w", err)
}

// stillAgrees locks a person's consent, so that it isn't withdrawn while an SMS begins.
func stillAgrees(ctx context.Context, tx sqlx.QueryerContext, siteID, personID int64) (agrees bool, err error) {
	err = sqlx.GetContext(ctx, tx, &agrees, `
		select opted_in_at is not null from notify.sms_consent where site_id = $1 and person_id = $2 for share`, siteID, personID)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("does a person agree to SMS: %w", err)
	}
	return agrees, nil
}

// countSMS counts one more SMS of a site's day. False: the day has had its number.
func countSMS(ctx context.Context, tx sqlx.ExtContext, siteID int64, now time.Time, most int) (bool, error) {
	return one(tx.ExecContext(ctx, `
		insert into notify.sms_day as d (site_id, day, sent) values ($1, ($2::timestamptz at time zone 'UTC')::date, 1)
		on conflict on constraint sms_day_pkey do update set sent = d.sent + 1 where d.sent < $3`, siteID, now, most))
}

// forgetSMSDays drops what nobody counts any more.
func forgetSMSDays(ctx context.Context, db sqlx.ExecerContext, before time.Time) error {
	if _, err := db.ExecContext(ctx, `delete from notify.sms_day where day < ($1::timestamptz at time zone 'UTC')::date`, before); err != nil {
		return fmt.Errorf("forget days of SMS: %w", err)
	}
	return nil
}
