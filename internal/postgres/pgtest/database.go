package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/postgres/embedded"
)

// template is a database that is built once and cloned many times.
type template struct {
	once sync.Once
	err  error
}

var (
	templates sync.Map // name → *template
	clones    atomic.Int64
)

// Database clones a database from the template of that name and returns its URL, as the cluster's superuser. prepare fills the
// template, once a process; it must close its connections. The database isn't dropped: the cluster is thrown away.
func Database(t testing.TB, name string, prepare func(ctx context.Context, url string) error) (url string) {
	t.Helper()
	s := Server(t)
	// Copying files is quicker than writing them to the log, as long as no checkpoint waits for the disk.
	strategy := " strategy file_copy"
	if strings.HasPrefix(s.Version(), "14.") { // knows no other way, and not the word
		strategy = ""
	}
	url, _ = clone(t, s, name, strategy, prepare)
	return url
}

// Sturdy is Database on a cluster with the settings of production, which all tests of the process share, too: for whole platforms, which
// insist on them. Nobody may stop or kill that cluster; see Durable. The database is dropped after the test, whoever uses it.
func Sturdy(t testing.TB, name string, prepare func(ctx context.Context, url string) error) (url string) {
	t.Helper()
	s, err := sturdy()
	if err != nil {
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
	url, database := clone(t, s, "sturdy "+name, "", prepare)
	t.Cleanup(func() {
		if err := run(context.WithoutCancel(t.Context()), s.URL("postgres"), "drop database "+database+" with (force)"); err != nil {
			t.Error(err)
		}
	})
	return url
}

func clone(t testing.TB, s *embedded.Server, name, strategy string, prepare func(ctx context.Context, url string) error) (url, database string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // the template outlives the test that happens to build it
	v, _ := templates.LoadOrStore(name, &template{})
	tpl := v.(*template)
	tpl.once.Do(func() {
		tpl.err = errors.New("building it did not return") // a t.Fatal within prepare
		tpl.err = build(ctx, s, name, prepare)
	})
	if tpl.err != nil {
		t.Fatalf("template database %s: %v", name, tpl.err)
	}
	database = "clone" + strconv.FormatInt(clones.Add(1), 10)
	if err := run(ctx, s.URL("postgres"), "create database "+database+" template "+pq.QuoteIdentifier(templateName(name))+strategy); err != nil {
		t.Fatalf("clone database %s: %v", name, err)
	}
	return s.URL(database), database
}

func templateName(name string) string { return "template " + name }

func build(ctx context.Context, s *embedded.Server, name string, prepare func(ctx context.Context, url string) error) error {
	admin, db := s.URL("postgres"), templateName(name)
	if err := run(ctx, admin, "create database "+pq.QuoteIdentifier(db)); err != nil {
		return err
	}
	if prepare != nil {
		if err := prepare(ctx, s.URL(db)); err != nil {
			return err
		}
	}
	// Each connection left open would make every clone fail, with a word about "other users" that helps nobody.
	if err := run(ctx, admin, "alter database "+pq.QuoteIdentifier(db)+" allow_connections false"); err != nil {
		return err
	}
	return run(ctx, admin, "select pg_terminate_backend(pid) from pg_stat_activity where datname = "+pq.QuoteLiteral(db))
}

// run opens a connection of its own, so that no pool's goroutines are around when a test looks for leaks.
func run(ctx context.Context, url, query string) (err error) {
	db, err := sql.Open("postgres", url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, query); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}
