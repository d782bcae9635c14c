package loyalty

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// countingMembers reads four indexes: of members in tiers, of all, of those who were merged into others, who are nobody's members, and of those who have left,
// who keep the tier that they had.
const countingMembers = `
	select tier as name, count(*) as n, false as gone from loyalty.member where site_id = $1 and tier <> '' group by tier
	union all
	select '', (select count(*) from loyalty.member where site_id = $1) - (select count(*) from loyalty.member where site_id = $1 and merged_into is not null), false
	union all
	select tier, count(*), true from loyalty.member where site_id = $1 and status in ('closed', 'erased') and merged_into is null group by tier`

// countMembers counts the members of tiers, and all of a site; read is how many rows it took.
func countMembers(ctx context.Context, db sqlx.QueryerContext, site int64) (in map[string]int64, all, read int64, err error) {
	var rows []struct {
		Name string `db:"name"`
		N    int64  `db:"n"`
		Gone bool   `db:"gone"`
	}
	if err = sqlx.SelectContext(ctx, db, &rows, countingMembers, site); err != nil {
		return nil, 0, 0, fmt.Errorf("count members of tiers: %w", err)
	}
	in = make(map[string]int64, len(rows))
	for _, r := range rows {
		switch {
		case r.Gone:
			all -= r.N
			if r.Name != "" {
				in[r.Name] -= r.N
			}
		case r.Name == "":
			all, read = all+r.N, r.N
		default:
			in[r.Name] += r.N
		}
	}
	return in, all, read, nil
}

// spanQuery looks no further than it has to, to say whether there are more members than a limit ($2).
const spanQuery = `
	select (select count(*) from (select from loyalty.member where site_id = $1 and merged_into is null limit $2 + 1) x) > $2 as more,
		coalesce((select id from loyalty.member where site_id = $1 and merged_into is null order by id limit 1), 0) as first,
		coalesce((select id from loyalty.member where site_id = $1 and merged_into is null order by id desc limit 1), 0) as last`

// span is where a site's members begin and end, and whether there are more than some.
type span struct {
	More  bool  `db:"more"`
	First int64 `db:"first"`
	Last  int64 `db:"last"`
}

func spanOf(ctx context.Context, db sqlx.QueryerContext, site, limit int64) (s span, err error) {
	err = sqlx.GetContext(ctx, db, &s, spanQuery, site, limit)
	return s, wrapped("look how many members there are", err)
}
