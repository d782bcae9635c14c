package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/embedded"
	"github.com/talkable/talkable/migrations"
)

// databases are the modules' pools, and the embedded server when there is one.
type databases struct {
	server *embedded.Server // nil: the databases are somebody else's
	urls   map[string]string
	pools  map[string]*sqlx.DB
}

// embeddedDatabase is the database within the embedded cluster.
const embeddedDatabase = "talkable"

// connect finds or starts the database server, brings the schemas up to date where they are ours alone (embedded), and opens a
// pool for each module. beside says that another process may already run the embedded server, to which this one then attaches.
func connect(ctx context.Context, c *config, log zerolog.Logger, beside bool) (*databases, error) {
	d, err := locate(ctx, c, log, beside)
	if err != nil {
		return nil, err
	}
	if err := d.prepare(ctx, c); err != nil {
		return nil, errors.Join(err, d.close(context.WithoutCancel(ctx)))
	}
	return d, nil
}

// locate gets as far as knowing where each module's schema lives.
func locate(ctx context.Context, c *config, log zerolog.Logger, beside bool) (*databases, error) {
	d := &databases{pools: map[string]*sqlx.DB{}}
	shared := c.DatabaseURL
	if c.embedded() {
		server, err := startEmbedded(ctx, c, log, beside)
		if err != nil {
			return nil, err
		}
		d.server, shared = server, server.URL(embeddedDatabase)
		if err := createDatabase(ctx, server.URL("postgres")); err != nil {
			return nil, errors.Join(err, d.close(context.WithoutCancel(ctx)))
		}
	}
	d.urls = c.urls(shared)
	return d, nil
}

func startEmbedded(ctx context.Context, c *config, log zerolog.Logger, beside bool) (*embedded.Server, error) {
	if beside {
		if server, running, err := embedded.Attach(c.DataDir); err != nil || running {
			return server, err
		}
	}
	return embedded.Start(ctx, embedded.Config{DataDir: c.DataDir, BinDir: c.PostgresBin, Log: log})
}

func createDatabase(ctx context.Context, url string) error {
	db, err := postgres.Open(ctx, postgres.Pool{URL: url, Application: "talkable", Size: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	var there bool
	if err := db.GetContext(ctx, &there, `select exists (select from pg_catalog.pg_database where datname = $1)`, embeddedDatabase); err != nil || there {
		return err
	}
	if _, err = db.ExecContext(ctx, "create database "+pq.QuoteIdentifier(embeddedDatabase)); pq.As(err) != nil && pq.As(err).Code == "42P04" {
		return nil // another process was quicker
	}
	return err
}

// prepare migrates or checks, then opens the pools.
func (d *databases) prepare(ctx context.Context, c *config) error {
	checked := map[string]bool{}
	var behind []string
	for _, m := range migrations.Modules {
		url, schema := d.urls[m], migrations.Schema(m)
		ours := d.server != nil && url == d.server.URL(embeddedDatabase)
		if ours {
			if _, err := schema.Migrate(ctx, url); err != nil {
				return err
			}
		} else if n, err := schema.Behind(ctx, url); err != nil {
			return err
		} else if n > 0 {
			behind = append(behind, fmt.Sprintf("%s (%d)", m, n))
			continue
		}
		if !checked[url] {
			if err := checkServer(ctx, url); err != nil {
				return err
			}
			checked[url] = true
		}
		pool, err := postgres.Open(ctx, postgres.Pool{URL: url, Role: schema.Role(), Application: "talkable " + m, Size: c.Pool})
		if err != nil {
			return err
		}
		d.pools[m] = pool
	}
	if len(behind) > 0 {
		return fmt.Errorf("the database is behind this version (migrations missing: %v); run `talkable migrate` with the same settings", behind)
	}
	return nil
}

func checkServer(ctx context.Context, url string) error {
	db, err := postgres.Open(ctx, postgres.Pool{URL: url, Application: "talkable", Size: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = postgres.CheckServer(ctx, db)
	return err
}

// ping says whether every module's database answers.
func (d *databases) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for _, m := range migrations.Modules {
		if err := d.pools[m].PingContext(ctx); err != nil {
			return fmt.Errorf("database of %s: %w", m, err)
		}
	}
	return nil
}

func (d *databases) close(ctx context.Context) error {
	for _, pool := range d.pools {
		_ = pool.Close() // connections only; what matters is committed
	}
	if d.server == nil {
		return nil
	}
	return d.server.Stop(ctx)
}
