package bus

import _ "embed"

// Schema makes the bus's tables in a module's schema; it is one of the postgres.Schema.Parts.
//
//go:embed schema.sql
var Schema string
