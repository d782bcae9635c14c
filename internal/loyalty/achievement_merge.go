package loyalty

import (
	"context"
	"fmt"

	"github.com/talkable/talkable/internal/bus"
)

// mergeFeats adds what counts of a duplicate for achievements to its survivor. What either has reached stays.
func (m *Module) mergeFeats(ctx context.Context, u *bus.Unit, site, survivor, duplicate int64) error {
	_, err := u.Tx.ExecContext(ctx, `
		with moved as (
			delete from loyalty.achievement_span where site_id = $1 and member_id = $3 returning key, since, name, amount, fades
		)
		insert into loyalty.achievement_span as s (site_id, member_id, key, since, name, amount, fades)
		select $1::bigint, $2::bigint, key, since, name, amount, fades from moved
		on conflict on constraint achievement_span_pkey do update set amount = s.amount + excluded.amount`, site, survivor, duplicate)
	if err != nil {
		return fmt.Errorf("add up what counts for achievements: %w", err)
	}
	return m.reviewFeats(ctx, u, site, survivor, duplicate)
}

// partFeats gives a duplicate back what counts of what it did itself, less what was refunded meanwhile. What either has reached stays.
func (m *Module) partFeats(ctx context.Context, u *bus.Unit, site, survivor, duplicate int64) error {
	_, err := u.Tx.ExecContext(ctx, `
		with own as (
			select key, since, name, sum(counts)::bigint as amount, max(fades) as fades from loyalty.achievement_part where site_id = $1 and member_id = $3 group by key, since, name
		), less as (
			update loyalty.achievement_span s set amount = greatest(s.amount - own.amount, 0) from own
			where s.site_id = $1 and s.member_id = $2 and s.key = own.key and s.since = own.since and s.name = own.name
		)
		insert into loyalty.achievement_span (site_id, member_id, key, since, name, amount, fades)
		select $1::bigint, $3::bigint, key, since, name, amount, fades from own
		on conflict on constraint achievement_span_pkey do update set amount = excluded.amount`, site, survivor, duplicate)
	if err != nil {
		return fmt.Errorf("part what counts for achievements: %w", err)
	}
	return m.reviewFeats(ctx, u, site, survivor, duplicate)
}
