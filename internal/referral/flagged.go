package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// causeFlagged is why a flagged referral was decided that nobody looked at.
const causeFlagged = "flagged_delay"

// flaggedEvery is often enough for what is counted in days.
const flaggedEvery = time.Minute

// flaggedInput says what becomes of flagged referrals that nobody decides about.
type flaggedInput struct {
	Resolution string `json:"resolution" doc:"voided or approved"`
	AfterDays  int64  `json:"after_days" doc:"1 to 90, since it was flagged or last refunded"`
}

func (in *flaggedInput) check(f *findings) {
	if in == nil {
		return
	}
	if in.Resolution != referralevent.Voided && in.Resolution != referralevent.Approved {
		f.add("/flagged/resolution", "must be voided or approved")
	}
	checkNumber(f, "/flagged/after_days", &in.AfterDays, 1, 90)
}

// ResolveFlagged decides about flagged referrals for which their site's policy has set a time that is over, and returns how many.
func (m *Module) ResolveFlagged(ctx context.Context) (int, error) {
	total := 0
	for _, to := range []string{referralevent.Approved, referralevent.Voided} {
		for n := dueBatch; n == dueBatch; total += n {
			err := m.outbox.InTx(ctx, func(u *bus.Unit) error {
				list, err := lockFlagged(ctx, u.Tx, u.Now, to, dueBatch)
				if n = len(list); err != nil || n == 0 {
					return err
				}
				for i := range list {
					list[i].KeyID, list[i].Note = nil, nil
				}
				return m.move(ctx, u, list, to, causeFlagged)
			})
			if err != nil {
				return total, err
			}
		}
	}
	return total, nil
}

// lockFlagged locks flagged referrals whose time is over and that nobody else holds, in one order: those of sites whose policy now is to
// resolve them so.
func lockFlagged(ctx context.Context, tx *sqlx.Tx, now time.Time, to string, limit int) ([]referral, error) {
	var out []referral
	err := tx.SelectContext(ctx, &out, `
		with rule as (
			select distinct on (site_id) site_id, policy -> 'flagged' ->> 'resolution' as resolution, (policy -> 'flagged' ->> 'after_days')::int as days
			from referral.fraud_policy where campaign_id = 0 order by site_id, version desc)
		select `+referralColumns+`
		from rule u
		join referral.referral r on r.site_id = u.site_id
		where u.resolution = $2 and r.status = 'flagged' and r.updated_at <= $1::timestamptz - make_interval(days => u.days)
		order by r.site_id, r.id
		limit $3
		for update of r skip locked`, now, to, limit)
	if err != nil {
		return nil, fmt.Errorf("lock flagged referrals: %w", err)
	}
	slices.SortFunc(out, func(a, b referral) int { return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}
