package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const referralColumns = `r.site_id, r.id, r.campaign_id, r.offer_id, r.origin_id, r.advocate_id, r.friend_id, r.status, r.cause,
	r.track_method, r.subtotal, r.currency, r.refunded_total, r.refunded_full, r.fraud, r.qa, r.deed, r.key_id, r.note, r.superseded, r.replaces, r.approve_at, r.occurred_at, r.created_at, r.updated_at`

// insertReferrals writes referrals and returns them with their ids, as they are stored. One whose origin has a referral, or whose
// friend is referred in the campaign already, is left out.
func insertReferrals(ctx context.Context, tx *sqlx.Tx, now time.Time, list []referral) ([]referral, error) {
	slices.SortFunc(list, func(a, b referral) int {
		return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.OriginID, b.OriginID))
	})
	n := len(list)
	ints := make([][]int64, 7)
	for i := range ints {
		ints[i] = make([]int64, n)
	}
	texts := make([][]string, 6)
	for i := range texts {
		texts[i] = make([]string, n)
	}
	occurred, approve, qa := make([]time.Time, n), make([]sqlTime, n), make([]bool, n)
	for i, r := range list {
		for c, v := range []int64{r.SiteID, r.CampaignID, r.OfferID, r.OriginID, r.AdvocateID, r.FriendID, r.Subtotal} {
			ints[c][i] = v
		}
		for c, v := range []string{r.Status, r.Cause, r.TrackMethod, r.Currency, r.Fraud, deref(r.Deed)} {
			texts[c][i] = v
		}
		occurred[i], approve[i], qa[i] = r.OccurredAt, sqlTime{r.ApproveAt}, r.QA
	}
	var made []struct {
		SiteID   int64 `db:"site_id"`
		ID       int64 `db:"id"`
		OriginID int64 `db:"origin_id"`
	}
	err := tx.SelectContext(ctx, &made, `
		insert into referral.referral as r (site_id, campaign_id, offer_id, origin_id, advocate_id, friend_id, subtotal, status, cause,
			track_method, currency, fraud, occurred_at, approve_at, qa, deed, created_at, updated_at, chain)
		select s, c, o, origin, a, f, subtotal, status, cause, method, currency, fraud::jsonb, at, due, qa, nullif(deed, '')::jsonb, $15, $15,
			case when method = 'event_chain' then origin else 0 end
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[],
			$9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[], $16::boolean[], $17::text[]) with ordinality
			u (s, c, o, origin, a, f, subtotal, status, cause, method, currency, fraud, at, due, qa, deed, n)
		order by n
		on conflict do nothing
		returning site_id, id, origin_id`,
		pq.Array(ints[0]), pq.Array(ints[1]), pq.Array(ints[2]), pq.Array(ints[3]), pq.Array(ints[4]), pq.Array(ints[5]),
		pq.Array(ints[6]), pq.Array(texts[0]), pq.Array(texts[1]), pq.Array(texts[2]), pq.Array(texts[3]), pq.Array(texts[4]),
		timestamps(occurred), pq.Array(approve), now, pq.Array(qa), pq.Array(texts[5]))
	if err != nil {
		return nil, fmt.Errorf("insert referrals: %w", err)
	}
	ids := make(map[key]int64, len(made))
	for _, row := range made {
		ids[key{row.SiteID, row.OriginID}] = row.ID
	}
	out := make([]referral, 0, len(made))
	for _, r := range list {
		k := key{r.SiteID, r.OriginID}
		if r.ID = ids[k]; r.ID != 0 {
			delete(ids, k) // a second one of the same origin was left out
			r.CreatedAt, r.UpdatedAt = now, now
			out = append(out, r)
		}
	}
	return out, nil
}

// saveReferrals writes status, cause and refunds of locked referrals. The table's trigger keeps the graph and the history.
func saveReferrals(ctx context.Context, tx *sqlx.Tx, now time.Time, list []referral) error {
	n := len(list)
	sites, ids, refunded := make([]int64, n), make([]int64, n), make([]int64, n)
	status, causes, full := make([]string, n), make([]string, n), make([]bool, n)
	keys, notes := make([]int64, n), make([]string, n)
	for i, r := range list {
		sites[i], ids[i], refunded[i], status[i], causes[i], full[i] = r.SiteID, r.ID, r.RefundedTotal, r.Status, r.Cause, r.RefundedFull
		keys[i], notes[i] = deref(r.KeyID), deref(r.Note)
	}
	_, err := tx.ExecContext(ctx, `
		update referral.referral r set status = u.status, cause = u.cause, refunded_total = u.refunded, refunded_full = u.full,
			key_id = nullif(u.key, 0), note = nullif(u.note, ''), approve_at = case when u.status = r.status then r.approve_at end, updated_at = $7
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::boolean[], $8::bigint[], $9::text[])
			u (s, i, status, cause, refunded, "full", key, note)
		where r.site_id = u.s and r.id = u.i`,
		pq.Array(sites), pq.Array(ids), pq.Array(status), pq.Array(causes), pq.Array(refunded), pq.Array(full), now,
		pq.Array(keys), pq.Array(notes))
	if err != nil {
		return fmt.Errorf("save referrals: %w", err)
	}
	return nil
}

// lockReferrals locks the referrals of origins, in one order; origins without one are left out, and those that are superseded.
func lockReferrals(ctx context.Context, tx *sqlx.Tx, sites, origins []int64) ([]referral, error) {
	var out []referral
	err := tx.SelectContext(ctx, &out, `
		select `+referralColumns+`
		from unnest($1::bigint[], $2::bigint[]) u (s, o)
		join referral.referral r on r.site_id = u.s and r.origin_id = u.o and r.superseded = 0
		order by r.site_id, r.id
		for update of r`, pq.Array(sites), pq.Array(origins))
	if err != nil {
		return nil, fmt.Errorf("lock referrals: %w", err)
	}
	return out, nil
}

// referralNumbers are those of the referrals of origins, by site and origin; who made none is left out.
func referralNumbers(ctx context.Context, q sqlx.QueryerContext, origins []key) (map[key]int64, error) {
	out := map[key]int64{}
	if len(origins) == 0 {
		return out, nil
	}
	sites, ids := split(origins)
	var rows []struct {
		SiteID   int64 `db:"site_id"`
		OriginID int64 `db:"origin_id"`
		ID       int64 `db:"id"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select r.site_id, r.origin_id, r.id
		from unnest($1::bigint[], $2::bigint[]) u (s, o)
		join referral.referral r on r.site_id = u.s and r.origin_id = u.o and r.superseded = 0`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("referrals of origins: %w", err)
	}
	for _, r := range rows {
		out[key{r.SiteID, r.OriginID}] = r.ID
	}
	return out, nil
}

// referralOf reads the referral of an origin; nil if it made none.
func referralOf(ctx context.Context, q sqlx.QueryerContext, siteID, originID int64) (*referral, error) {
	var out []referral
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+referralColumns+` from referral.referral r where r.site_id = $1 and r.origin_id = $2 and r.superseded = 0`, siteID, originID)
	if err != nil {
		return nil, fmt.Errorf("read referral: %w", err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return &out[0], nil
}

// lockDue locks referrals whose delay is over and that nobody else holds, in one order.
func lockDue(ctx context.Context, tx *sqlx.Tx, now time.Time, limit int) ([]referral, error) {
	var out []referral
	err := tx.SelectContext(ctx, &out, `
		select `+referralColumns+`
		from referral.referral r
		where r.status = 'pending' and r.approve_at <= $1
		order by r.approve_at, r.site_id, r.id
		limit $2
		for update skip locked`, now, limit)
	if err != nil {
		return nil, fmt.Errorf("lock due referrals: %w", err)
	}
	slices.SortFunc(out, func(a, b referral) int { return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}
