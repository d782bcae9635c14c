package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/leaktest"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
	"github.com/talkable/talkable/migrations"
)

func TestMain(m *testing.M) { leaktest.Main(m, pgtest.IgnoreServer()) }

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// pools are those of the modules that keep a log, on one database.
func pools(t *testing.T) map[string]*sqlx.DB {
	t.Helper()
	url := pgtest.Database(t, "audit", func(ctx context.Context, url string) error {
		for _, m := range migrations.Audited {
			if _, err := migrations.Schema(m).Migrate(ctx, url); err != nil {
				return err
			}
		}
		return nil
	})
	out := map[string]*sqlx.DB{}
	for _, m := range migrations.Audited {
		db, err := postgres.Open(t.Context(), postgres.Pool{URL: url, Role: "talkable_" + m, Size: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		out[m] = db
	}
	return out
}

// Every module keeps its lines in the same way, and a list of all of them has each once, the newest first, whatever the pages' length.
func TestLog_is_one_over_all_modules(t *testing.T) {
	t.Parallel()
	dbs := pools(t)
	keepers := migrations.Audited
	mine := func(n int) string { return fmt.Sprintf("%s %d", keepers[n%len(keepers)], n) }
	var want []string
	for n := range 6 * len(keepers) { // six moments, at each of which every module writes a line, and so does the twin site
		module, at := keepers[n%len(keepers)], epoch.Add(time.Duration(n/len(keepers))*time.Microsecond)
		for site := range int64(2) {
			c := audit.Change{KeyID: int64(n % 3), Action: fmt.Sprintf("thing.%d", n%2), Subject: "thing", SubjectID: int64(n % 7), Reason: "spring", After: n}
			if err := audit.Write(t.Context(), dbs[module], module, at, site+1, c); err != nil {
				t.Fatal(err)
			}
		}
		want = append(want, mine(n))
	}
	slices.Reverse(want)
	for limit := 1; limit < len(want)+6; limit += 3 {
		if got := all(t, dbs, 1, audit.Filter{}, limit); !slices.Equal(got, want) {
			t.Errorf("by %d: %q, want %q", limit, got, want)
		}
	}
	of := int64(2)
	for name, one := range map[string]struct {
		f    audit.Filter
		want []string
	}{
		"subject": {audit.Filter{Subject: "thing", SubjectID: &of}, []string{mine(23), mine(16), mine(9), mine(2)}},
		"action":  {audit.Filter{Subject: "thing", SubjectID: &of, Action: "thing.1"}, []string{mine(23), mine(9)}},
		"nothing": {audit.Filter{Subject: "other"}, nil},
	} {
		if got := all(t, dbs, 1, one.f, 2); !slices.Equal(got, one.want) {
			t.Errorf("%s: %q, want %q", name, got, one.want)
		}
	}
	if got := all(t, dbs, 3, audit.Filter{}, 5); got != nil {
		t.Errorf("of a site without any: %q", got)
	}
	for m, db := range dbs {
		for _, query := range []string{`update %s.audit set reason = null`, `delete from %s.audit`} {
			if _, err := db.ExecContext(t.Context(), fmt.Sprintf(query, m)); err == nil {
				t.Errorf("%s of %s: done", query, m)
			}
		}
	}
}

// all reads a log page by page, as the edge does.
func all(t *testing.T, dbs map[string]*sqlx.DB, site int64, f audit.Filter, limit int) (out []string) {
	t.Helper()
	var before audit.Place
	for more := true; more; {
		var lists [][]audit.Line
		for _, m := range migrations.Audited {
			lines, err := audit.Read(t.Context(), dbs[m], m, site, f, before, limit+1)
			if err != nil {
				t.Fatal(err)
			}
			lists = append(lists, lines)
		}
		var page []audit.Line
		page, more = audit.Merge(limit, lists...)
		for _, l := range page {
			if l.Before != nil || *l.Reason != "spring" || (l.KeyID == nil) != (at(t, l)%3 == 0) || (l.SubjectID == nil) != (at(t, l)%7 == 0) {
				t.Errorf("%+v", l)
			}
			out = append(out, fmt.Sprintf("%s %d", l.Module, at(t, l)))
		}
		if more {
			before = page[len(page)-1].Place()
		}
	}
	return out
}

// at is the number of the line's change.
func at(t *testing.T, l audit.Line) (n int) {
	t.Helper()
	if err := json.Unmarshal(*l.After, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// The order of the list is one: whoever is before another is not behind it, in whatever lists they come.
func TestMerge_does_not_depend_on_the_lists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfDistinct(rapid.Custom(func(t *rapid.T) audit.Line {
			return audit.Line{ID: rapid.Int64Range(1, 3).Draw(t, "id"), Module: rapid.SampledFrom(migrations.Audited).Draw(t, "module"), At: epoch.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "at")))}
		}), audit.Line.Place).Draw(t, "lines")
		limit := rapid.IntRange(1, 12).Draw(t, "limit")
		one, more := audit.Merge(limit, lines)
		at := rapid.IntRange(0, len(lines)).Draw(t, "cut")
		two, more2 := audit.Merge(limit, lines[at:], nil, lines[:at])
		if !slices.Equal(one, two) || more != more2 || more != (len(lines) > limit) || len(one) != min(limit, len(lines)) {
			t.Fatalf("%v %v, %v %v", one, more, two, more2)
		}
	})
}
