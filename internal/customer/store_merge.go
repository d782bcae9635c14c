package customer

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
)

// lockPeopleByID locks and reads persons by site and id, in the order of all locks.
func lockPeopleByID(ctx context.Context, u *bus.Unit, ids [][2]int64) ([]person, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	slices.SortFunc(ids, func(x, y [2]int64) int { return slices.Compare(x[:], y[:]) })
	ids = slices.Compact(ids)
	sites, people := make([]int64, len(ids)), make([]int64, len(ids))
	for i, id := range ids {
		sites[i], people[i] = id[0], id[1]
	}
	var out []person
	err := u.SelectContext(ctx, &out, `
		select `+personColumns+`
		from unnest($1::bigint[], $2::bigint[]) with ordinality k (site, person, place)
		cross join lateral (
			select * from customer.person where site_id = k.site and id = k.person for no key update) p
		order by k.place`, pq.Array(sites), pq.Array(people))
	return out, wrap("lock persons by id", err)
}

// withSurvivors adds to locked persons the survivors of those who were merged. Where nobody was, that costs nothing. Survivors are
// locked behind their duplicates, as a merge and its undoing hold both.
func withSurvivors(ctx context.Context, u *bus.Unit, people []person) ([]person, error) {
	var missing [][2]int64
	for _, p := range people {
		if p.MergedInto != 0 && !slices.ContainsFunc(people, func(s person) bool { return s.SiteID == p.SiteID && s.ID == p.MergedInto }) {
			missing = append(missing, [2]int64{p.SiteID, p.MergedInto})
		}
	}
	survivors, err := lockPeopleByID(ctx, u, missing)
	return append(people, survivors...), err
}

// survivorsOf reads whom persons were merged into, by id. Where nobody was, that costs nothing.
func survivorsOf(ctx context.Context, db sqlx.QueryerContext, siteID int64, people []person) (map[int64]person, error) {
	var ids []int64
	for _, p := range people {
		if p.MergedInto != 0 {
			ids = append(ids, p.MergedInto)
		}
	}
	rows, err := peopleByID(ctx, db, siteID, ids)
	out := make(map[int64]person, len(rows))
	for _, p := range rows {
		out[p.ID] = p
	}
	return out, err
}

// duplicatesOf are the ids of who is merged into a person, the first first.
func duplicatesOf(ctx context.Context, db sqlx.QueryerContext, siteID, personID int64) ([]int64, error) {
	var out []int64
	err := sqlx.SelectContext(ctx, db, &out, `select id from customer.person where site_id = $1 and merged_into = $2 order by id`, siteID, personID)
	return out, wrap("read duplicates", err)
}

const mergeColumns = `m.site_id, m.id, m.survivor_id, m.duplicate_id, m.reason, m.key_id, m.lent, m.gained, m.purchases, m.events, m.merged_at,
	coalesce(m.undo_reason, '') undo_reason, coalesce(m.undo_key_id, 0) undo_key_id, m.undone_at`

// insertMerge keeps a merge, with the sides on which its persons are from then on, and gives it its id.
func insertMerge(ctx context.Context, u *bus.Unit, m *merge) error {
	gained, err := json.Marshal(m.Gained)
	if err != nil {
		return wrap("write what a merge gave as JSON", err)
	}
	_, err = u.ExecContext(ctx, `
		insert into customer.merge_side (site_id, person_id, side) values ($1, $2, 'survivor'), ($1, $3, 'duplicate')
		on conflict on constraint merge_side_once do nothing`, m.SiteID, m.SurvivorID, m.DuplicateID)
	if err != nil {
		return wrap("take the sides of a merge", err)
	}
	err = u.GetContext(ctx, &m.ID, `
		insert into customer.merge (site_id, survivor_id, duplicate_id, reason, key_id, lent, gained, purchases, events, merged_at)
		values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10) returning id`,
		m.SiteID, m.SurvivorID, m.DuplicateID, m.Reason, m.KeyID, m.Lent, string(gained), m.Purchases, m.Events, m.MergedAt)
	return wrap("insert merge", err)
}

// saveUndone notes that a merge doesn't hold any more, and frees the sides that no other merge holds.
func saveUndone(ctx context.Context, u *bus.Unit, m merge) error {
	_, err := u.ExecContext(ctx, `
		update customer.merge set undone_at = $3, undo_reason = $4, undo_key_id = $5 where site_id = $1 and id = $2`,
		m.SiteID, m.ID, m.UndoneAt, m.UndoReason, m.UndoKeyID)
	if err != nil {
		return wrap("undo merge", err)
	}
	_, err = u.ExecContext(ctx, `
		delete from customer.merge_side s where s.site_id = $1 and s.person_id in ($2, $3)
			and not exists (select from customer.merge m where m.site_id = s.site_id and m.survivor_id = s.person_id and m.undone_at is null)`,
		m.SiteID, m.SurvivorID, m.DuplicateID)
	return wrap("leave the sides of a merge", err)
}

// saveSide writes what only merges change of a person whose row is locked: whose duplicate it is, its counters, and whether it had bought before.
func saveSide(ctx context.Context, u *bus.Unit, p *person) error {
	_, err := u.ExecContext(ctx, `
		update customer.person set merged_into = nullif($3, 0), purchases = $4, events = $5, existing_customer = $6 where site_id = $1 and id = $2`,
		p.SiteID, p.ID, p.MergedInto, p.Purchases, p.Events, p.Existing)
	return wrap("save a side of a merge", err)
}

// mergeByID reads a merge; lock is "" or a locking clause. False: the site has no such merge.
func mergeByID(ctx context.Context, db sqlx.QueryerContext, siteID, id int64, lock string) (m merge, found bool, err error) {
	err = sqlx.GetContext(ctx, db, &m, `select `+mergeColumns+` from customer.merge m where m.site_id = $1 and m.id = $2 `+lock, siteID, id)
	if errors.Is(err, sql.ErrNoRows) {
		return m, false, nil
	}
	return m, err == nil, wrap("read merge", err)
}

// mergesOf reads merges, the newest first, before the id of an earlier page; 0: from the newest on.
func mergesOf(ctx context.Context, db sqlx.QueryerContext, siteID, before int64, limit int) ([]merge, error) {
	var out []merge
	err := sqlx.SelectContext(ctx, db, &out, `
		select `+mergeColumns+` from customer.merge m
		where m.site_id = $1 and m.id < coalesce(nullif($2, 0), 9223372036854775807)
		order by m.id desc limit $3`, siteID, before, limit)
	return out, wrap("read merges", err)
}

// forgetMerges takes out of what is kept of merges all that says who somebody was.
func forgetMerges(ctx context.Context, u *bus.Unit, p *person) error {
	_, err := u.ExecContext(ctx, `
		update customer.merge set gained = '{}' where site_id = $1 and (survivor_id = $2 or duplicate_id = $2) and gained <> '{}'`, p.SiteID, p.ID)
	if err != nil {
		return wrap("forget what merges gave", err)
	}
	_, err = u.ExecContext(ctx, `
		delete from customer.merge_suggestion where site_id = $1 and (low_id = $2 or high_id = $2)`, p.SiteID, p.ID)
	return wrap("forget suggestions", err)
}

// insertSuggestions keeps pairs who may be one; a pair that is known stays as it is.
func insertSuggestions(ctx context.Context, u *bus.Unit, pairs []suggestion) error {
	var sites, lows, highs, byEmail []int64
	var numbers []string
	for _, s := range pairs {
		sites, byEmail, numbers = append(sites, s.SiteID), append(byEmail, s.ByEmailID), append(numbers, s.Number)
		lows, highs = append(lows, s.LowID), append(highs, s.HighID)
	}
	_, err := u.ExecContext(ctx, `
		insert into customer.merge_suggestion (site_id, low_id, high_id, by_email_id, number, suggested_at)
		select s, l, h, e, n, $6 from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) k (s, l, h, e, n)
		order by s, l, h
		on conflict on constraint merge_suggestion_pair do nothing`,
		pq.Array(sites), pq.Array(lows), pq.Array(highs), pq.Array(byEmail), pq.Array(numbers), u.Now)
	return wrap("keep suggestions", err)
}

// suggestionsOf reads pairs of whom neither is merged, the newest first, before the id of an earlier page.
func suggestionsOf(ctx context.Context, db sqlx.QueryerContext, siteID, before int64, limit int) ([]suggestion, error) {
	var out []suggestion
	err := sqlx.SelectContext(ctx, db, &out, `
		select s.site_id, s.id, s.low_id, s.high_id, s.by_email_id, s.number, s.suggested_at
		from customer.merge_suggestion s
		where s.site_id = $1 and s.id < coalesce(nullif($2, 0), 9223372036854775807) and not exists (
			select from customer.person p where p.site_id = s.site_id and p.id in (s.low_id, s.high_id) and p.merged_into is not null)
		order by s.id desc limit $3`, siteID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("read suggestions: %w", err)
	}
	return out, nil
}
