package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/postgres/embedded"
)

func checkCommand(code *int) *cobra.Command {
	var dsn, path string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Verify a kept database once more",
		Long: `Compares a database with the history of the run that left it: the invariants, and the oracle against the tables. Mail and the public
API are judged by run only. Without --dsn the database beside the history is started.`,
		Example: "  shaker check --history /tmp/talkable-shaker-1/history.jsonl\n  shaker check --dsn 'postgres:///talkable' --history history.jsonl",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := recheck(cmd.Context(), dsn, path, printsTo(cmd.OutOrStdout()))
			if len(found) > 0 {
				*code = violated
			}
			return err
		},
	}
	cmd.Flags().StringVar(&dsn, "dsn", "", "`address` of the database, as a superuser")
	cmd.Flags().StringVar(&path, "history", "history.jsonl", "`file` that the run wrote")
	return cmd
}

func recheck(ctx context.Context, dsn, path string, p *printer) (found []violation, err error) {
	all, err := readHistory(path)
	if err != nil {
		return nil, err
	}
	if dsn == "" {
		server, err := embedded.Start(ctx, embedded.Config{DataDir: filepath.Dir(path), BinDir: os.Getenv("PG_BINDIR"), Log: zerolog.Nop()})
		if err != nil {
			return nil, err
		}
		defer func() {
			stop, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			err = errors.Join(err, server.Stop(stop))
		}()
		dsn = server.URL("talkable")
	}
	db, err := sqlx.ConnectContext(ctx, "postgres", dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	ids := map[int]int64{}
	for site := range 2 {
		var id int64
		if err := db.GetContext(ctx, &id, `select site_id from gateway.site where slug = $1`, fmt.Sprintf("twin-%d", site)); err != nil {
			return nil, fmt.Errorf("site %d: %w", site, err)
		}
		ids[site] = id
	}
	found, _, err = verifyDatabase(ctx, db, ids, all, p)
	if err == nil {
		v := verdict{Violations: found}
		if len(found) > 0 {
			v.Code = violated
		}
		p.verdict(v, all, nil)
	}
	return found, err
}
