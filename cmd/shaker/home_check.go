package main

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
)

const homeSQL = `
	select p.email as name, m.status || ', ' || coalesce(a.balance, 0) || ' points, ' || coalesce(s.balance, 0) || ' stars, ' || coalesce(f.amount, 0) || ' orders count, '
		|| case when r.id is null then '` + notReached + `' when r.lost_at is null then '` + isReached + `' else '` + wasReached + `' end || ' regular' as value
	from loyalty.member m
	join customer.person p on p.site_id = m.site_id and p.id = m.person_id
	left join loyalty.account a on a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points'
	left join loyalty.account s on s.site_id = m.site_id and s.owner_id = m.id and s.asset = '` + stars + `'
	left join loyalty.achievement_span f on f.site_id = m.site_id and f.member_id = m.id and f.key = '` + regular + `'
	left join loyalty.achievement_reached r on r.site_id = m.site_id and r.member_id = m.id and r.key = '` + regular + `'
	where m.site_id = $1 and p.email is not null`

// check compares what people at home have with what they must have, by the tables; of those who were cut off nobody knows.
func (h *home) check(ctx context.Context, db *sqlx.DB) (*checks, error) {
	c := &checks{}
	got, err := pairs(ctx, db, homeSQL, h.ID)
	if err != nil {
		return c, fmt.Errorf("read who is at home: %w", err)
	}
	var rows []string
	for _, p := range h.people {
		if got[p.email] != p.String() {
			rows = append(rows, fmt.Sprintf("%s: %s; want %s", p.email, got[p.email], p))
		}
	}
	c.add("home: what people have", fmt.Sprintf("%d people", len(h.people)), rows)
	return c, h.checkForgotten(ctx, db, c)
}
