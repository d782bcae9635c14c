package postgres_test

import (
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

func TestCheckServer(t *testing.T) {
	t.Parallel()
	t.Run("refuses a server that forgets, and says what is off", func(t *testing.T) {
		t.Parallel()
		_, err := postgres.CheckServer(t.Context(), open(t, postgres.Pool{URL: pgtest.Server(t).URL("postgres")}))
		for _, name := range []string{"fsync", "full_page_writes", "synchronous_commit", "ALTER SYSTEM SET"} {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want a word about %s", err, name)
			}
		}
	})
	t.Run("accepts one that keeps", func(t *testing.T) {
		t.Parallel()
		s, _ := pgtest.Durable(t)
		db := open(t, postgres.Pool{URL: s.URL("postgres")})
		version, err := postgres.CheckServer(t.Context(), db)
		if err != nil || !strings.HasPrefix(version, strings.Fields(s.Version())[0]) {
			t.Errorf("got %q, %v; want %q", version, err, s.Version())
		}
		exec(t, db, `create role hasty login; alter role hasty set synchronous_commit = off`)
		if _, err := postgres.CheckServer(t.Context(), open(t, postgres.Pool{URL: as(t, s.URL("postgres"), "hasty")})); err == nil ||
			!strings.Contains(err.Error(), "synchronous_commit") || strings.Contains(err.Error(), "fsync") {
			t.Errorf("a user's own setting: %v", err)
		}
	})
}
