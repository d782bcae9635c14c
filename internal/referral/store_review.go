package referral

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// referralsBefore reads referrals with smaller ids, the newest first; before 0 means from the newest.
func referralsBefore(ctx context.Context, q sqlx.QueryerContext, siteID, before int64, limit int) ([]referral, error) {
	var out []referral
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+referralColumns+` from referral.referral r
		where r.site_id = $1 and ($2::bigint = 0 or r.id < $2) order by r.id desc limit $3`, siteID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("newest referrals: %w", err)
	}
	return out, nil
}

// referralByID reads a referral; an unknown one is a fault.
func referralByID(ctx context.Context, q sqlx.QueryerContext, siteID, id int64) (*referral, error) {
	var out []referral
	err := sqlx.SelectContext(ctx, q, &out, `select `+referralColumns+` from referral.referral r where r.site_id = $1 and r.id = $2`, siteID, id)
	if err != nil {
		return nil, fmt.Errorf("read referral: %w", err)
	}
	if len(out) == 0 {
		return nil, errReferralNotFound
	}
	return &out[0], nil
}

// lockReferralByID locks a referral; none if the site has no such.
func lockReferralByID(ctx context.Context, tx *sqlx.Tx, siteID, id int64) ([]referral, error) {
	var out []referral
	err := tx.SelectContext(ctx, &out, `select `+referralColumns+` from referral.referral r where r.site_id = $1 and r.id = $2 for update`, siteID, id)
	if err != nil {
		return nil, fmt.Errorf("lock referral: %w", err)
	}
	return out, nil
}

// historyOf reads every status that a referral had, the oldest first.
func historyOf(ctx context.Context, q sqlx.QueryerContext, siteID, id int64) ([]statusStep, error) {
	out := []statusStep{}
	err := sqlx.SelectContext(ctx, q, &out, `
		select old, new, cause, key_id, note, at from referral.status_log where site_id = $1 and referral_id = $2 order by id limit 100`, siteID, id)
	if err != nil {
		return nil, fmt.Errorf("read history of referral: %w", err)
	}
	for i := range out {
		out[i].At = out[i].At.UTC()
	}
	return out, nil
}
