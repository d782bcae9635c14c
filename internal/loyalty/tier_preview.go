package loyalty

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/site"
)

// tierMoves is who would move between tiers by a change of the programme.
type tierMoves struct {
	Members  int64      `json:"members" doc:"Looked at"`
	Complete bool       `json:"complete" doc:"false: of so many, members from all over were looked at"`
	Moving   int64      `json:"moving" doc:"Of those that were looked at"`
	Moves    []tierMove `json:"moves"`
}

type tierMove struct {
	From    *string `json:"from"`
	To      *string `json:"to"`
	Members int64   `json:"members"`
}

const (
	previewChunk  = 5000 // members at once
	previewChunks = 40   // of a site with more members than these have, so many samples are looked at
)

// tierMoves says who would move between tiers if a programme had other settings. It locks nothing.
func (m *Module) tierMoves(ctx context.Context, s site.Site, id int64, in settings) (*tierMoves, error) {
	in, err := in.of(s)
	if err != nil {
		return nil, err
	}
	var out tierMoves
	err = m.glance(ctx, func(tx *sqlx.Tx) error {
		p, err := findProgram(ctx, tx, s.ID, id)
		if err != nil {
			return err
		}
		out, err = previewMoves(ctx, tx, p.change(in, m.now()), m.now())
		return err
	})
	return &out, err
}

// previewMoves says who would move if p was the programme.
func previewMoves(ctx context.Context, tx sqlx.QueryerContext, p program, now time.Time) (out tierMoves, err error) {
	if p.TierPlan.Counted {
		return previewCounted(ctx, tx, p, now)
	}
	var rows []struct {
		From string `db:"from_tier"`
		To   string `db:"to_tier"`
		N    int64  `db:"n"`
	}
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select tier as from_tier, coalesce(($3::text[])[width_bucket(earned, $2::bigint[])], '') as to_tier, count(*) as n
		from loyalty.member where site_id = $1 and merged_into is null group by 1, 2`, p.SiteID,
		pq.Array(column(p.Tiers, func(t tier) int64 { return t.Threshold })), pq.Array(column(p.Tiers, func(t tier) string { return t.Name })))
	if err != nil {
		return out, fmt.Errorf("preview moves between tiers: %w", err)
	}
	moves := map[[2]string]int64{}
	for _, r := range rows {
		moves[[2]string{r.From, r.To}] = r.N
	}
	return movesOf(moves, true), nil
}

// previewCounted looks at all members, or at samples from all over where there are too many.
func previewCounted(ctx context.Context, tx sqlx.QueryerContext, p program, now time.Time) (tierMoves, error) {
	moves := map[[2]string]int64{}
	complete, err := eachSample(ctx, tx, p.SiteID, previewChunk, previewChunks, func(after int64, _ bool) (int64, error) {
		holders, err := membersAfter(ctx, tx, p.SiteID, after, previewChunk)
		if err != nil || len(holders) == 0 {
			return 0, err
		}
		if err := scoresOf(ctx, tx, map[int64]program{p.SiteID: p}, holders, now); err != nil {
			return 0, err
		}
		today := dayOf(now, p.TierPlan.zone())
		for _, h := range holders {
			moves[[2]string{h.Tier, p.nameOf(p.ladder(h.score.joined, h.score.days).on(today))}]++
		}
		return holders[len(holders)-1].MemberID, nil
	})
	return movesOf(moves, complete), err
}

// membersAfter reads members behind one, by id.
func membersAfter(ctx context.Context, tx sqlx.QueryerContext, site, after int64, limit int) (rows []*holder, err error) {
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select site_id, id as member_id, tier from loyalty.member where site_id = $1 and id > $2 and merged_into is null order by id limit $3`, site, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read members: %w", err)
	}
	return rows, nil
}

// movesOf are those of members who don't stay, the largest first.
func movesOf(moves map[[2]string]int64, complete bool) tierMoves {
	out := tierMoves{Complete: complete, Moves: []tierMove{}}
	for m, n := range moves {
		if out.Members += n; m[0] != m[1] {
			out.Moving += n
			out.Moves = append(out.Moves, tierMove{named(m[0]), named(m[1]), n})
		}
	}
	slices.SortFunc(out.Moves, func(a, b tierMove) int {
		return cmp.Or(cmp.Compare(b.Members, a.Members), cmp.Compare(orBlank(a.From), orBlank(b.From)), cmp.Compare(orBlank(a.To), orBlank(b.To)))
	})
	return out
}

// orBlank is the name of a tier, or "" below the first.
func orBlank(name *string) string {
	if name == nil {
		return ""
	}
	return *name
}
