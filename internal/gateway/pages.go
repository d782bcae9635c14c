package gateway

import (
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/swaggest/swgui/v5emb"

	"github.com/talkable/talkable/internal/web"
)

// The documentation is a page of our own around Swagger UI's files, which are in the binary. It works without any other host, and
// its policy lets the browser ask none. Swagger UI sets styles as it goes; scripts come from files only.
const (
	docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	docsPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>talkable API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`
	docsScript = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: -1,
  presets: [SwaggerUIBundle.presets.apis],
});
`
	indexPage = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>talkable</title>
<h1>talkable</h1>
<p>Referral and loyalty. <a href="/docs">The API</a>, and <a href="/openapi.json">its description</a>.</p>
</html>
`
)

// pages adds what a person or a tool opens: the start page, the API's description, and its documentation.
func pages(r chi.Router, api huma.API) {
	description, err := web.Description(api)
	if err != nil {
		panic("the API's description: " + err.Error()) // made of the operations; a test would see it first
	}
	r.Get("/", page("text/html; charset=utf-8", indexPage))
	r.Get("/openapi.json", page("application/json", string(description)))
	r.Get("/programme.schema.json", programmeSchema(api))
	r.Get("/docs", page("text/html; charset=utf-8", docsPage))
	r.Get("/docs/", page("text/html; charset=utf-8", docsPage))
	r.Get("/docs/start.js", page("text/javascript; charset=utf-8", docsScript))
	files := v5emb.New("talkable API", "/openapi.json", "/docs/")
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"} {
		r.Get("/docs/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", docsPolicy)
			files.ServeHTTP(w, r)
		})
	}
}

// programmeSchema answers with what a programme as code may hold, for editors. It is made when it is first asked for.
func programmeSchema(api huma.API) http.HandlerFunc {
	text := sync.OnceValues(func() (string, error) {
		s, err := Schema(api)
		if err != nil {
			return "", err
		}
		return string(s.JSON()), nil
	})
	return func(w http.ResponseWriter, r *http.Request) {
		schema, err := text()
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		page("application/schema+json", schema)(w, r)
	}
}

func page(kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Security-Policy", docsPolicy)
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write([]byte(text)) // the client may be gone
	}
}
