package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

type tieRow struct {
	PersonID int64     `db:"person_id"`
	Kind     string    `db:"kind"`
	Value    string    `db:"value"`
	LastAt   time.Time `db:"last_at"`
}

func tiesOf(rows []tieRow) []tie {
	out := make([]tie, len(rows))
	for i, r := range rows {
		out[i] = tie{r.PersonID, thing{r.Kind, r.Value}, r.LastAt}
	}
	return out
}

// thingsOf reads what people were seen with: of each kind of table at most limit a person, those seen last.
func thingsOf(ctx context.Context, q sqlx.QueryerContext, siteID int64, people []int64, limit int) ([]tie, error) {
	var rows []tieRow
	err := sqlx.SelectContext(ctx, q, &rows, `
		select u.p as person_id, t.kind, t.value, t.last_at
		from unnest($2::bigint[]) u (p)
		cross join lateral (
			(select 'visitor' as kind, visitor_id::text as value, learned_at as last_at from referral.identity
				where site_id = $1 and person_id = u.p order by learned_at desc, visitor_id limit $3)
			union all
			(select kind, value::text, last_at from referral.mark
				where site_id = $1 and person_id = u.p order by last_at desc, kind, value limit $3)) t`, siteID, pq.Array(people), limit)
	if err != nil {
		return nil, fmt.Errorf("things of people: %w", err)
	}
	return tiesOf(rows), nil
}

// peopleOf reads who was seen with things, at most limit a thing.
func peopleOf(ctx context.Context, q sqlx.QueryerContext, siteID int64, things []thing, limit int) ([]tie, error) {
	if len(things) == 0 {
		return nil, nil
	}
	kinds, values := make([]string, len(things)), make([]string, len(things))
	for i, t := range things {
		kinds[i], values[i] = t.kind, t.value
	}
	var rows []tieRow
	err := sqlx.SelectContext(ctx, q, &rows, `
		select t.person_id, u.k as kind, u.v::text as value, t.last_at
		from unnest($2::text[], $3::uuid[]) u (k, v)
		cross join lateral (
			(select person_id, learned_at as last_at from referral.identity
				where u.k = 'visitor' and site_id = $1 and visitor_id = u.v order by person_id limit $4)
			union all
			(select person_id, last_at from referral.mark
				where u.k <> 'visitor' and site_id = $1 and kind = u.k and value = u.v order by person_id limit $4)) t`,
		siteID, pq.Array(kinds), pq.Array(values), limit)
	if err != nil {
		return nil, fmt.Errorf("people of things: %w", err)
	}
	return tiesOf(rows), nil
}
