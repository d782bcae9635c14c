package archive

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// relation is a table of the sites, as the catalogue describes it.
type relation struct {
	Schema    string
	Name      string         `db:"name"`
	Triggered bool           `db:"triggered"` // something else happens when a row comes
	Columns   pq.StringArray `db:"columns"`   // without those that the database computes
	Types     pq.StringArray `db:"types"`
	Collated  pq.BoolArray   `db:"collated"` // whose order depends on a language
	Key       pq.StringArray `db:"key"`
	Parted    string         `db:"parted"` // by which column, if at all
}

func (r relation) path() string { return r.Schema + "." + r.Name }

// quoted is the table's name in SQL.
func (r relation) quoted() string {
	return pq.QuoteIdentifier(r.Schema) + "." + pq.QuoteIdentifier(r.Name)
}

// described are its columns with their types, as a manifest has them.
func (r relation) described() []string {
	out := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		out[i] = c + " " + r.Types[i]
	}
	return out
}

// fill takes rows of the table.
func (r relation) fill() string {
	columns := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		columns[i] = pq.QuoteIdentifier(c)
	}
	return `copy ` + r.quoted() + ` (` + strings.Join(columns, ", ") + `) from stdin`
}

// lines reads the table's rows of a site as lines of a file, in the order of its key, or of the lines where it has none: the same in every language.
func (r relation) lines() string {
	values := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		values[i] = "x." + pq.QuoteIdentifier(c) + "::text"
	}
	order := make([]string, len(r.Key))
	for i, k := range r.Key {
		order[i] = "x." + pq.QuoteIdentifier(k)
		if r.Collated[slices.Index(r.Columns, k)] {
			order[i] += ` collate "C"`
		}
	}
	line := `to_json(array[` + strings.Join(values, ", ") + `])::text`
	if len(order) == 0 {
		order = []string{line + ` collate "C"`}
	}
	return `select ` + line + ` from ` + r.quoted() + ` x where x.site_id = $1 order by ` + strings.Join(order, ", ")
}

// relations are a schema's tables of the sites, in an order in which they can be filled.
func relations(ctx context.Context, db sqlx.QueryerContext, schema string) ([]relation, error) {
	var list []relation
	err := sqlx.SelectContext(ctx, db, &list, `
		select c.relname as name, a.columns, a.types, a.collated,
			exists (select from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal) as triggered,
			coalesce(substring(pg_get_partkeydef(c.oid) from '^RANGE \((\w+)\)$'), '') as parted,
			array(select k.attname::text from pg_index i cross join unnest(i.indkey::int2[]) with ordinality u (attnum, place)
				join pg_attribute k on k.attrelid = c.oid and k.attnum = u.attnum where i.indrelid = c.oid and i.indisprimary order by u.place) as key
		from pg_class c
		join pg_namespace n on n.oid = c.relnamespace
		cross join lateral (
			select array_agg(a.attname::text order by a.attnum) as columns, array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum) as types,
				array_agg(a.attcollation <> 0 order by a.attnum) as collated
			from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') a
		where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition and a.columns[1] = 'site_id' and a.types[1] = 'bigint'
		order by name`, schema)
	if err != nil {
		return nil, fmt.Errorf("tables of %s: %w", schema, err)
	}
	for i := range list {
		list[i].Schema = schema
	}
	var refers []struct{ Of, To string }
	err = sqlx.SelectContext(ctx, db, &refers, `
		select t.relname as of, r.relname as to
		from pg_constraint k join pg_class t on t.oid = k.conrelid join pg_class r on r.oid = k.confrelid join pg_namespace n on n.oid = t.relnamespace
		where k.contype = 'f' and n.nspname = $1 and t.oid <> r.oid`, schema)
	if err != nil {
		return nil, fmt.Errorf("references within %s: %w", schema, err)
	}
	before := map[string][]string{}
	for _, r := range refers {
		before[r.Of] = append(before[r.Of], r.To)
	}
	return fillable(list, before)
}

// fillable orders tables so that each comes behind those that have to be there before it, and behind those whose triggers may write into it.
func fillable(list []relation, before map[string][]string) (out []relation, err error) {
	early := map[string]bool{} // tables with triggers, and what these need
	var need func(name string)
	need = func(name string) {
		if !early[name] {
			early[name] = true
			for _, other := range before[name] {
				need(other)
			}
		}
	}
	for _, r := range list {
		if r.Triggered {
			need(r.Name)
		}
	}
	slices.SortStableFunc(list, func(a, b relation) int { return cmp.Compare(late(early, a), late(early, b)) })
	done := map[string]bool{}
	for len(list) > 0 {
		next := slices.IndexFunc(list, func(r relation) bool {
			return !slices.ContainsFunc(before[r.Name], func(name string) bool { return !done[name] })
		})
		if next < 0 {
			return nil, fmt.Errorf("tables of %s refer to each other in a circle: %s is in it", list[0].Schema, list[0].Name)
		}
		out, done[list[next].Name] = append(out, list[next]), true
		list = slices.Delete(list, next, next+1)
	}
	return out, nil
}

func late(early map[string]bool, r relation) int {
	if early[r.Name] {
		return 0
	}
	return 1
}

// sequences says of each sequence of a schema which number it gave last.
func sequences(ctx context.Context, db sqlx.QueryerContext, schema string) (map[string]int64, error) {
	var names []string
	if err := sqlx.SelectContext(ctx, db, &names, `
		select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relkind = 'S' order by 1`, schema); err != nil {
		return nil, fmt.Errorf("sequences of %s: %w", schema, err)
	}
	out := map[string]int64{}
	for _, name := range names {
		last, err := lastOf(ctx, db, schema, name)
		if err != nil {
			return nil, err
		}
		out[name] = last
	}
	return out, nil
}

func lastOf(ctx context.Context, db sqlx.QueryerContext, schema, name string) (last int64, err error) {
	err = sqlx.GetContext(ctx, db, &last, `select case when is_called then last_value else 0 end from `+pq.QuoteIdentifier(schema)+"."+pq.QuoteIdentifier(name))
	if err != nil {
		return 0, fmt.Errorf("sequence %s.%s: %w", schema, name, err)
	}
	return last, nil
}

// migrated are the versions that made a schema what it is.
func migrated(ctx context.Context, db sqlx.QueryerContext, schema string) ([]int64, error) {
	var versions []int64
	err := sqlx.SelectContext(ctx, db, &versions, `
		select distinct version_id from `+pq.QuoteIdentifier(schema)+`.goose_db_version where is_applied and version_id > 0 order by 1`)
	if err != nil {
		return nil, fmt.Errorf("migrations of %s: %w", schema, err)
	}
	return versions, nil
}
