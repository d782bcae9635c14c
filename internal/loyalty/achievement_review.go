package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/feat"
)

// sourceOfReview is what did it where nothing was done: two members became one, or a goal is another.
const sourceOfReview = "review"

// reviewFeats decides what members reach in today's periods although nothing was done: they became one, or the goals are others. Nothing is lost by it.
func (m *Module) reviewFeats(ctx context.Context, u *bus.Unit, site int64, members ...int64) error {
	programs, err := sharePrograms(ctx, u, []int64{site})
	if err != nil || programs[site].FeatsVersion == 0 {
		return err
	}
	if err := m.equip(ctx, u, programs); err != nil {
		return err
	}
	p := programs[site]
	holders, err := holdersByID(ctx, u, column(members, func(id int64) siteID { return siteID{site, id} }), "for update")
	if err != nil || p.feats == nil || len(holders) == 0 {
		return err
	}
	b := &books{now: u.Now, programs: programs, feats: &featBooks{}}
	list := slices.DeleteFunc(p.reviewed(holders, b), func(t *stir) bool { return !t.achievement.Takes(u.Now) }) // what is over is over
	if b.feats.spans, err = spansOf(ctx, u, list); err != nil {
		return err
	}
	if err := b.feats.recall(ctx, u, list); err != nil {
		return err
	}
	b.judgeFeats(list)
	return m.save(ctx, u, b, holders, nil, 0)
}

// reviewed are all achievements of members, as far back as today's periods go.
func (p program) reviewed(holders []*holder, b *books) (list []*stir) {
	today := feat.DayOf(b.now, p.feats.zone)
	for _, h := range holders {
		for i := range p.feats.List {
			a := &p.feats.List[i]
			list = append(list, &stir{featKey: featKey{p.SiteID, h.MemberID, a.Key}, h: h, by: p.feats, version: p.Version, achievement: a, review: true,
				from: a.From(a.Since(today), false), at: b.now, source: sourceOfReview})
		}
	}
	return list
}

// reviewFrom has the timer look at all members.
func reviewFrom(ctx context.Context, tx sqlx.ExecerContext, p program) error {
	_, err := tx.ExecContext(ctx, `update loyalty.program set feats_after = 0 where site_id = $1 and id = $2`, p.SiteID, p.ID)
	return wrapped("have achievements reviewed", err)
}

// reviewDue looks at members after their programme's achievements changed, and returns at how many: who has done enough for a lower goal needn't do more.
func (m *Module) reviewDue(ctx context.Context) (n int, err error) {
	var sites []int64
	if err := sqlx.SelectContext(ctx, m.db, &sites, `select site_id from loyalty.program where feats_after is not null order by site_id`); err != nil {
		return 0, fmt.Errorf("find changed achievements: %w", err)
	}
	for _, site := range sites {
		for more := true; more; {
			done := 0
			if done, more, err = m.reviewSome(ctx, site); err != nil {
				return n, err
			}
			n += done
		}
	}
	return n, nil
}

const membersCounted = `select distinct member_id from loyalty.achievement_span where site_id = $1 and member_id > $2 order by member_id limit $3`

const perReview = 100 // members: each has up to fifty achievements

// reviewSome looks at the next members of a site. Only the timer that got the row goes on.
func (m *Module) reviewSome(ctx context.Context, site int64) (n int, more bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		n, more = 0, false
		var after sql.NullInt64
		err := sqlx.GetContext(ctx, u, &after, `select feats_after from loyalty.program where site_id = $1 for update`, site)
		if errors.Is(err, sql.ErrNoRows) || err == nil && !after.Valid {
			return nil
		}
		if err != nil {
			return fmt.Errorf("lock the programme: %w", err)
		}
		var members []int64
		if err := sqlx.SelectContext(ctx, u, &members, membersCounted, site, after.Int64, perReview); err != nil {
			return fmt.Errorf("find members with achievements: %w", err)
		}
		next := sql.NullInt64{}
		if n = len(members); n == perReview {
			next, more = sql.NullInt64{Int64: members[n-1], Valid: true}, true
		}
		if err := m.reviewFeats(ctx, u, site, members...); err != nil {
			return err
		}
		_, err = u.Tx.ExecContext(ctx, `update loyalty.program set feats_after = $2 where site_id = $1`, site, next)
		return wrapped("go on with changed achievements", err)
	})
	if err != nil {
		return 0, false, err
	}
	return n, more, nil
}
