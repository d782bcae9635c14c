package loyalty

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/feat"
)

// accepted is a challenge that a member takes part in: a row of loyalty.achievement_accepted.
type accepted struct {
	featKey
	At    time.Time  `db:"accepted_at"`
	Until *time.Time `db:"until"`
	Left  *time.Time `db:"left_at"`
}

// takes says that what happened at a moment counts.
func (a accepted) takes(at time.Time) bool {
	return !at.Before(a.At) && (a.Until == nil || at.Before(*a.Until)) && (a.Left == nil || at.Before(*a.Left))
}

// takers are who takes part in what.
type takers map[featKey]accepted

// takes says that something counts for a member: all take part, or this one, or somebody who was merged into it.
func (t takers) takes(h *holder, p *part) bool {
	if p.achievement.Enrolment != feat.OptIn {
		return true
	}
	for _, member := range h.tallied() {
		if a, ok := t[featKey{h.SiteID, member, p.Key}]; ok && a.takes(p.At) {
			return true
		}
	}
	return false
}

// acceptedIn reads, where something of a batch counts for challenges, who takes part in them.
func acceptedIn(ctx context.Context, u *bus.Unit, all []earning, holders map[person]*holder) (takers, error) {
	wanted := map[featKey]bool{}
	for _, e := range all {
		h := holders[person{e.SiteID, e.PersonID}]
		if h == nil {
			continue
		}
		for p := range e.parts {
			if p.achievement.Enrolment != feat.OptIn {
				continue
			}
			for _, member := range h.tallied() {
				wanted[featKey{h.SiteID, member, p.Key}] = true
			}
		}
	}
	return acceptedBy(ctx, u, keys(wanted))
}

// acceptedBy reads who takes part.
func acceptedBy(ctx context.Context, db sqlx.QueryerContext, wanted []featKey) (takers, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	var rows []accepted
	err := sqlx.SelectContext(ctx, db, &rows, `
		select a.site_id, a.member_id, a.key, a.accepted_at, a.until, a.left_at
		from unnest($1::bigint[], $2::bigint[], $3::text[]) as u (site_id, member_id, key)
		cross join lateral (select * from loyalty.achievement_accepted a where a.site_id = u.site_id and a.member_id = u.member_id and a.key = u.key offset 0) a`,
		pq.Array(column(wanted, func(k featKey) int64 { return k.SiteID })), pq.Array(column(wanted, func(k featKey) int64 { return k.MemberID })),
		pq.Array(column(wanted, func(k featKey) string { return k.Key })))
	if err != nil {
		return nil, fmt.Errorf("read who takes part: %w", err)
	}
	out := make(takers, len(rows))
	for _, a := range rows {
		out[a.featKey] = a
	}
	return out, nil
}
