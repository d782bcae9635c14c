package loyalty

import (
	"context"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/loyalty/hindsight"
)

const pastPage = 5000 // rows at once

// PastRedemptions hands over what a site's members really spent until a moment, in the order in which they did: redemptions, and holds that were
// committed, less what was restored of these.
func (m *Module) PastRedemptions(ctx context.Context, siteID int64, until time.Time, take func(personID int64, r hindsight.Redemption)) error {
	for after := int64(0); ; {
		var rows []struct {
			ID          int64      `db:"id"`
			PersonID    int64      `db:"person_id"`
			At          time.Time  `db:"at"`
			Points      int64      `db:"points"`
			Wallet      string     `db:"wallet"`
			CancelledAt *time.Time `db:"cancelled_at"`
		}
		err := m.db.SelectContext(ctx, &rows, `
			select s.id, m.person_id, s.at, s.points, s.cancelled_at, coalesce(s.wallet, '') as wallet
			from (
				(select site_id, id, member_id, created_at as at, points, cancelled_at, wallet from loyalty.redemption
					where site_id = $1 and id > $2 and created_at < $3 order by id limit $4)
				union all
				(select site_id, id, member_id, created_at, points - restored, null, wallet from loyalty.hold
					where site_id = $1 and id > $2 and status = 'committed' and restored < points and created_at < $3 order by id limit $4)
				order by id limit $4) s
			cross join lateral (select * from loyalty.member m where m.site_id = s.site_id and m.id = s.member_id offset 0) m
			order by s.id`, siteID, after, until, pastPage)
		if err != nil {
			return fmt.Errorf("read past redemptions: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		for _, r := range rows {
			take(r.PersonID, hindsight.Redemption{ID: r.ID, At: r.At, Points: r.Points, Wallet: r.Wallet, CancelledAt: orNone(r.CancelledAt)})
		}
		after = rows[len(rows)-1].ID
	}
}
