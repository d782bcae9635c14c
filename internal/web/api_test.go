package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

type thing struct {
	web.SiteBody
	Name  string `json:"name" maxLength:"7"`
	Count int    `json:"count,omitempty"`
	Items []struct {
		Price float64 `json:"price"`
	} `json:"items,omitempty"`
}

// openThing is the body of an operation of Talkable's: clients send more than we know.
type openThing struct {
	_    struct{} `json:"-" additionalProperties:"true"`
	Name string   `json:"name"`
}

var outcomes = map[string]error{
	"fault":   fault.New(fault.Conflict, "taken", "The name is taken."),
	"away":    context.DeadlineExceeded,
	"unknown": errors.New(secret),
}

func api() http.Handler {
	r := chi.NewRouter()
	a := web.NewAPI(r, "Things", "1", "Of things.")
	huma.Register(a, huma.Operation{OperationID: "createThing", Method: http.MethodPost, Path: "/things", MaxBodyBytes: 1024},
		func(_ context.Context, in *struct{ Body thing }) (*web.OK[string], error) {
			if err := outcomes[in.Body.Name]; err != nil {
				return nil, err
			}
			return web.Answer("<" + in.Body.Name + ">"), nil
		})
	huma.Register(a, huma.Operation{OperationID: "createOpenThing", Method: http.MethodPost, Path: "/open"},
		func(_ context.Context, in *struct{ Body openThing }) (*web.OK[string], error) {
			return web.Answer(in.Body.Name), nil
		})
	huma.Register(a, huma.Operation{OperationID: "listThings", Method: http.MethodGet, Path: "/things"},
		func(_ context.Context, in *struct {
			Limit int `query:"limit" minimum:"1" maximum:"100" default:"25"`
		}) (*web.OK[int], error) {
			return web.Answer(in.Limit), nil
		})
	return r
}

func TestNewAPI_reads_strictly(t *testing.T) {
	t.Parallel()
	h := api()
	const post, get = http.MethodPost, http.MethodGet
	for name, tt := range map[string]struct {
		method, path, body string
		status             int
		want               string // the code and what stands in the answer
	}{
		"good":                   {post, "/things", `{"name":"a","site_slug":"demo","items":[{"price":1.5}]}`, 200, `{"ok":true,"result":"<a>"}`},
		"white space around it":  {post, "/things", " {\"name\":\"a\"}\r\n", 200, `"<a>"`},
		"unknown name":           {post, "/things", `{"name":"a","nickname":"b"}`, 400, `/nickname`},
		"unknown name, open":     {post, "/open", `{"name":"a","nickname":"b"}`, 200, `"a"`},
		"another case":           {post, "/things", `{"Name":"a"}`, 400, `invalid_request`},
		"another case as well":   {post, "/things", `{"name":"a","NAME":"b"}`, 400, `invalid_request`},
		"another case, open":     {post, "/open", `{"name":"a","NAME":"b"}`, 200, `"result":"a"`},
		"one name twice":         {post, "/things", `{"name":"a","name":"b"}`, 400, `{"pointer":"/name","detail":"a name twice in one object"}`},
		"twice within":           {post, "/things", `{"name":"a","items":[{"price":1,"price":2}]}`, 400, `"/items/0/price"`},
		"twice, open":            {post, "/open", `{"name":"a","x":1,"x":2}`, 400, `a name twice`},
		"more behind it":         {post, "/things", `{"name":"a"}{"name":"b"}`, 400, `invalid_request`},
		"invalid UTF-8":          {post, "/things", "{\"name\":\"\xff\"}", 400, `"pointer":"/name","detail":"not valid JSON at byte 9"`},
		"half a surrogate":       {post, "/things", `{"name":"\ud800"}`, 400, `invalid_request`},
		"no JSON":                {post, "/things", `{"name":`, 400, `invalid_request`},
		"no body":                {post, "/things", ``, 400, `invalid_request`},
		"null":                   {post, "/things", `null`, 400, `invalid_request`},
		"a list":                 {post, "/things", `[]`, 400, `invalid_request`},
		"another type":           {post, "/things", `{"name":"a","count":"1"}`, 400, `"/count"`},
		"a number too large":     {post, "/things", `{"name":"a","count":99999999999999999999}`, 400, `"/count"`},
		"a broken number":        {post, "/things", `{"name":"a","count":1.5}`, 400, `"/count"`},
		"deep inside":            {post, "/things", `{"name":"a","items":[{"price":1},{"price":"x"}]}`, 400, `"/items/1/price"`},
		"too long a name":        {post, "/things", `{"name":"aaaaaaaaa"}`, 400, `"/name"`},
		"two things wrong":       {post, "/things", `{"count":"1"}`, 400, `The request doesn't fit this operation: `},
		"too large":              {post, "/things", `{"name":"` + strings.Repeat("a", 2000) + `"}`, 413, `"too_large"`},
		"query":                  {get, "/things?limit=7", "", 200, `7`},
		"query out of bounds":    {get, "/things?limit=101", "", 400, `"query.limit"`},
		"query that is no digit": {get, "/things?limit=x", "", 400, `"query.limit"`},
		"fault":                  {post, "/things", `{"name":"fault"}`, 409, `"code":"taken"`},
		"away":                   {post, "/things", `{"name":"away"}`, 503, `"unavailable"`},
		"unknown error":          {post, "/things", `{"name":"unknown"}`, 500, `"internal"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			body := w.Body.String()
			if w.Code != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("got %d, %s; want %d, %s", w.Code, body, tt.status, tt.want)
			}
			if !json.Valid(w.Body.Bytes()) || strings.Contains(body, "$schema") || strings.Contains(body, "web_test") || strings.Contains(body, secret) || strings.Contains(body, "jsontext") {
				t.Errorf("tells of our insides: %s", body)
			}
			if problem := w.Header().Get("Content-Type") == "application/problem+json"; problem != (tt.status >= 400) {
				t.Errorf("Content-Type %s for %d", w.Header().Get("Content-Type"), w.Code)
			}
			if tt.status >= 400 && (!strings.Contains(body, `"ok":false`) || !strings.Contains(body, `"error_message"`) || strings.Contains(body, "aaaaaaaa")) {
				t.Errorf("no problem of ours, or an echo: %s", body)
			}
			if got := w.Header().Get("Retry-After"); (got == "2") != (tt.status == 503) {
				t.Errorf("Retry-After %q", got)
			}
		})
	}
}
