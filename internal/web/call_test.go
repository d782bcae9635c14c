package web_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

type echo struct {
	ID    int64  `json:"id"`
	Limit int    `json:"limit"`
	Name  string `json:"name"`
	Site  int64  `json:"site"`
}

// An operation that is called from within answers as one that is requested: it knows who asks, reads as strictly, and refuses in the same form.
func TestCall(t *testing.T) {
	api := web.NewAPI(chi.NewRouter(), "test", "1", "")
	huma.Register(api, huma.Operation{OperationID: "echo", Method: http.MethodPut, Path: "/things/{id}", DefaultStatus: http.StatusCreated},
		func(ctx context.Context, in *struct {
			ID    int64 `path:"id" minimum:"1"`
			Limit int   `query:"limit" default:"25"`
			Body  struct {
				Name string `json:"name"`
			}
		}) (*web.OK[echo], error) {
			if in.Body.Name == "taken" {
				return nil, fault.New(fault.Conflict, "name_taken", "The name is taken.")
			}
			return web.Answer(echo{in.ID, in.Limit, in.Body.Name, web.From(ctx).Site.ID}), nil
		})
	ctx := web.With(t.Context(), &web.Request{Site: site.Site{ID: 7}})
	for name, c := range map[string]struct {
		operation, id, limit, body string
		status                     int
		want                       string
	}{
		"answered":            {"echo", "5", "3", `{"name":"a"}`, 201, `{"ok":true,"result":{"id":5,"limit":3,"name":"a","site":7}}` + "\n"},
		"without a limit":     {"echo", "5", "", `{"name":"a"}`, 201, `{"ok":true,"result":{"id":5,"limit":25,"name":"a","site":7}}` + "\n"},
		"refused":             {"echo", "5", "", `{"name":"taken"}`, 409, ""},
		"an unknown member":   {"echo", "5", "", `{"name":"a","nam":"b"}`, 400, ""},
		"no id":               {"echo", "0", "", `{"name":"a"}`, 400, ""},
		"no such operation":   {"ech", "5", "", `{"name":"a"}`, 0, ""},
		"another kind of id":  {"echo", "five", "", `{"name":"a"}`, 400, ""},
		"a body that is none": {"echo", "5", "", `{`, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			query := map[string][]string{}
			if c.limit != "" {
				query["limit"] = []string{c.limit}
			}
			got, err := web.Call(ctx, api, c.operation, map[string]string{"id": c.id}, query, []byte(c.body))
			if (err != nil) != (c.status == 0) || got.Status != c.status || got.OK() != (c.status == 201) || c.want != "" && string(got.Body) != c.want {
				t.Errorf("%d %s, %v", got.Status, got.Body, err)
			}
		})
	}
}
