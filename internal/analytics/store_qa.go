package analytics

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// saveQA remembers the QA referrals of a batch.
func saveQA(ctx context.Context, tx sqlx.ExecerContext, batch []bus.Event[referralevent.ReferralCreated]) error {
	var sites, ids []int64
	for _, e := range batch {
		if e.Body.QA {
			sites, ids = append(sites, e.Body.SiteID), append(ids, e.Body.ReferralID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		insert into analytics.qa_referral (site_id, referral_id)
		select s, r from unnest($1::bigint[], $2::bigint[]) as u (s, r) order by s, r
		on conflict on constraint qa_referral_pkey do nothing`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return fmt.Errorf("save QA referrals: %w", err)
	}
	return nil
}

// markQA marks facts that follow from QA referrals.
func markQA(ctx context.Context, tx sqlx.QueryerContext, facts []fact) error {
	var sites, ids []int64
	for _, f := range facts {
		if f.referral != 0 {
			sites, ids = append(sites, f.site), append(ids, f.referral)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var found []struct {
		Site     int64 `db:"site_id"`
		Referral int64 `db:"referral_id"`
	}
	err := sqlx.SelectContext(ctx, tx, &found, `
		select q.site_id, q.referral_id from (select distinct s, r from unnest($1::bigint[], $2::bigint[]) as u (s, r)) u
		join analytics.qa_referral q on q.site_id = u.s and q.referral_id = u.r`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return fmt.Errorf("find QA referrals: %w", err)
	}
	qa := make(map[[2]int64]bool, len(found))
	for _, f := range found {
		qa[[2]int64{f.Site, f.Referral}] = true
	}
	for i, f := range facts {
		facts[i].qa = f.qa || qa[[2]int64{f.site, f.referral}]
	}
	return nil
}
