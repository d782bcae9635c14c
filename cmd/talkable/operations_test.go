package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/gateway"
)

// operation is one of the API's, as its live description tells.
type operation struct {
	id, method, path string
	public           bool // public keys may call it
	needsBody        bool
	forms            bool // takes its body as a form, too
	deletes          bool // its path has a DELETE, too
	params           []param
	body             *schema // nil: it takes none, or one that isn't JSON
}

type param struct{ in, name, kind string }

// schema is as much of JSON Schema as the description uses.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       any                `json:"type"`
	Format     string             `json:"format"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
	OneOf      []*schema          `json:"oneOf"`
	Extra      any                `json:"additionalProperties"`
}

// types are all that a value may be.
func (s *schema) types() map[string]bool {
	out := map[string]bool{}
	switch t := s.Type.(type) {
	case string:
		out[t] = true
	case []any:
		for _, one := range t {
			out[fmt.Sprint(one)] = true
		}
	}
	for _, one := range s.OneOf {
		maps.Copy(out, one.types())
	}
	return out
}

type document struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas    map[string]*schema        `json:"schemas"`
		Parameters map[string]describedParam `json:"parameters"`
	} `json:"components"`
}

type describedParam struct {
	Ref      string `json:"$ref"`
	In, Name string
	Schema   *schema
}

func (d *document) resolve(s *schema) *schema {
	for s != nil && s.Ref != "" {
		s = d.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]]
	}
	if s == nil {
		return nil
	}
	out := *s
	out.Items = d.resolve(s.Items)
	out.Properties = map[string]*schema{}
	for name, p := range s.Properties {
		out.Properties[name] = d.resolve(p)
	}
	return &out
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// operationsOf reads the description of a running server.
func operationsOf(t testing.TB, server string) []operation {
	t.Helper()
	res, err := http.Get(server + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return parseOperations(t, text)
}

func parseOperations(t testing.TB, text []byte) []operation {
	t.Helper()
	var doc document
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var all []operation
	for path, item := range doc.Paths {
		for method, raw := range item {
			if !slices.Contains(methods, strings.ToUpper(method)) {
				continue
			}
			var op struct {
				ID         string           `json:"operationId"`
				Public     bool             `json:"x-public-key"`
				Parameters []describedParam `json:"parameters"`
				Body       *struct {
					Required bool `json:"required"`
					Content  map[string]struct {
						Schema *schema `json:"schema"`
					} `json:"content"`
				} `json:"requestBody"`
			}
			if err := json.Unmarshal(raw, &op); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			o := operation{id: op.ID, method: strings.ToUpper(method), path: path, public: op.Public}
			_, o.deletes = item["delete"]
			for _, p := range op.Parameters {
				if p.Ref != "" { // several operations have it
					p = doc.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
				}
				kind := "string"
				if p.Schema.types()["integer"] {
					kind = "integer"
				}
				o.params = append(o.params, param{p.In, p.Name, kind})
			}
			if op.Body != nil {
				o.needsBody = op.Body.Required
				_, o.forms = op.Body.Content["application/x-www-form-urlencoded"]
				if c, ok := op.Body.Content["application/json"]; ok {
					o.body = doc.resolve(c.Schema)
				}
			}
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return cmp.Compare(a.path+" "+a.method, b.path+" "+b.method) })
	if len(all) < 25 {
		t.Fatalf("the description has only %d operations", len(all))
	}
	return all
}

// plainPaths are those outside the API, which no description lists: pages, and the short links.
var plainPaths = []string{"GET /", "GET /openapi.json", "GET /programme.schema.json", "GET /docs", "GET /docs/", "GET /docs/start.js", "GET /docs/swagger-ui.css",
	"GET /docs/swagger-ui-bundle.js", "GET /assets/{site}/{file}", "GET /docs/favicon-32x32.png", "* /x/{code}", "* /x/{code}/qr.svg", "* /x/{code}/qr.png",
	"GET /.well-known/apple-app-site-association", "GET /.well-known/assetlinks.json", "GET /x/{code}/claim", "POST /x/{code}/claim", "POST /x/{code}/mail",
	"GET /by/", "GET /by/{name}", "GET /by/{site}/", "GET /by/{site}/{name}", "GET /unsubscribe/{site}/{token}", "POST /unsubscribe/{site}/{token}",
	"GET /join/{site}/{code}", "POST /join/{site}/{code}"}

// edge is the public side with nothing behind it: for its routes.
func edge(t testing.TB) *gateway.Edge {
	t.Helper()
	p := &platform{dbs: &databases{}, tables: map[string]*bus.Table{}, registry: prometheus.NewRegistry(), log: zerolog.Nop()}
	if err := p.wire(&config{}, clock.System, "smtp://localhost", "", func(*gateway.Gateway) ([]byte, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	return p.handler().(*gateway.Edge)
}

// TestRouterAndDescriptionAgree: what the router has is described, what is described is routed, each operation has an id of its own
// and a sample request, and beside the operations there are only the paths known here. The other tests of this package take their
// operations from the description, so that a new one cannot be forgotten.
func TestRouterAndDescriptionAgree(t *testing.T) {
	t.Parallel()
	e := edge(t)
	text, err := json.Marshal(e.API.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	described, ids := map[string]bool{}, map[string]bool{}
	for _, op := range parseOperations(t, text) {
		described[op.method+" "+op.path] = true
		if ids[op.id] || op.id == "" {
			t.Errorf("%s %s: operation id %q is empty or taken", op.method, op.path, op.id)
		}
		ids[op.id] = true
		if _, ok := sampleOf(op.id); !ok {
			t.Errorf("%s %s (%s) has no sample request: add one to samples, so that the hostile inputs, the cross-site and the key tests reach it", op.method, op.path, op.id)
		}
	}
	for _, s := range samples {
		if !ids[s.id] {
			t.Errorf("sample %s is of no operation", s.id)
		}
	}
	routed := map[string]bool{}
	err = chi.Walk(e.Routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routed[method+" "+route] = true
		if !strings.HasPrefix(route, "/api/") {
			if !slices.Contains(plainPaths, method+" "+route) && !slices.Contains(plainPaths, "* "+route) {
				t.Errorf("%s %s is routed beside the API, and this test doesn't know it", method, route)
			}
			return nil
		}
		if !described[method+" "+strings.TrimSuffix(route, "/")] { // a slash at the end is taken off
			t.Errorf("%s %s is routed and not described", method, route)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range described {
		if !routed[name] {
			t.Errorf("%s is described and not routed", name)
		}
	}
	t.Logf("%d operations, %d routes", len(described), len(routed))
}

var parameter = regexp.MustCompile(`\{([a-z_]+)\}`)
