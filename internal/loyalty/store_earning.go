package loyalty

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// ruledSites are those of some sites whose programmes have rules, had them, or are to have them.
func ruledSites(ctx context.Context, tx sqlx.QueryerContext, sites []int64) (out []int64, err error) {
	err = sqlx.SelectContext(ctx, tx, &out, `
		select p.site_id from loyalty.program p where p.site_id = any ($1) and (p.rules_version is not null or p.next_at is not null)`, pq.Array(sites))
	if err != nil {
		return nil, fmt.Errorf("find sites with rules: %w", err)
	}
	return out, nil
}

// openBudgets makes the rows that a version's budgets are counted in; who posts locks them.
func openBudgets(ctx context.Context, tx sqlx.ExecerContext, p program) error {
	if p.Earning == nil {
		return nil
	}
	var rules []string
	for _, r := range p.Earning.Rules {
		if r.Budget != nil {
			rules = append(rules, r.Key)
		}
	}
	if len(rules) == 0 {
		return nil
	}
	slices.Sort(rules)
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.rule_budget (site_id, program_id, rule) select $1, $2, u.rule from unnest($3::text[]) with ordinality as u (rule, o) order by u.o
		on conflict (site_id, program_id, rule) do nothing`, p.SiteID, p.ID, pq.Array(rules))
	if err != nil {
		return fmt.Errorf("open budgets: %w", err)
	}
	return nil
}

// lockBudgets locks what rules with a budget have given, in the order of their keys.
func lockBudgets(ctx context.Context, tx sqlx.QueryerContext, wanted map[budgetKey]bool) (map[budgetKey]*budget, error) {
	all := slices.Collect(maps.Keys(wanted))
	var rows []*budget
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select b.site_id, b.program_id, b.rule, b.spent from loyalty.rule_budget b
		where (b.site_id, b.program_id, b.rule) in (select * from unnest($1::bigint[], $2::bigint[], $3::text[]))
		order by b.site_id, b.program_id, b.rule
		for update`,
		pq.Array(column(all, func(k budgetKey) int64 { return k.SiteID })), pq.Array(column(all, func(k budgetKey) int64 { return k.ProgramID })),
		pq.Array(column(all, func(k budgetKey) string { return k.Rule })))
	if err != nil {
		return nil, fmt.Errorf("lock budgets: %w", err)
	}
	out := make(map[budgetKey]*budget, len(rows))
	for _, r := range rows {
		out[r.budgetKey] = r
	}
	return out, nil
}

// budgetsOf reads what rules with a budget have given, by their keys.
func budgetsOf(ctx context.Context, db sqlx.QueryerContext, site, program int64) (map[string]int64, error) {
	var rows []budget
	err := sqlx.SelectContext(ctx, db, &rows, `
		select site_id, program_id, rule, spent from loyalty.rule_budget where site_id = $1 and program_id = $2`, site, program)
	if err != nil {
		return nil, fmt.Errorf("read budgets: %w", err)
	}
	out := make(map[string]int64, len(rows))
	for _, r := range rows {
		out[r.Rule] = r.Spent
	}
	return out, nil
}

// talliesOf reads what rules have given locked members.
func talliesOf(ctx context.Context, tx sqlx.QueryerContext, wanted map[tallyKey]bool) (map[tallyKey]*tally, error) {
	all := slices.Collect(maps.Keys(wanted))
	var rows []*tally
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select t.site_id, t.member_id, t.rule, t.span, to_char(t.since, 'YYYY-MM-DD') as since, t.points, t.times, t.last_at
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[]) as u (site_id, member_id, rule, span, since)
		cross join lateral (select * from loyalty.rule_tally t where t.site_id = u.site_id and t.member_id = u.member_id and t.rule = u.rule
			and t.span = u.span and t.since = u.since::date offset 0) t`,
		pq.Array(column(all, func(k tallyKey) int64 { return k.SiteID })), pq.Array(column(all, func(k tallyKey) int64 { return k.MemberID })),
		pq.Array(column(all, func(k tallyKey) string { return k.Rule })), pq.Array(column(all, func(k tallyKey) string { return k.Span })),
		pq.Array(column(all, func(k tallyKey) string { return k.Since })))
	if err != nil {
		return nil, fmt.Errorf("read what rules gave: %w", err)
	}
	out := make(map[tallyKey]*tally, len(rows))
	for _, r := range rows {
		out[r.tallyKey] = r
	}
	return out, nil
}

// givenIn reads what each rule gave in earnings.
func givenIn(ctx context.Context, tx sqlx.QueryerContext, earnings []siteID) (map[siteID][]step, error) {
	var rows []struct {
		SiteID int64  `db:"site_id"`
		ID     int64  `db:"id"`
		Rules  string `db:"rules"`
	}
	err := sqlx.SelectContext(ctx, tx, &rows, `
		select t.site_id, t.id, t.rule::jsonb -> 'trace' ->> 'rules' as rules
		from unnest($1::bigint[], $2::bigint[]) as u (site_id, id)
		cross join lateral (select * from loyalty.txn t where t.site_id = u.site_id and t.id = u.id offset 0) t
		where t.rule like '{"rule":"rules"%'`,
		pq.Array(column(earnings, func(e siteID) int64 { return e.site })), pq.Array(column(earnings, func(e siteID) int64 { return e.id })))
	if err != nil {
		return nil, fmt.Errorf("read what earnings were made of: %w", err)
	}
	out := make(map[siteID][]step, len(rows))
	for _, r := range rows {
		var steps []step
		if err := json.Unmarshal([]byte(r.Rules), &steps); err != nil {
			return nil, fmt.Errorf("rules of transaction %d: %w", r.ID, err)
		}
		out[siteID{r.SiteID, r.ID}] = steps
	}
	return out, nil
}

// rooms writes what rules have given by now.
func (s *saving) rooms(r *rooms) {
	if r == nil {
		return
	}
	var tallies []*tally
	for _, t := range r.tallies {
		if t.dirty {
			tallies = append(tallies, t)
		}
	}
	if len(tallies) > 0 {
		s.add("what rules gave members", `
			insert into loyalty.rule_tally (site_id, member_id, rule, span, since, points, times, last_at)
			select site_id, member_id, rule, span, since::date, points, times, nullif(last_at, '')::timestamptz from $rows
			on conflict (site_id, member_id, rule, span, since) do update
				set points = excluded.points, times = excluded.times, last_at = excluded.last_at`,
			`site_id member_id rule:text span:text since:text points times last_at:text`,
			column(tallies, func(t *tally) int64 { return t.SiteID }), column(tallies, func(t *tally) int64 { return t.MemberID }),
			column(tallies, func(t *tally) string { return t.Rule }), column(tallies, func(t *tally) string { return t.Span }),
			column(tallies, func(t *tally) string { return t.Since }), column(tallies, func(t *tally) int64 { return t.Points }),
			column(tallies, func(t *tally) int64 { return t.Times }), column(tallies, func(t *tally) string { return stampOrNot(t.LastAt) }))
	}
	var budgets []*budget
	for _, b := range r.budgets {
		if b.dirty {
			budgets = append(budgets, b)
		}
	}
	if len(budgets) > 0 {
		s.add("budgets", `
			update loyalty.rule_budget b set spent = u.spent from $rows
			where b.site_id = u.site_id and b.program_id = u.program_id and b.rule = u.rule`,
			`site_id program_id rule:text spent`,
			column(budgets, func(b *budget) int64 { return b.SiteID }), column(budgets, func(b *budget) int64 { return b.ProgramID }),
			column(budgets, func(b *budget) string { return b.Rule }), column(budgets, func(b *budget) int64 { return b.Spent }))
	}
}
