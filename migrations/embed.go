// Package migrations holds each module's SQL and says what its schema is made of.
package migrations

import (
	"embed"
	"io/fs"
	"slices"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
)

//go:embed */*.sql
var files embed.FS

// Modules lists the schemas in the order in which they are migrated; none depends on another.
var Modules = []string{"gateway", "customer", "referral", "loyalty", "analytics", "notify"}

// Audited are those in which people change things by hand, by name: each keeps an audit log.
var Audited = []string{"customer", "gateway", "loyalty", "notify", "referral"}

// Schema is one module's part of a database.
func Schema(module string) postgres.Schema {
	dir, err := fs.Sub(files, module)
	if err != nil {
		panic(err) // the name is one of Modules
	}
	parts := []string{bus.Schema, idempotency.Schema}
	if slices.Contains(Audited, module) {
		parts = append(parts, audit.Schema)
	}
	return postgres.Schema{Name: module, Files: dir, Parts: parts}
}
