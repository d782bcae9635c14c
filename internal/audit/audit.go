// Package audit keeps what people decide and change by hand: each module in the table "audit" of its own schema, in the transaction of the
// change. The gateway reads all of them as one log. Nothing in it is ever changed.
package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Change is a decision of a merchant: who made it, about what, why, and what it changed.
type Change struct {
	KeyID     int64 // the API key; 0: none, as on the command line
	Action    string
	Subject   string
	SubjectID int64 // 0: the site
	Reason    string
	Before    any // nil: there was nothing
	After     any
}

// Line is a change as it is kept, and as the API shows it.
type Line struct {
	ID        int64            `json:"id" db:"id" doc:"Counts within the module"`
	Module    string           `json:"module" db:"module" doc:"That keeps the line" enum:"customer,gateway,loyalty,notify,referral"`
	KeyID     *int64           `json:"key_id" db:"key_id" doc:"The API key that asked for it"`
	KeyName   *string          `json:"key_name" db:"-" doc:"What the key is called; null if it isn't known"`
	Action    string           `json:"action" db:"action" doc:"As referral.approved, campaign.published, loyalty_program.changed, webhook.deleted, look.set"`
	Subject   string           `json:"subject" db:"subject" doc:"What it is about, as referral, campaign, loyalty_program, webhook, site"`
	SubjectID *int64           `json:"subject_id" db:"subject_id" doc:"Its id; of what a campaign has, the campaign's; null for what is the site's"`
	Reason    *string          `json:"reason" db:"reason"`
	Before    *json.RawMessage `json:"before" db:"before" doc:"null: there was nothing"`
	After     *json.RawMessage `json:"after" db:"after"`
	At        time.Time        `json:"at" db:"at"`
}

// Filter says which lines are wanted; zero values mean any.
type Filter struct {
	Subject   string
	SubjectID *int64
	Action    string
}

// Place is where a page ends: the lines after it are older. The zero Place is the newest end.
type Place struct {
	At     time.Time `json:"at"`
	Module string    `json:"module"`
	ID     int64     `json:"id"`
}

// Place of the line.
func (l Line) Place() Place { return Place{At: l.At, Module: l.Module, ID: l.ID} }

// newer orders lines: by time, then module, then id, the greatest first.
func newer(a, b Line) int {
	switch {
	case !a.At.Equal(b.At):
		return b.At.Compare(a.At)
	case a.Module != b.Module:
		if a.Module > b.Module {
			return -1
		}
		return 1
	}
	return int(min(max(b.ID-a.ID, -1), 1))
}

// Merge keeps the newest limit lines of several modules' lists, and says whether more were there.
func Merge(limit int, lists ...[]Line) ([]Line, bool) {
	all := slices.Concat(lists...)
	slices.SortFunc(all, newer)
	return all[:min(limit, len(all))], len(all) > limit
}

// Entry is a change of a site's.
type Entry struct {
	SiteID int64
	Change
}

// Write keeps a change in the transaction that carries it out; schema is the module's.
func Write(ctx context.Context, tx sqlx.ExecerContext, schema string, now time.Time, siteID int64, c Change) error {
	return WriteAll(ctx, tx, schema, now, []Entry{{siteID, c}})
}

// WriteAll is Write for several changes, in their order.
func WriteAll(ctx context.Context, tx sqlx.ExecerContext, schema string, now time.Time, list []Entry) error {
	n := len(list)
	if n == 0 {
		return nil
	}
	sites, keys, ids := make([]int64, n), make([]int64, n), make([]int64, n)
	actions, subjects, reasons := make([]string, n), make([]string, n), make([]string, n)
	before, after := make([]sql.NullString, n), make([]sql.NullString, n)
	for i, e := range list {
		sites[i], keys[i], ids[i], actions[i], subjects[i], reasons[i] = e.SiteID, e.KeyID, e.SubjectID, e.Action, e.Subject, e.Reason
		var err error
		if before[i], err = text(e.Before); err != nil {
			return err
		}
		if after[i], err = text(e.After); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`
		insert into %s.audit (site_id, key_id, action, subject, subject_id, reason, before, after, at)
		select s, k, action, subject, i, nullif(reason, ''), before::jsonb, after::jsonb, $9
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[])
			with ordinality u (s, k, action, subject, i, reason, before, after, n)
		order by n`, schema),
		pq.Array(sites), pq.Array(keys), pq.Array(actions), pq.Array(subjects), pq.Array(ids), pq.Array(reasons), pq.Array(before), pq.Array(after), now)
	if err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

func text(v any) (sql.NullString, error) {
	if v == nil {
		return sql.NullString{}, nil // there was nothing
	}
	b, err := json.Marshal(v)
	return sql.NullString{String: string(b), Valid: true}, err
}

// Read reads a module's lines that come after a place, the newest first.
func Read(ctx context.Context, q sqlx.QueryerContext, schema string, siteID int64, f Filter, before Place, limit int) ([]Line, error) {
	where, args := ` where site_id = $1`, []any{siteID, limit, schema}
	and := func(condition string, values ...any) {
		n := make([]any, len(values))
		for i, v := range values {
			args = append(args, v)
			n[i] = len(args)
		}
		where += " and " + fmt.Sprintf(condition, n...)
	}
	if !before.At.IsZero() {
		and(`(at, id) < ($%d, $%d)`, before.At, before.least(schema))
	}
	if f.Subject != "" {
		and(`subject = $%d`, f.Subject)
	}
	if f.SubjectID != nil {
		and(`subject_id = $%d`, *f.SubjectID)
	}
	if f.Action != "" {
		and(`action = $%d`, f.Action)
	}
	out := []Line{}
	err := sqlx.SelectContext(ctx, q, &out, fmt.Sprintf(`
		select id, $3::text as module, nullif(key_id, 0) as key_id, action, subject, nullif(subject_id, 0) as subject_id, reason, before, after, at
		from %s.audit%s order by at desc, id desc limit $2`, schema, where), args...)
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	for i := range out {
		out[i].At = out[i].At.UTC()
	}
	return out, nil
}

// least is the id under which a module's lines of the place's moment come after the place: in Merge's order all of a lesser
// module do, and none of a greater one.
func (p Place) least(module string) int64 {
	switch {
	case module == p.Module:
		return p.ID
	case module < p.Module:
		return math.MaxInt64
	}
	return 0
}
