package postgres

import (
	"context"
	"database/sql"
	"strings"
)

// part turns the SQL of a shared package into a migration of this schema.
func (s Schema) part(text string) func(ctx context.Context, tx *sql.Tx) error {
	text = strings.NewReplacer("{schema}", s.Name, "{role}", s.Role()).Replace(text)
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, text)
		return err
	}
}
