package web_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/web"
)

// TestDescription_says_once_what_operations_share: the same parameter has one place, another of its name another, and what is of one operation
// alone stays there.
func TestDescription_says_once_what_operations_share(t *testing.T) {
	api := web.NewAPI(chi.NewRouter(), "t", "1", "")
	type page struct {
		Limit int `query:"limit" maximum:"9"`
	}
	type longer struct {
		Limit int    `query:"limit" maximum:"99"`
		Only  string `query:"only"`
	}
	type another struct {
		Limit int `query:"limit" maximum:"99"`
	}
	register(api, "/a", func(context.Context, *page) (*web.OK[Inner], error) { return nil, nil })
	register(api, "/b", func(context.Context, *page) (*web.OK[Inner], error) { return nil, nil })
	register(api, "/c", func(context.Context, *longer) (*web.OK[Inner], error) { return nil, nil })
	register(api, "/d", func(context.Context, *another) (*web.OK[Inner], error) { return nil, nil })
	text, err := web.Description(api)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Ref  string `json:"$ref"`
				Name string `json:"name"`
			}
			Responses map[string]struct {
				Ref string `json:"$ref"`
			}
		}
		Components struct {
			Parameters map[string]struct{ Schema struct{ Maximum int } }
			Responses  map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/a": "#/components/parameters/limit", "/b": "#/components/parameters/limit", "/c": "#/components/parameters/limit-2", "/d": "#/components/parameters/limit-2"} {
		op := doc.Paths[path]["get"]
		if op.Parameters[0].Ref != want || op.Responses["default"].Ref != "#/components/responses/Error" || op.Responses["200"].Ref != "" {
			t.Errorf("%s: %+v", path, op)
		}
	}
	if p := doc.Paths["/c"]["get"].Parameters[1]; p.Ref != "" || p.Name != "only" {
		t.Errorf("%+v", p)
	}
	c := doc.Components
	if len(c.Parameters) != 2 || c.Parameters["limit"].Schema.Maximum != 9 || c.Parameters["limit-2"].Schema.Maximum != 99 || len(c.Responses) != 1 {
		t.Errorf("%+v", c)
	}
}

func register[I any](api huma.API, path string, handle func(context.Context, *I) (*web.OK[Inner], error)) {
	huma.Register(api, huma.Operation{OperationID: path, Method: "GET", Path: path}, handle)
}
