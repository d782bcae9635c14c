package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/talkable/talkable/internal/fault"
)

// NewAPI makes the one API on a router. Bodies are read strictly: duplicate and wrongly cased names, invalid UTF-8 and trailing
// data are refused.
func NewAPI(r chi.Router, title, version, description string) huma.API {
	useProblems()
	c := huma.DefaultConfig(title, version)
	c.OpenAPI.Info.Description = description
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", "" // the gateway serves them
	c.OpenAPI.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	c.CreateHooks = nil // no $schema in bodies: it would trust the Host header
	c.Formats = map[string]huma.Format{"application/json": format, "json": format}
	c.DefaultFormat = "application/json"
	c.NoFormatFallback = false
	c.Transformers = append(c.Transformers, markDryRun)
	return huma.NewAPI(c, &operations{Adapter: humachi.NewAdapter(r), byID: map[string]operation{}})
}

var format = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: func(data []byte, v any) error { return misfit(strict.Unmarshal(data, v)) },
}

// misfit says in the API's words that a value doesn't fit its member, instead of naming Go's types. huma passes on text only, so
// the pointer goes ahead of it, on a line of its own; see fromHuma.
func misfit(err error) error {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok { // its words quote what was sent
		what := fmt.Sprintf("not valid JSON at byte %d", e.ByteOffset)
		if errors.Is(err, jsontext.ErrDuplicateName) {
			what = "a name twice in one object"
		}
		return errors.New(string(e.JSONPointer) + "\n" + what)
	}
	e, ok := errors.AsType[*strict.SemanticError](err)
	if !ok {
		return err
	}
	what := "doesn't fit here"
	switch cause := e.Err; {
	case errors.Is(cause, strconv.ErrRange):
		what = "too large or too small a number"
	case errors.Is(cause, strconv.ErrSyntax):
		what = "not a whole number in plain digits"
	case cause != nil && !strings.Contains(cause.Error(), "json"): // a type of ours that explains itself
		what = strings.ReplaceAll(cause.Error(), "\n", " ")
	}
	return errors.New(string(e.JSONPointer) + "\n" + what)
}

// Read reads a value that came in a body as strictly as bodies are read.
func Read(raw []byte, v any) error {
	err := misfit(strict.Unmarshal(raw, v))
	if err == nil {
		return nil
	}
	what := err.Error()
	i := strings.LastIndexByte(what, '\n')
	at := what[:max(i, 0)]
	return fault.New(fault.Invalid, "invalid_request", misfits).At("/data"+at, what[i+1:])
}
