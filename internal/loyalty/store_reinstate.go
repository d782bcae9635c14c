package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// expiry is a transaction by which points of a lot expired, and whose the lot is.
type expiry struct {
	ID         int64     `db:"id"`
	EarnID     int64     `db:"earn_id"` // the lot
	PersonID   int64     `db:"person_id"`
	Points     int64     `db:"points"`
	Reason     string    `db:"reason"`
	OriginID   int64     `db:"origin_id"`
	ReferralID int64     `db:"referral_id"`
	RewardID   int64     `db:"reward_id"`
	RecordedAt time.Time `db:"recorded_at"`
	Reversed   bool      `db:"reversed"`
	Wallet     string    `db:"wallet"`

	EffectiveAt time.Time `db:"effective_at"`
}

func (x expiry) txn() txn {
	return txn{ID: x.ID, Points: x.Points, Reason: x.Reason, OriginID: x.OriginID, ReferralID: x.ReferralID, RewardID: x.RewardID, EffectiveAt: x.EffectiveAt}
}

// isReversed says of a transaction t by which something expired whether it was taken back: its source is used once.
const isReversed = `exists (select from loyalty.txn r where r.site_id = t.site_id and r.kind = 'reinstate' and r.source = 'expire:' || t.id)`

// inPart says of a transaction t by which something expired whether it is in the part that a reversal is about: a member (the parameter n), the version by which
// it was earned (n + 1), a rule that gave something for it (n + 2). How it was earned is asked only where a part says so.
func inPart(n int) string {
	return fmt.Sprintf(`($%[1]d::bigint is null or t.member_id = $%[1]d)
		and ($%[2]d::int is null and $%[3]d::text is null or exists (select from loyalty.txn e where e.site_id = t.site_id and e.id = t.earn_id
			and ($%[2]d::int is null or (nullif(e.rule, '')::jsonb ->> 'version')::int = $%[2]d)
			and ($%[3]d::text is null or nullif(e.rule, '')::jsonb ->> 'rule' = $%[3]d or exists (select from jsonb_array_elements(coalesce(nullif(e.rule, '')::jsonb -> 'trace' -> 'rules', '[]')) s
				where s ->> 'rule' = $%[3]d and (s ->> 'points')::bigint > 0))))`, n, n+1, n+2)
}

// expiriesAfter reads the next of a run behind where a reversal is.
func expiriesAfter(ctx context.Context, tx sqlx.QueryerContext, r expiryReversal, limit int) (rows []expiry, err error) {
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select t.id, t.earn_id, t.points, t.reason, coalesce(t.origin_id, 0) as origin_id, coalesce(t.referral_id, 0) as referral_id, coalesce(t.reward_id, 0) as reward_id, t.recorded_at, t.effective_at,
			m.person_id, coalesce(t.wallet, '') as wallet, `+isReversed+` as reversed
		from (select * from loyalty.txn t where t.site_id = $1 and t.kind = 'expire' and t.recorded_at >= $2 and t.recorded_at < $3 and (t.recorded_at, t.id) > ($4, $5)
				and `+inPart(7)+`
			order by t.recorded_at, t.id limit $6) t
		cross join lateral (select * from loyalty.lot l where l.site_id = t.site_id and l.id = t.earn_id offset 0) l
		cross join lateral (select * from loyalty.account a where a.site_id = t.site_id and a.id = l.account_id offset 0) a
		cross join lateral (select * from loyalty.member m where m.site_id = t.site_id and m.id = a.owner_id offset 0) m
		order by t.recorded_at, t.id`, r.SiteID, r.BeginsAt, r.EndsAt, r.AfterAt, r.AfterID, limit,
		r.OnlyMember, r.OnlyVersion, r.OnlyRule)
	return rows, wrapped("read what expired", err)
}

// expiredBetween adds up what expired in a period.
func expiredBetween(ctx context.Context, db sqlx.QueryerContext, site int64, from, to time.Time) (out expiryRun, err error) {
	err = sqlx.GetContext(ctx, db, &out, `
		select count(*) as transactions, coalesce(sum(points), 0)::bigint as points, count(distinct member_id) as members
		from loyalty.txn where site_id = $1 and kind = 'expire' and recorded_at >= $2 and recorded_at < $3`, site, from, to)
	return out, wrapped("add up what expired", err)
}

// reversible adds up what a reversal will give back.
func reversible(ctx context.Context, db sqlx.QueryerContext, r expiryReversal) (out expected, err error) {
	err = sqlx.GetContext(ctx, db, &out, `
		select coalesce(sum(x.n), 0)::bigint as transactions, coalesce(sum(least(x.points, l.expired - l.reinstated - l.forgiven)), 0)::bigint as points, count(distinct l.account_id) as members
		from (select earn_id, count(*) as n, sum(points) as points from loyalty.txn t
			where t.site_id = $1 and t.kind = 'expire' and t.recorded_at >= $2 and t.recorded_at < $3 and not `+isReversed+` and `+inPart(4)+` group by earn_id) x
		cross join lateral (select * from loyalty.lot l where l.site_id = $1 and l.id = x.earn_id offset 0) l
		where l.expired - l.reinstated > l.forgiven`, r.SiteID, r.BeginsAt, r.EndsAt, r.OnlyMember, r.OnlyVersion, r.OnlyRule)
	return out, wrapped("add up what can be given back", err)
}

// lastExpiry is when something expired last before a moment; nil: nothing did.
func lastExpiry(ctx context.Context, db sqlx.QueryerContext, site int64, before time.Time) (at *time.Time, err error) {
	err = sqlx.GetContext(ctx, db, &at, `select max(recorded_at) from loyalty.txn where site_id = $1 and kind = 'expire' and recorded_at < $2`, site, before)
	return at, wrapped("find what expired last", err)
}

const reversalColumns = `site_id, id, day::text as day, begins_at, ends_at, grace_days, good_until, note, only_member, only_version, only_rule, after_at, after_id, transactions, points, requested_at, done_at`

// addReversal keeps what is to be done; 0: another of the site is under way.
func addReversal(ctx context.Context, tx sqlx.QueryerContext, r expiryReversal) (id int64, err error) {
	err = sqlx.GetContext(ctx, tx, &id, `
		insert into loyalty.expiry_reversal (site_id, day, begins_at, ends_at, grace_days, good_until, note, after_at, after_id, requested_at, only_member, only_version, only_rule)
		values ($1, $2::date, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11, $12) on conflict (site_id) where done_at is null do nothing returning id`,
		r.SiteID, r.Day, r.BeginsAt, r.EndsAt, r.GraceDays, r.GoodUntil, r.Note, r.AfterAt, r.RequestedAt, r.OnlyMember, r.OnlyVersion, r.OnlyRule)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return id, wrapped("ask for a reversal", err)
}

// lockReversal locks one that is under way, passing by those that somebody else is at; nil: there is none.
func lockReversal(ctx context.Context, tx sqlx.QueryerContext) (*expiryReversal, error) {
	var r expiryReversal
	err := sqlx.GetContext(ctx, tx, &r, `
		select `+reversalColumns+` from loyalty.expiry_reversal where done_at is null order by site_id limit 1 for update skip locked`)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock a reversal: %w", err)
	}
	return &r, nil
}

func saveReversal(ctx context.Context, tx sqlx.ExecerContext, r expiryReversal) error {
	_, err := tx.ExecContext(ctx, `
		update loyalty.expiry_reversal set after_at = $3, after_id = $4, transactions = $5, points = $6, done_at = $7 where site_id = $1 and id = $2`,
		r.SiteID, r.ID, r.AfterAt, r.AfterID, r.Transactions, r.Points, r.DoneAt)
	return wrapped("save a reversal", err)
}

// reversalsOf reads what of a run was taken back, the last hundred, newest first.
func reversalsOf(ctx context.Context, db sqlx.QueryerContext, site int64, day string) (rows []expiryReversal, err error) {
	rows = []expiryReversal{}
	err = sqlx.SelectContext(ctx, db, &rows, `select `+reversalColumns+` from loyalty.expiry_reversal r where site_id = $1 and r.day = $2::date order by id desc limit 100`, site, day)
	return rows, wrapped("read reversals", err)
}
