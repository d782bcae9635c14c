package loyalty

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
)

// featName takes the name of what was reached apart: the achievement, and the level.
func featName(name string) (key string, level int) {
	key, rest, _ := strings.Cut(name, ":")
	rest, _, _ = strings.Cut(rest, ":")
	level, err := strconv.Atoi(rest)
	if err != nil {
		return key, 0
	}
	return key, level
}

// featSource is what the points of something that was reached are for.
func featSource(memberID int64, name string) string {
	return sourceOf(onAchievement, memberID) + ":" + name
}

// lostFeat is something lost, whose points are to be taken back.
type lostFeat struct {
	SiteID   int64     `db:"site_id"`
	ID       int64     `db:"id"`
	MemberID int64     `db:"member_id"`
	Name     string    `db:"name"`
	At       time.Time `db:"at"`
}

const causeLost = "achievement_lost"

// takeBackLost takes back the points of achievements that were lost, and returns of how many. It comes behind the rules, which give points: what they
// are still to be asked about waits here.
func (m *Module) takeBackLost(ctx context.Context) (n int, err error) {
	some := false // usually nothing is lost, and then nobody who posts has to wait
	if err := sqlx.GetContext(ctx, m.db, &some, `select exists (select from loyalty.achievement_lost)`); err != nil || !some {
		return 0, wrapped("look for what was lost", err)
	}
	for {
		done := 0
		err := m.outbox.InTx(ctx, func(u *bus.Unit) error {
			done = 0
			if err := alone(ctx, u); err != nil {
				return err
			}
			list, err := takeLost(ctx, u, perPass)
			if done = len(list); err != nil || done == 0 {
				return err
			}
			claws := column(list, func(l lostFeat) clawBack {
				of := featSource(l.MemberID, l.Name)
				return clawBack{SiteID: l.SiteID, Of: of, Source: "lost:" + of, Cause: causeLost, Full: true, EffectiveAt: l.At}
			})
			return m.postClawBacks(ctx, u, claws)
		})
		if err != nil {
			return n, err
		}
		if n += done; done < perPass {
			return n, nil
		}
	}
}

// lostAndAsked selects what was lost and whose rules have been asked.
const lostAndAsked = `
	select l.site_id, l.id, l.at from loyalty.achievement_lost l
	where not exists (select from loyalty.rule_due d where d.site_id = l.site_id and d.member_id = l.member_id and d.cause = 'achievement' and d.name = l.name)`

func takeLost(ctx context.Context, tx sqlx.QueryerContext, limit int) ([]lostFeat, error) {
	var rows []lostFeat
	err := sqlx.SelectContext(ctx, tx, &rows, `
		with due as (`+lostAndAsked+` order by l.id limit $1 for update of l skip locked), taken as (
			delete from loyalty.achievement_lost l using due where l.site_id = due.site_id and l.id = due.id
			returning l.site_id, l.id, l.member_id, l.name, l.at)
		select site_id, id, member_id, name, at from taken order by id`, limit)
	return rows, wrapped("take what was lost", err)
}

// sweepFeats forgets what counted in periods so long ago that nothing is told of them any more.
func (m *Module) sweepFeats(ctx context.Context) error {
	_, err := m.db.ExecContext(ctx, `
		with parts as (delete from loyalty.achievement_part where ctid = any (array(select ctid from loyalty.achievement_part where fades < $1::date order by fades limit $2))),
		spans as (delete from loyalty.achievement_span where ctid = any (array(select ctid from loyalty.achievement_span where fades < $1::date order by fades limit $2)))
		delete from loyalty.achievement_refund where ctid = any (array(select ctid from loyalty.achievement_refund where fades < $1::date order by fades limit $2))`,
		m.now(), 2*perPass)
	if err != nil {
		return fmt.Errorf("sweep what counted for achievements: %w", err)
	}
	return nil
}
