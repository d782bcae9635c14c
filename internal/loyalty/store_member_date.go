package loyalty

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// lockMember locks a person's membership against others who change its dates.
func lockMember(ctx context.Context, tx sqlx.QueryerContext, siteID, personID int64) (id int64, status string, err error) {
	err = tx.QueryRowxContext(ctx, `
		select id, status from loyalty.member where site_id = $1 and person_id = $2 for no key update`, siteID, personID).Scan(&id, &status)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, "", errNoMember
	}
	if err != nil {
		return 0, "", fmt.Errorf("lock member: %w", err)
	}
	return id, status, nil
}

// saveDates writes and takes away dates of a locked member; each comes once.
func saveDates(ctx context.Context, tx sqlx.ExecerContext, siteID, memberID int64, dates []loyaltyapi.MemberDate, now time.Time) error {
	var names, days, gone []string
	for _, d := range dates {
		if d.Date == "" {
			gone = append(gone, d.Identifier)
		} else {
			names, days = append(names, d.Identifier), append(days, d.Date)
		}
	}
	if len(names) > 0 {
		_, err := tx.ExecContext(ctx, `
			insert into loyalty.member_date (site_id, member_id, identifier, day, changed_at)
			select $1, $2, n, d::date, $5 from unnest($3::text[], $4::text[]) as u (n, d) order by n
			on conflict on constraint member_date_pkey do update set day = excluded.day, changed_at = excluded.changed_at`,
			siteID, memberID, pq.Array(names), pq.Array(days), now)
		if err != nil {
			return fmt.Errorf("save a member's dates: %w", err)
		}
	}
	if len(gone) > 0 {
		_, err := tx.ExecContext(ctx, `
			delete from loyalty.member_date where site_id = $1 and member_id = $2 and identifier = any ($3)`, siteID, memberID, pq.Array(gone))
		if err != nil {
			return fmt.Errorf("take away a member's dates: %w", err)
		}
	}
	return nil
}

// datesOf reads a member's dates by name.
func datesOf(ctx context.Context, db sqlx.QueryerContext, siteID, memberID int64) ([]loyaltyapi.MemberDate, error) {
	out := []loyaltyapi.MemberDate{}
	err := sqlx.SelectContext(ctx, db, &out, `
		select identifier, to_char(day, 'YYYY-MM-DD') as date from loyalty.member_date
		where site_id = $1 and member_id = $2
		order by identifier collate "C"`, siteID, memberID)
	if err != nil {
		return nil, fmt.Errorf("read a member's dates: %w", err)
	}
	return out, nil
}

// birthday is the date that conditions have a name of their own for.
const birthday = "birthday"

// datesByPerson reads the dates of members by their persons.
func datesByPerson(ctx context.Context, db sqlx.QueryerContext, siteID int64, people []int64) (map[int64]map[string]criteria.Date, error) {
	var rows []struct {
		PersonID   int64  `db:"person_id"`
		Identifier string `db:"identifier"`
		Date       string `db:"date"`
	}
	err := sqlx.SelectContext(ctx, db, &rows, `
		select m.person_id, d.identifier, to_char(d.day, 'YYYY-MM-DD') as date
		from loyalty.member m
		cross join lateral (select * from loyalty.member_date d where d.site_id = m.site_id and d.member_id = m.id offset 0) d
		where m.site_id = $1 and m.person_id = any ($2)`, siteID, pq.Array(people))
	if err != nil {
		return nil, fmt.Errorf("read members' dates: %w", err)
	}
	out := map[int64]map[string]criteria.Date{}
	for _, r := range rows {
		if out[r.PersonID] == nil {
			out[r.PersonID] = map[string]criteria.Date{}
		}
		out[r.PersonID][r.Identifier] = criteria.ParseDate(r.Date)
	}
	return out, nil
}

// recallDates hands members their dates, where a condition of a rule looks at them. Members are locked.
func recallDates(ctx context.Context, tx sqlx.QueryerContext, all []earning, holders map[person]*holder) error {
	wanted := map[int64][]int64{}
	for _, e := range all {
		if h := holders[person{e.SiteID, e.PersonID}]; h != nil && e.occasion != nil && e.occasion.by.earner.asks[e.occasion.on].dates {
			wanted[e.SiteID] = append(wanted[e.SiteID], h.PersonID)
		}
	}
	for site, people := range wanted {
		dates, err := datesByPerson(ctx, tx, site, people)
		if err != nil {
			return err
		}
		for _, h := range holders {
			if of, known := dates[h.PersonID]; known && h.SiteID == site {
				h.dates = of
			}
		}
	}
	return nil
}

// dropDates forgets the dates of people, whoever of them is a member, also in answers that were kept with Idempotency-Keys.
func dropDates(ctx context.Context, tx sqlx.ExecerContext, people []person) error {
	sites, ids := make([]int64, len(people)), make([]int64, len(people))
	for i, p := range people {
		sites[i], ids[i] = p.site, p.id
	}
	_, err := tx.ExecContext(ctx, `
		delete from loyalty.member_date d
		using unnest($1::bigint[], $2::bigint[]) as u (s, p), loyalty.member m
		where m.site_id = u.s and m.person_id = u.p and d.site_id = m.site_id and d.member_id = m.id`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return fmt.Errorf("drop members' dates: %w", err)
	}
	_, err = tx.ExecContext(ctx, `
		update loyalty.idempotency i set answer = (answer::jsonb || '{"Dates":[]}'::jsonb)::text
		from unnest($1::bigint[], $2::bigint[]) as u (s, p)
		where i.site_id = u.s and starts_with(i.answer, '{"ID":') and position('"PersonID":' || u.p || ',' in i.answer) > 0`, pq.Array(sites), pq.Array(ids))
	if err != nil {
		return fmt.Errorf("drop members' dates from kept answers: %w", err)
	}
	return nil
}
