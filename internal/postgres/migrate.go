package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Schema is one module's part of a database: its name, its migrations, and the tables that shared packages keep in it.
type Schema struct {
	Name  string   // the schema; the role is "talkable_" + Name
	Files fs.FS    // goose's NNNNN_name.sql, numbered from 00010
	Parts []string // SQL of shared packages (bus, idempotency, audit), run as versions 1, 2, …; "{schema}" and "{role}" stand for the names
}

// Role is the role that the module acts as.
func (s Schema) Role() string { return "talkable_" + s.Name }

// Migrate brings the schema up to date and returns how many migrations ran. url's user must be allowed to make schemas, and
// roles unless they exist. Replicas that call it at once take turns.
func (s Schema) Migrate(ctx context.Context, url string) (int, error) {
	provider, close, err := s.provider(ctx, url, true)
	if err != nil {
		return 0, err
	}
	defer close()
	done, err := provider.Up(ctx)
	if err != nil {
		return 0, fmt.Errorf("migrate %s: %w", s.Name, err)
	}
	return len(done), nil
}

// Behind says how many migrations of the schema have not run. It changes nothing.
func (s Schema) Behind(ctx context.Context, url string) (int, error) {
	provider, close, err := s.provider(ctx, url, false)
	if err != nil {
		return 0, err
	}
	defer close()
	begun, err := s.begun(ctx, url)
	if err != nil {
		return 0, err
	}
	if !begun {
		return len(provider.ListSources()), nil
	}
	all, err := provider.Status(ctx)
	if err != nil {
		return 0, fmt.Errorf("state of migrations of %s: %w", s.Name, err)
	}
	n := 0
	for _, m := range all {
		if m.State == goose.StatePending {
			n++
		}
	}
	return n, nil
}

// begun says whether the schema has a history at all; goose would make one just to look at it.
func (s Schema) begun(ctx context.Context, url string) (yes bool, err error) {
	db, err := Open(ctx, Pool{URL: url, Application: "talkable migrate " + s.Name, Size: 1})
	if err != nil {
		return false, err
	}
	defer db.Close()
	err = db.GetContext(ctx, &yes, `select to_regclass($1) is not null`, s.Name+".goose_db_version")
	return yes, err
}

func (s Schema) provider(ctx context.Context, url string, create bool) (*goose.Provider, func(), error) {
	db, err := Open(ctx, Pool{URL: url, Application: "talkable migrate " + s.Name, Size: 2})
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error) (*goose.Provider, func(), error) {
		db.Close()
		return nil, nil, err
	}
	if create {
		if err := s.prepare(ctx, db); err != nil {
			return fail(fmt.Errorf("prepare schema %s: %w", s.Name, err))
		}
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // asks every second, for five minutes
	if err != nil {
		return fail(err)
	}
	migrations := make([]*goose.Migration, len(s.Parts))
	for i, part := range s.Parts {
		migrations[i] = goose.NewGoMigration(int64(i+1), &goose.GoFunc{RunTx: s.part(part)}, nil)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db.DB, s.Files,
		goose.WithTableName(s.Name+".goose_db_version"), // qualified, or it would be looked for along the search path
		goose.WithSessionLocker(locker),
		goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(migrations...),
		goose.WithSlog(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		return fail(fmt.Errorf("migrations of %s: %w", s.Name, err))
	}
	return provider, func() { db.Close() }, nil
}

// prepare makes the role and the schema. Roles belong to the whole cluster, so another database's migration may make the same
// one at the same moment: the lock and the check make that harmless.
func (s Schema) prepare(ctx context.Context, db *sqlx.DB) error {
	return InTx(ctx, db, func(tx *sqlx.Tx) error {
		role, schema := pq.QuoteIdentifier(s.Role()), pq.QuoteIdentifier(s.Name)
		statements := []string{
			`select pg_advisory_xact_lock(7215001)`,
			fmt.Sprintf(`do $$ begin
				if not exists (select from pg_roles where rolname = %s) then create role %s nologin; end if;
			exception when duplicate_object or unique_violation then null;
			end $$`, pq.QuoteLiteral(s.Role()), role),
			// Since PostgreSQL 16 who creates a role is its member, but may not act as it: that is SET.
			fmt.Sprintf(`do $$ declare may text := case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end;
			begin
				if not pg_has_role(current_user, %s, may) then grant %s to current_user; end if;
			end $$`, pq.QuoteLiteral(s.Role()), role),
			fmt.Sprintf(`create schema if not exists %s`, schema),
			fmt.Sprintf(`grant usage on schema %s to %s`, schema, role),
		}
		for _, q := range statements {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
}
