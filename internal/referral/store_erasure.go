package referral

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// forgetPeople takes out of the module's tables what would tell who somebody was.
func forgetPeople(ctx context.Context, tx *sqlx.Tx, sites, people []int64) error {
	_, err := tx.ExecContext(ctx, `
		delete from referral.mark m using unnest($1::bigint[], $2::bigint[]) u (s, p)
		where m.site_id = u.s and m.person_id = u.p`, pq.Array(sites), pq.Array(people))
	if err != nil {
		return fmt.Errorf("forget what people were seen with: %w", err)
	}
	_, err = tx.ExecContext(ctx, `
		update referral.held_out h set visitor_id = null from unnest($1::bigint[], $2::bigint[]) u (s, p)
		where h.site_id = u.s and h.person_id = u.p and h.visitor_id is not null`, pq.Array(sites), pq.Array(people))
	if err != nil {
		return fmt.Errorf("forget whose browsers were held out: %w", err)
	}
	_, err = tx.ExecContext(ctx, `select referral.forget_visitors($1::bigint[], $2::bigint[])`, pq.Array(sites), pq.Array(people))
	if err != nil {
		return fmt.Errorf("forget whose browsers were whose: %w", err)
	}
	if err := forgetClaims(ctx, tx, sites, people); err != nil {
		return err
	}
	return forgetNames(ctx, tx, sites, people)
}
