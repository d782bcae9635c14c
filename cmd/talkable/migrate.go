package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/migrations"
)

func migrateCommand(c *config) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schemas up to date",
		Long: `Makes each module's schema and role, and runs the migrations that are missing. It may be run again at any time, and by several
replicas at once. The database's user must be allowed to create schemas and roles.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			log, err := newLog(c, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			d, err := locate(ctx, c, log, true)
			if err != nil {
				return err
			}
			defer func() {
				if closed := d.close(ctx); err == nil {
					err = closed
				}
			}()
			pending := 0
			for _, m := range migrations.Modules {
				schema := migrations.Schema(m)
				n, err := schema.Behind(ctx, d.urls[m])
				if err == nil && !check {
					n, err = schema.Migrate(ctx, d.urls[m])
				}
				if err != nil {
					return err
				}
				pending += n
				fmt.Fprintf(cmd.OutOrStdout(), "%-10s %s\n", m, told(n, check))
			}
			if check && pending > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d migrations are missing: run `talkable migrate`\n", pending)
				return errShown
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "change nothing; fail when migrations are missing")
	return cmd
}

func told(n int, check bool) string {
	switch {
	case n == 0:
		return "up to date"
	case check:
		return fmt.Sprintf("%d missing", n)
	}
	return fmt.Sprintf("%d applied", n)
}
