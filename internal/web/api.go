package web

import (
	"encoding/json"
	"io"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	strict "github.com/go-json-experiment/json"
)

// NewAPI makes the one API on a router. Bodies are read strictly: duplicate and wrongly cased names, invalid UTF-8 and trailing
// data are refused.
func NewAPI(r chi.Router, title, version, description string) huma.API {
	useProblems()
	c := huma.DefaultConfig(title, version)
	c.OpenAPI.Info.Description = description
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", "" // the gateway serves them
	c.CreateHooks = nil                                   // no $schema in bodies: it would trust the Host header
	c.Formats = map[string]huma.Format{"application/json": format, "json": format}
	c.DefaultFormat = "application/json"
	c.NoFormatFallback = false
	return humachi.New(r, c)
}

var format = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: func(data []byte, v any) error { return strict.Unmarshal(data, v) },
}
