package loyalty

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// dues writes what rules are still to be asked about.
func (s *saving) dues(rows []due) {
	if len(rows) == 0 {
		return
	}
	s.add("what rules are to be asked about", `
		insert into loyalty.rule_due (site_id, member_id, cause, name, at) select site_id, member_id, cause, name, at::timestamptz from $rows order by o`,
		`site_id member_id cause:text name:text at:text`,
		column(rows, func(d due) int64 { return d.SiteID }), column(rows, func(d due) int64 { return d.MemberID }),
		column(rows, func(d due) string { return d.On }), column(rows, func(d due) string { return d.Name }),
		column(rows, func(d due) string { return stamp(d.At) }))
}

// sitesAsked are the sites where rules are to be asked.
func sitesAsked(ctx context.Context, db sqlx.QueryerContext) ([]int64, error) {
	var sites []int64
	if err := sqlx.SelectContext(ctx, db, &sites, `select distinct site_id from loyalty.rule_due order by site_id`); err != nil {
		return nil, fmt.Errorf("find sites whose rules are to be asked: %w", err)
	}
	return sites, nil
}

// takeDue takes up to limit of a site, the oldest first, passing by what somebody else is at.
func takeDue(ctx context.Context, tx sqlx.QueryerContext, site int64, limit int) ([]due, error) {
	var rows []due
	err := sqlx.SelectContext(ctx, tx, &rows, `
		with taken as (
			delete from loyalty.rule_due where site_id = $1 and id = any (array(
				select id from loyalty.rule_due where site_id = $1 order by id limit $2 for update skip locked))
			returning site_id, id, member_id, cause, name, at
		)
		select d.site_id, d.id, d.member_id, d.cause, d.name, d.at, m.person_id, m.status
		from taken d
		cross join lateral (select * from loyalty.member m where m.site_id = d.site_id and m.id = d.member_id offset 0) m
		order by d.id`, site, limit)
	if err != nil {
		return nil, fmt.Errorf("take what rules are to be asked about: %w", err)
	}
	return rows, nil
}

// dayProgram is a programme that has rules, with the last day that was begun.
type dayProgram struct {
	SiteID  int64   `db:"site_id"`
	ID      int64   `db:"id"`
	Version int     `db:"rules_version"`
	Day     *string `db:"day"`
}

func dayPrograms(ctx context.Context, db sqlx.QueryerContext) ([]dayProgram, error) {
	var rows []dayProgram
	err := sqlx.SelectContext(ctx, db, &rows, `
		select p.site_id, p.id, p.rules_version, to_char(d.day, 'YYYY-MM-DD') as day
		from loyalty.program p
		left join loyalty.rule_day d on d.site_id = p.site_id and d.program_id = p.id
		where p.rules_version is not null and p.status = 'active'
		order by p.site_id`)
	if err != nil {
		return nil, fmt.Errorf("find programmes with rules: %w", err)
	}
	return rows, nil
}

// dayMarks are the days of the year, as 517 for the 17th of May, that members of a site have under some names.
func dayMarks(ctx context.Context, db sqlx.QueryerContext, site int64, names []string) ([]int, error) {
	var marks []int
	err := sqlx.SelectContext(ctx, db, &marks, `
		select distinct (extract(month from day) * 100 + extract(day from day))::int from loyalty.member_date where site_id = $1 and identifier = any ($2)`,
		site, pq.Array(names))
	if err != nil {
		return nil, fmt.Errorf("find members' days: %w", err)
	}
	return marks, nil
}

// beginDay notes the members whose day it is, unless somebody did: marks are the days of the year, 229 for the 29th of February.
func beginDay(ctx context.Context, tx sqlx.ExtContext, site, program int64, day string, at time.Time, names []string, marks []int) (int, error) {
	begun, err := tx.ExecContext(ctx, `
		insert into loyalty.rule_day (site_id, program_id, day) values ($1, $2, $3::date)
		on conflict (site_id, program_id) do update set day = excluded.day where rule_day.day < excluded.day`, site, program, day)
	if err != nil {
		return 0, fmt.Errorf("begin a day: %w", err)
	}
	if n, err := begun.RowsAffected(); err != nil || n == 0 {
		return 0, err
	}
	done, err := tx.ExecContext(ctx, `
		insert into loyalty.rule_due (site_id, member_id, cause, name, at)
		select d.site_id, d.member_id, 'date', d.identifier, $4
		from loyalty.member_date d
		where d.site_id = $1 and d.identifier = any ($2) and (extract(month from d.day) * 100 + extract(day from d.day))::int = any ($3::int[])
		order by d.member_id, d.identifier`, site, pq.Array(names), pq.Array(marks), at)
	if err != nil {
		return 0, fmt.Errorf("note whose day it is: %w", err)
	}
	n, err := done.RowsAffected()
	return int(n), err
}
