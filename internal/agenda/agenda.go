// Package agenda is what a module's timers have to do, and when. Every timer finds its work by an index over moments; an agenda names these
// indexes, so that others can ask how much is due, and what comes next: a test platform, which goes from one moment to the next instead
// of waiting for it, and the tests, which wait until nothing is left to do.
package agenda

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Kind says what the moment of a piece of work means.
type Kind string

// Kinds of work.
const (
	Timed    Kind = "timed"     // it is to be done at that moment
	AtOnce   Kind = "at_once"   // it is to be done now; the moment is not looked at
	Underway Kind = "under_way" // somebody is at it, and will be by that moment, or has died
)

// Item is one kind of work.
type Item struct {
	What string // in a few words, for people
	Kind Kind
	SQL  string // selects a row for each piece of work, with its moment as "at"; $1 is the moment at which somebody looks
}

// Agenda is all kinds of work of a module.
type Agenda []Item

// Line is how a kind of work stands at a moment.
type Line struct {
	What  string     `db:"what"`
	Kind  Kind       `db:"kind"`
	Due   int64      `db:"due"`   // pieces that are to be done by the moment; or that are under way
	First *time.Time `db:"first"` // moment of the earliest of those
	Next  *time.Time `db:"next"`  // of the earliest after it; or when the first that is under way ends
}

// Look says how all stands at a moment. It is one statement; each kind of work costs as many rows as are due, if its SQL can go by an index.
func (a Agenda) Look(ctx context.Context, db sqlx.QueryerContext, at time.Time) ([]Line, error) {
	parts := make([]string, len(a))
	for i, item := range a {
		parts[i] = item.line()
	}
	var lines []Line
	if err := sqlx.SelectContext(ctx, db, &lines, strings.Join(parts, " union all "), at); err != nil {
		return nil, fmt.Errorf("look at what is due: %w", err)
	}
	return lines, nil
}

func (i Item) line() string {
	of := func(what, where string) string { return `(select ` + what + ` from (` + i.SQL + `) q` + where + `)` }
	due, first, next := of("count(*)", ""), "null::timestamptz", "null::timestamptz"
	switch i.Kind {
	case Timed:
		due, first, next = of("count(*)", " where at <= $1"), of("min(at)", " where at <= $1"), of("min(at)", " where at > $1")
	case Underway:
		next = of("min(at)", "")
	}
	return fmt.Sprintf(`select %s as what, %s as kind, %s as due, %s as first, %s as next`, pq.QuoteLiteral(i.What), pq.QuoteLiteral(string(i.Kind)), due, first, next)
}

// Left counts what is to be done until a moment, which is SQL as well: an expression for a look at many agendas at once.
func (i Item) Left(until string) string {
	where := ""
	if i.Kind == Timed {
		where = ` where at < ` + until
	}
	return `select count(*) from (` + strings.ReplaceAll(i.SQL, "$1", until) + `) q` + where
}

// Next is the earliest moment after at for which something is planned, or which ends what is under way; zero: there is none.
func Next(lines []Line, at time.Time) (next time.Time) {
	for _, l := range lines {
		if l.Next != nil && l.Next.After(at) && (next.IsZero() || l.Next.Before(next)) {
			next = *l.Next
		}
	}
	return next.UTC()
}
