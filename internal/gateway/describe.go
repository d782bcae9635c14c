package gateway

import (
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/web"
)

const aboutAPI = `Referral and loyalty for one shop, the site, at a time.

Every request carries an API key, ` + "`Authorization: Bearer KEY`" + `, which decides the site. Success is
` + "`{\"ok\":true,\"result\":…}`" + `; failure is a problem (RFC 9457) that also has ` + "`ok`" + ` and ` + "`error_message`" + `.
Bodies are one JSON object in UTF-8 of at most 1 MiB; where it says so, a form with bracket keys (` + "`data[items][][price]=5`" + `) may say the same. Writes take an ` + "`Idempotency-Key`" + ` header: repeated with the same
request it answers as before, with ` + "`Idempotent-Replayed: true`" + `. ` + "`dry_run=true`" + ` in the query of our own
writes answers what would be and keeps nothing. ` + "`RateLimit-*`" + ` headers say how many requests a key has left.`

// Describe makes the API without a gateway behind it, for its description.
func Describe(register func(api huma.API)) huma.API {
	return newAPI(chi.NewRouter(), "0", "/", register)
}

// newAPI makes the API on r with the operations that register adds, and completes what is the same for all of them.
func newAPI(r chi.Router, version, url string, register func(api huma.API)) huma.API {
	api := web.NewAPI(r, "talkable", version, aboutAPI)
	api.UseMiddleware(onlyPublic)
	register(api)
	doc := api.OpenAPI()
	doc.Servers = []*huma.Server{{URL: url}}
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key":   {Type: "http", Scheme: "bearer", Description: "An API key. Public keys may call the operations that say so."},
		"basic": {Type: "http", Scheme: "basic", Description: "The API key as the user and a blank password, as older clients send it."},
	}
	doc.Security = []map[string][]string{{"key": {}}, {"basic": {}}}
	for _, item := range doc.Paths {
		for _, op := range operationsOf(item) {
			complete(op, doc.Components.Schemas)
		}
	}
	return api
}

func operationsOf(item *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{}
	for method, op := range map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodHead: item.Head, http.MethodPost: item.Post,
		http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete, http.MethodOptions: item.Options} {
		if op != nil {
			all[method] = op
		}
	}
	return all
}

// complete tells of an operation what the edge does for it, and keeps huma from bounding the body once more: the edge has read it
// by then, and a read deadline of huma's would end the operation that is still at work.
func complete(op *huma.Operation, schemas huma.Registry) {
	op.MaxBodyBytes, op.BodyReadTimeout = -1, -1
	problem := &huma.Response{Description: "A problem (RFC 9457)", Content: map[string]*huma.MediaType{
		"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}}}
	if _, known := schemas.Map()["Problem"]; !known {
		panic("the description knows no Problem") // huma adds it with the first operation
	}
	if op.Responses["default"] == nil {
		op.Responses["default"] = problem
	}
	if _, takes := formOf(op, schemas); takes && op.RequestBody != nil {
		for _, kind := range []string{"application/x-www-form-urlencoded", "multipart/form-data"} {
			op.RequestBody.Content[kind] = &huma.MediaType{Schema: op.RequestBody.Content["application/json"].Schema}
		}
	}
	delete(op.Responses, strconv.Itoa(http.StatusUnprocessableEntity)) // huma's word for what is a 400 here
	if op.Metadata["public"] == true {
		op.Description += "\n\nPublic keys may call it."
		op.Extensions = map[string]any{"x-public-key": true}
	}
	if keyed, streamed := streams[op.Method+" "+op.Path]; writes(op.Method) && (keyed || !streamed) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: "Idempotency-Key", In: "header",
			Description: "1 to 255 visible ASCII characters; repeating the request with it changes nothing and answers as before",
			Schema:      &huma.Schema{Type: huma.TypeString}})
	}
	if rehearsable(op, schemas) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: dryRunParameter, In: "query",
			Description: "true: answers what would be, with `dry_run: true` beside the result, and keeps and tells nothing of it. An Idempotency-Key is passed over then",
			Schema:      &huma.Schema{Type: huma.TypeBoolean}})
	}
}
