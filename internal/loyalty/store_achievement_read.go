package loyalty

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// saveAccepted writes that a member takes part in a challenge, or left it.
func saveAccepted(ctx context.Context, tx sqlx.ExecerContext, a accepted) error {
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.achievement_accepted (site_id, member_id, key, accepted_at, until, left_at) values ($1, $2, $3, $4, $5, $6)
		on conflict on constraint achievement_accepted_pkey do update set left_at = excluded.left_at`, a.SiteID, a.MemberID, a.Key, a.At, a.Until, a.Left)
	return wrapped("save who takes part", err)
}

// acceptedShown are the challenges that a member, or somebody who was merged into it, takes part in, by key.
func acceptedShown(ctx context.Context, db sqlx.QueryerContext, list []*stir) (map[string]accepted, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var rows []accepted
	err := sqlx.SelectContext(ctx, db, &rows, `
		select a.site_id, a.member_id, a.key, a.accepted_at, a.until, a.left_at
		from `+oneself("$2")+` cross join lateral (select * from loyalty.achievement_accepted a where a.site_id = $1 and a.member_id = who.id offset 0) a
		order by a.member_id <> $2 desc`, list[0].SiteID, list[0].MemberID)
	if err != nil {
		return nil, fmt.Errorf("read challenges: %w", err)
	}
	out := make(map[string]accepted, len(rows))
	for _, a := range rows { // the member's own comes last
		out[a.Key] = a
	}
	return out, nil
}

// reachedShown reads what a member has reached, by key: how often, and the latest of it.
func reachedShown(ctx context.Context, db sqlx.QueryerContext, list []*stir) (map[string]reachedOf, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var rows []struct {
		Key    string    `db:"key"`
		Level  int       `db:"level"`
		Since  time.Time `db:"since"`
		Nth    int       `db:"nth"`
		Period time.Time `db:"period"`
		Goal   int64     `db:"goal"`
		Amount int64     `db:"amount"`
		Source string    `db:"source"`
		Note   string    `db:"note"`
		At     time.Time `db:"reached_at"`
	}
	err := sqlx.SelectContext(ctx, db, &rows, `
		select r.key, r.level, r.since, r.nth, r.period, r.goal, r.amount, r.source, coalesce(r.note, '') as note, r.reached_at
		from `+oneself("$2")+` cross join lateral (select * from loyalty.achievement_reached r where r.site_id = $1 and r.member_id = who.id and r.lost_at is null offset 0) r
		order by r.reached_at desc, r.level desc, r.nth desc, r.id desc`, list[0].SiteID, list[0].MemberID)
	if err != nil {
		return nil, fmt.Errorf("read what was reached: %w", err)
	}
	out := map[string]reachedOf{}
	for _, r := range rows {
		of := out[r.Key]
		reach := feat.Reach{Level: r.Level, Since: feat.DayOf(r.Since, time.UTC), Nth: r.Nth, Period: feat.DayOf(r.Period, time.UTC), Amount: r.Amount, Goal: r.Goal}
		of.times, of.all = of.times+1, append(of.all, feat.Had{Reach: reach})
		if len(of.latest) < shownReached {
			of.latest = append(of.latest, &reached{Reach: reach, Key: r.Key, Source: r.Source, Note: r.Note, At: r.At.UTC()})
		}
		out[r.Key] = of
	}
	return out, nil
}

const things = `
	select p.source, p.name, p.counts, p.amount, p.refunded, p.gone, p.since, p.at
	from (select unnest(array_append(m.duplicates, m.id)) as id from loyalty.member m where m.site_id = $1 and m.id = $2) who cross join lateral (
		select * from loyalty.achievement_part p where p.site_id = $1 and p.member_id = who.id and p.key = $3 and (p.at, p.source, p.name) < ($4, $5, $6)
		order by p.at desc, p.source desc, p.name desc limit $7) p
	order by p.at desc, p.source desc, p.name desc limit $7`

// thingsOf reads what counts for an achievement behind a place, the latest first.
func thingsOf(ctx context.Context, db sqlx.QueryerContext, site, member int64, key string, after loyaltyapi.AfterThing, limit int) ([]loyaltyapi.AchievementThing, error) {
	if after.At.IsZero() {
		after.At = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	var rows []struct {
		Source   string    `db:"source"`
		Name     string    `db:"name"`
		Counts   int64     `db:"counts"`
		Amount   int64     `db:"amount"`
		Refunded int64     `db:"refunded"`
		Gone     bool      `db:"gone"`
		Since    time.Time `db:"since"`
		At       time.Time `db:"at"`
	}
	if err := sqlx.SelectContext(ctx, db, &rows, things, site, member, key, after.At, after.Source, after.Name, limit); err != nil {
		return nil, fmt.Errorf("read what counts: %w", err)
	}
	out := make([]loyaltyapi.AchievementThing, len(rows))
	for i, r := range rows {
		out[i] = loyaltyapi.AchievementThing{Source: r.Source, Name: r.Name, Counts: r.Counts, Amount: r.Amount, Refunded: r.Refunded, Gone: r.Gone,
			Period: dayOrEver(feat.DayOf(r.Since, time.UTC)), At: r.At.UTC()}
	}
	return out, nil
}

const countingFeats = `
	select key, level, count(*) as times, count(distinct member_id) as members from loyalty.achievement_reached where site_id = $1 and lost_at is null group by key, level`

// featLevel is a level of an achievement.
type featLevel struct {
	key   string
	level int
}

// featCount is how many members reached a level, and how often.
type featCount struct {
	Key     string `db:"key"`
	Level   int    `db:"level"`
	Times   int64  `db:"times"`
	Members int64  `db:"members"`
}

func countFeats(ctx context.Context, db sqlx.QueryerContext, site int64) (map[featLevel]featCount, error) {
	var rows []featCount
	if err := sqlx.SelectContext(ctx, db, &rows, countingFeats, site); err != nil {
		return nil, fmt.Errorf("count who reached what: %w", err)
	}
	out := make(map[featLevel]featCount, len(rows))
	for _, r := range rows {
		out[featLevel{r.Key, r.Level}] = r
	}
	return out, nil
}
