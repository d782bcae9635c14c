package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/talkable/talkable/internal/gateway"
	"github.com/talkable/talkable/internal/web"
)

// contract holds every answer that a test of this package gets from the API against what the API's description says of it: the status, the kind
// of content, and the body by its schema, read by another library than the one that wrote it.
type contract struct {
	router  *chi.Mux                                 // finds the operation of a request
	answers map[string]map[string]*jsonschema.Schema // by operation and status, then by kind; what isn't JSON has no schema
	problem *jsonschema.Schema

	mu       sync.Mutex
	answered map[string]bool // operation and status, of answers that fitted
}

// described is the description as it is without a server.
const described = "https://talkable.example/openapi.json"

var theContract = sync.OnceValues(func() (*contract, error) {
	register, err := operations()
	if err != nil {
		return nil, err
	}
	text, err := web.Description(gateway.Describe(func(api huma.API) {
		for _, add := range register {
			add(api)
		}
	}))
	if err != nil {
		return nil, err
	}
	return newContract(text)
})

func newContract(text []byte) (*contract, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat() // also dates and addresses must be such
	if err := compiler.AddResource(described, doc); err != nil {
		return nil, err
	}
	c := &contract{router: chi.NewRouter(), answers: map[string]map[string]*jsonschema.Schema{}, answered: map[string]bool{}}
	if c.problem, err = compiler.Compile(described + "#/components/schemas/Problem"); err != nil {
		return nil, err
	}
	var paths struct {
		Paths map[string]map[string]struct {
			ID        string `json:"operationId"`
			Responses map[string]struct {
				Content map[string]struct{ Schema any }
			} `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(text, &paths); err != nil {
		return nil, err
	}
	for path, item := range paths.Paths {
		for method, op := range item {
			c.router.Method(strings.ToUpper(method), path, http.NotFoundHandler())
			for status, res := range op.Responses {
				if status == "default" {
					continue
				}
				name := strings.ToUpper(method) + " " + path + " " + status
				c.answers[name] = map[string]*jsonschema.Schema{}
				for kind := range res.Content {
					c.answers[name][kind] = nil
					if kind != "application/json" {
						continue
					}
					place := fmt.Sprintf("%s#/paths/%s/%s/responses/%s/content/%s/schema", described, escaped(path), method, status, escaped(kind))
					if c.answers[name][kind], err = compiler.Compile(place); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return c, nil
}

// escaped is a name within a JSON pointer within an address.
func escaped(name string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
}

// fits says what is wrong with an answer, or nothing. What isn't of the API is no matter of the description.
func (c *contract) fits(r *http.Request, status int, kind string, body []byte) string {
	path := strings.TrimSuffix(r.URL.EscapedPath(), "/")
	if !strings.HasPrefix(path, "/api/") || r.Method == http.MethodHead {
		return ""
	}
	found := chi.NewRouteContext()
	name := fmt.Sprintf("%s %s %d", r.Method, found.RoutePattern(), status)
	if c.router.Match(found, r.Method, path) {
		name = fmt.Sprintf("%s %s %d", r.Method, found.RoutePattern(), status)
	}
	if status >= 400 {
		if kind != "application/problem+json" {
			return name + ": a failure of kind " + kind
		}
		return c.valid(name, c.problem, body)
	}
	kinds, ok := c.answers[name]
	if !ok {
		return name + " is not described"
	}
	bare, _, _ := strings.Cut(kind, ";")
	schema, ok := kinds[bare]
	if !ok {
		return name + ": an answer of kind " + kind
	}
	return c.valid(name, schema, body)
}

func (c *contract) valid(name string, schema *jsonschema.Schema, body []byte) string {
	if schema != nil {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		if err == nil {
			err = schema.Validate(value)
		}
		if err != nil {
			return fmt.Sprintf("%s is not as described: %v\n\t%s", name, err, body)
		}
	}
	c.mu.Lock()
	c.answered[name] = true
	c.mu.Unlock()
	return ""
}

// checked looks at each answer that passes.
type checked struct {
	t testing.TB
	http.RoundTripper
}

func (c checked) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.RoundTripper.RoundTrip(r)
	if err != nil || !strings.HasPrefix(r.URL.Path, "/api/") {
		return res, err
	}
	body, cut := io.ReadAll(res.Body)
	if cut != nil { // the client shall meet that
		res.Body = readAfter{bytes.NewReader(body), res.Body, cut}
		return res, nil //nolint:nilerr // the body says it
	}
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	asDescribed(c.t, r, res, body)
	return res, nil
}

// readAfter is a body that broke off.
type readAfter struct {
	io.Reader
	io.Closer
	err error
}

func (r readAfter) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		err = r.err
	}
	return n, err
}

// asDescribed fails the test that got an answer other than the description says.
func asDescribed(t testing.TB, r *http.Request, res *http.Response, body []byte) {
	t.Helper()
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	if wrong := c.fits(r, res.StatusCode, res.Header.Get("Content-Type"), body); wrong != "" {
		t.Error(wrong)
	}
}

// TestEveryOperationAnswersAsDescribed plays the samples, and fails for an operation that answered none of them well, and for a description
// that would let anything pass.
func TestEveryOperationAnswersAsDescribed(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	ops := operationsOf(t, s.demo.Server)
	play(t, newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "contract")}), ops)
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range ops {
		one, _ := sampleOf(op.id)
		seen := []int{http.StatusOK, http.StatusCreated}
		if one.status != 0 {
			seen = []int{one.status} // only its refusal can be shown
		}
		if !slices.ContainsFunc(seen, func(status int) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.answered[fmt.Sprintf("%s %s %d", op.method, op.path, status)]
		}) {
			t.Errorf("no test saw %s %s (%s) answer as described", op.method, op.path, op.id)
		}
	}
}

// TestContractFindsWhatIsWrong: a check that lets everything pass would be found out here.
func TestContractFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	problem := `{"type":"t","title":"t","status":400,"detail":"d","code":"c","ok":false,"error_message":"d"}`
	for name, tt := range map[string]struct {
		method, path string
		status       int
		kind, body   string
		fine         bool
	}{
		"as it is":                 {"POST", "/api/v2/visitors", 200, "application/json", `{"ok":true,"result":{"uuid":"0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b"}}`, true},
		"a slash at the end":       {"POST", "/api/v2/visitors/", 200, "application/json", `{"ok":true,"result":{"uuid":"0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b"}}`, true},
		"another status":           {"POST", "/api/v2/visitors", 201, "application/json", `{"ok":true,"result":{"uuid":"0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b"}}`, false},
		"another kind":             {"POST", "/api/v2/visitors", 200, "text/html", `{"ok":true,"result":{"uuid":"0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b"}}`, false},
		"a member of another type": {"POST", "/api/v2/visitors", 200, "application/json", `{"ok":true,"result":{"uuid":5}}`, false},
		"a member is missing":      {"POST", "/api/v2/visitors", 200, "application/json", `{"ok":true,"result":{}}`, false},
		"a member too many":        {"POST", "/api/v2/visitors", 200, "application/json", `{"ok":true,"result":{"uuid":"0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b"},"x":1}`, false},
		"no JSON":                  {"POST", "/api/v2/visitors", 200, "application/json", `{"ok":`, false},
		"a problem":                {"POST", "/api/v2/visitors", 400, "application/problem+json", problem, true},
		"a problem at no path":     {"POST", "/api/v2/nothing", 404, "application/problem+json", problem, true},
		"a problem as JSON":        {"POST", "/api/v2/visitors", 400, "application/json", problem, false},
		"half a problem":           {"POST", "/api/v2/visitors", 400, "application/problem+json", `{"ok":false,"error_message":"d"}`, false},
		"an answer at no path":     {"GET", "/api/v2/nothing", 200, "application/json", `{"ok":true}`, false},
		"beside the API":           {"GET", "/docs", 200, "text/html", `<html>`, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{Method: tt.method, URL: &url.URL{Path: tt.path}}
			if wrong := c.fits(r, tt.status, tt.kind, []byte(tt.body)); (wrong == "") != tt.fine {
				t.Errorf("%q, fine %v", wrong, tt.fine)
			}
		})
	}
}
