package audit

import _ "embed"

// Schema makes the table "audit" in a module's schema; it is one of the postgres.Schema.Parts of the modules that keep a log.
//
//go:embed schema.sql
var Schema string
