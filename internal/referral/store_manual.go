package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/referral/referralevent"
)

// lockOrigin holds an origin until the transaction ends, and says how far it was taken back, as far as it was heard.
func lockOrigin(ctx context.Context, tx *sqlx.Tx, siteID, originID int64) (refund, error) {
	var r refund
	err := tx.QueryRowxContext(ctx, `
		insert into referral.origin_refund as r (site_id, origin_id, total, whole) values ($1, $2, 0, false)
		on conflict on constraint origin_refund_pkey do update set total = r.total
		returning total, whole`, siteID, originID).Scan(&r.total, &r.full)
	if err != nil {
		return r, fmt.Errorf("lock origin: %w", err)
	}
	return r, nil
}

// lockOrigins is lockOrigin of many, in one order; it fills refunds, whose keys they are.
func lockOrigins(ctx context.Context, tx *sqlx.Tx, refunds map[key]refund) error {
	keys := make([]key, 0, len(refunds))
	for k := range refunds {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.id, b.id)) })
	sites, origins := split(keys)
	var rows []struct {
		SiteID   int64 `db:"site_id"`
		OriginID int64 `db:"origin_id"`
		Total    int64 `db:"total"`
		Whole    bool  `db:"whole"`
	}
	err := tx.SelectContext(ctx, &rows, `
		insert into referral.origin_refund as r (site_id, origin_id, total, whole)
		select s, o, 0, false from unnest($1::bigint[], $2::bigint[]) with ordinality u (s, o, n) order by n
		on conflict on constraint origin_refund_pkey do update set total = r.total
		returning site_id, origin_id, total, whole`, pq.Array(sites), pq.Array(origins))
	if err != nil {
		return fmt.Errorf("lock origins: %w", err)
	}
	for _, r := range rows {
		refunds[key{r.SiteID, r.OriginID}] = refund{total: r.Total, full: r.Whole}
	}
	return nil
}

// keepRefunds writes how far origins were taken back, in one order, and holds them.
func keepRefunds(ctx context.Context, tx *sqlx.Tx, refunds map[key]refund) error {
	keys := make([]key, 0, len(refunds))
	for k := range refunds {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.id, b.id)) })
	sites, origins, totals, whole := make([]int64, len(keys)), make([]int64, len(keys)), make([]int64, len(keys)), make([]bool, len(keys))
	for i, k := range keys {
		sites[i], origins[i], totals[i], whole[i] = k.site, k.id, refunds[k].total, refunds[k].full
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.origin_refund as r (site_id, origin_id, total, whole)
		select s, o, t, w from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[]) with ordinality u (s, o, t, w, n) order by n
		on conflict on constraint origin_refund_pkey do update set total = greatest(r.total, excluded.total), whole = r.whole or excluded.whole`,
		pq.Array(sites), pq.Array(origins), pq.Array(totals), pq.Array(whole))
	if err != nil {
		return fmt.Errorf("keep refunds: %w", err)
	}
	return nil
}

// signReferral writes who made a referral by hand, why, in place of which, and what was refunded before.
func signReferral(ctx context.Context, tx *sqlx.Tx, r *referral) error {
	_, err := tx.ExecContext(ctx, `
		update referral.referral set key_id = $3, note = $4, replaces = $5, refunded_total = $6, refunded_full = $7
		where site_id = $1 and id = $2`, r.SiteID, r.ID, r.KeyID, r.Note, r.Replaces, r.RefundedTotal, r.RefundedFull)
	if err != nil {
		return fmt.Errorf("sign referral: %w", err)
	}
	return nil
}

// supersedeReferral takes a locked referral out of the way.
func supersedeReferral(ctx context.Context, tx *sqlx.Tx, now time.Time, r *referral) error {
	_, err := tx.ExecContext(ctx, `
		update referral.referral set status = $3, cause = $4, superseded = id, approve_at = null, key_id = $5, note = $6, updated_at = $7
		where site_id = $1 and id = $2`, r.SiteID, r.ID, r.Status, r.Cause, r.KeyID, r.Note, now)
	if err != nil {
		return fmt.Errorf("supersede referral: %w", err)
	}
	return nil
}

// tellReplaced adds what was told of the referral whose place is taken, for those who count.
func (a asserted) tellReplaced(ctx context.Context, tx *sqlx.Tx, told *referralevent.ReferralCreated) error {
	if a.replaces == 0 {
		return nil
	}
	told.Replaces = a.replaces
	err := tx.QueryRowxContext(ctx, `
		select r.track_method, r.qa, coalesce(r.deed ->> 'channel', ''), coalesce(r.deed ->> 'variant', ''),
			coalesce(bool_or(s.old is null and s.new = 'blocked'), false), coalesce(bool_or(s.new = 'approved'), false)
		from referral.referral r
		left join referral.status_log s on s.site_id = r.site_id and s.referral_id = r.id
		where r.site_id = $1 and r.id = $2
		group by r.site_id, r.id`, told.SiteID, a.replaces).Scan(&told.ReplacedMethod, &told.ReplacedQA,
		&told.ReplacedChannel, &told.ReplacedVariant, &told.ReplacedBarred, &told.ReplacedApproved)
	if err != nil {
		return fmt.Errorf("read what is replaced: %w", err)
	}
	return nil
}
