package postgres_test

import (
	"context"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// moduleSchema has one part and one migration; a second run of either would fail.
func moduleSchema(name string) postgres.Schema {
	return postgres.Schema{
		Name:  name,
		Parts: []string{"create table {schema}.part (n int); grant select on {schema}.part to {role}; insert into {schema}.part values (1)"},
		Files: fstest.MapFS{"00010_init.sql": file(fmt.Sprintf("create table %[1]s.thing (n int); grant select, insert on %[1]s.thing to talkable_%[1]s", name))},
	}
}

func file(up string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte("-- +goose Up\n-- +goose StatementBegin\n" + up + ";\n-- +goose StatementEnd\n"), Mode: fs.ModePerm}
}

func behind(t *testing.T, s postgres.Schema, url string, want int) {
	t.Helper()
	if got, err := s.Behind(t.Context(), url); got != want || err != nil {
		t.Errorf("Behind = %d, %v; want %d", got, err, want)
	}
}

func migrate(t *testing.T, s postgres.Schema, url string, want int) {
	t.Helper()
	if got, err := s.Migrate(t.Context(), url); got != want || err != nil {
		t.Errorf("Migrate = %d, %v; want %d", got, err, want)
	}
}

func TestMigrate_and_Behind(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t, "empty", nil)
	db := open(t, postgres.Pool{URL: url})
	const objects = `select (select count(*) from pg_class) + (select count(*) from pg_namespace)`
	s := moduleSchema("step")
	before := get[int](t, db, objects)
	behind(t, s, url, 2)
	if after := get[int](t, db, objects); after != before {
		t.Errorf("Behind made %d objects", after-before)
	}
	migrate(t, s, url, 2)
	behind(t, s, url, 0)
	migrate(t, s, url, 0)

	s.Files.(fstest.MapFS)["00020_more.sql"] = file("create table step.more (n int)")
	behind(t, s, url, 1)
	t.Run("a migration that fails leaves nothing of itself", func(t *testing.T) {
		bad := moduleSchema("step")
		bad.Files.(fstest.MapFS)["00020_more.sql"] = file("create table step.more (n int); select 1/0")
		if n, err := bad.Migrate(t.Context(), url); err == nil {
			t.Errorf("ran %d without an error", n)
		}
		behind(t, bad, url, 1)
	})
	migrate(t, s, url, 1)
	behind(t, s, url, 0)

	t.Run("an older program does not mind a newer schema", func(t *testing.T) {
		behind(t, moduleSchema("step"), url, 0)
		migrate(t, moduleSchema("step"), url, 0)
	})
	t.Run("schemas have histories of their own", func(t *testing.T) {
		behind(t, moduleSchema("other"), url, 2)
		migrate(t, moduleSchema("other"), url, 2)
		behind(t, s, url, 0)
	})
	t.Run("away", func(t *testing.T) {
		gone := "postgres://u@127.0.0.1:1/d?sslmode=disable"
		if _, err := s.Migrate(t.Context(), gone); !postgres.Away(err) {
			t.Errorf("Migrate: %v", err)
		}
		if _, err := s.Behind(t.Context(), gone); !postgres.Away(err) {
			t.Errorf("Behind: %v", err)
		}
	})
}

// together runs fn for each n below count at the same moment, and returns the sum.
func together(t *testing.T, count int, fn func(ctx context.Context, n int) (int, error)) int {
	t.Helper()
	var all sync.WaitGroup
	var total atomic.Int64
	gate := make(chan struct{})
	for i := range count {
		all.Go(func() {
			<-gate
			n, err := fn(t.Context(), i)
			if err != nil {
				t.Error(err)
			}
			total.Add(int64(n))
		})
	}
	close(gate)
	all.Wait()
	return int(total.Load())
}

func TestMigrate_by_three_replicas_at_once_runs_once(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t, "empty", nil)
	s := moduleSchema("replicas")
	if ran := together(t, 3, func(ctx context.Context, _ int) (int, error) { return s.Migrate(ctx, url) }); ran != 2 {
		t.Errorf("%d migrations ran, want 2", ran)
	}
	behind(t, s, url, 0)
	if got := get[int](t, open(t, postgres.Pool{URL: url, Role: s.Role()}), `select count(*) from replicas.part`); got != 1 {
		t.Errorf("the part ran %d times", got)
	}
}

// createrole is a user who may make roles and schemas, but isn't a superuser, and the URL of a database with that user.
func createrole(t *testing.T, name string) (url string) {
	t.Helper()
	owner := pgtest.Database(t, "empty", nil)
	db := open(t, postgres.Pool{URL: owner})
	exec(t, db, fmt.Sprintf(`do $$ begin
		if not exists (select from pg_roles where rolname = '%[1]s') then create role %[1]s login createrole; end if;
		execute format('grant create on database %%I to %[1]s', current_database());
	end $$`, name))
	return as(t, owner, name)
}

func TestMigrate_in_databases_of_one_cluster_at_once(t *testing.T) {
	t.Parallel()
	for round := range 5 { // roles belong to the cluster: each round needs new ones
		urls := [3]string{}
		for i := range urls {
			urls[i] = createrole(t, "migrator")
		}
		s := moduleSchema(fmt.Sprint("cluster", round))
		if ran := together(t, len(urls), func(ctx context.Context, n int) (int, error) { return s.Migrate(ctx, urls[n]) }); ran != 2*len(urls) {
			t.Errorf("%d migrations ran, want 2 in each of %d databases", ran, len(urls))
		}
	}
}

func TestMigrate_without_a_superuser(t *testing.T) {
	t.Parallel()
	url := createrole(t, "modest")
	s := moduleSchema("modest_module")
	behind(t, s, url, 2)
	migrate(t, s, url, 2)
	behind(t, s, url, 0)
	db := open(t, postgres.Pool{URL: url, Role: s.Role()})
	exec(t, db, `insert into modest_module.thing values (1)`)
	if get[bool](t, db, `select rolsuper from pg_roles where rolname = session_user`) {
		t.Error("the session belongs to a superuser")
	}
	if _, err := db.Exec(`drop table modest_module.thing`); code(err) != "42501" {
		t.Errorf("drop: %v", err)
	}
}
