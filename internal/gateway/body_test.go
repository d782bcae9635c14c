package gateway

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestBodies_that_are_refused(t *testing.T) {
	h := newHouse(t)
	const id = `"external_id":"x"`
	nested := func(n int, open, close string) string { return strings.Repeat(open, n) + strings.Repeat(close, n) }
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":"v"`, i)
		}
		return `{` + id + `,"amount":1,"custom":{"a":"b"` + b.String() + `}}`
	}
	utf16Body := func() string {
		var b strings.Builder
		for _, u := range utf16.Encode([]rune(`{` + id + `,"amount":1}`)) {
			b.WriteByte(byte(u))
			b.WriteByte(byte(u >> 8))
		}
		return "\xff\xfe" + b.String()
	}()
	for _, c := range []struct {
		name, body string
		status     int
		code       string
		pointer    string
	}{
		{"empty", "", 400, "invalid_request", ""},
		{"white space", " \r\n\t ", 400, "invalid_json", ""},
		{"null", `null`, 400, "invalid_json", ""},
		{"array", `[]`, 400, "invalid_json", ""},
		{"string", `"x"`, 400, "invalid_json", ""},
		{"number", `5`, 400, "invalid_json", ""},
		{"duplicate name", `{` + id + `,"amount":1,"amount":2}`, 400, "invalid_json", "/amount"},
		{"duplicate name by escape", `{` + id + `,"amount":1,"\u0061mount":2}`, 400, "invalid_json", "/amount"},
		{"duplicate name deep down", `{` + id + `,"amount":1,"custom":{"a":"b","a":"c"}}`, 400, "invalid_json", "/custom/a"},
		{"other case", `{` + id + `,"Amount":1}`, 400, "invalid_request", ""},
		{"both cases", `{` + id + `,"amount":1,"AMOUNT":2}`, 400, "invalid_request", "/AMOUNT"},
		{"folding letter", `{` + id + `,"amount":1,"cuſtom":{}}`, 400, "invalid_request", "/cuſtom"},
		{"two values", `{` + id + `,"amount":1}{` + id + `,"amount":2}`, 400, "invalid_json", ""},
		{"garbage behind", `{` + id + `,"amount":1}garbage`, 400, "invalid_json", ""},
		{"required is null", `{` + id + `,"amount":null}`, 400, "invalid_request", "/amount"},
		{"required is missing", `{` + id + `}`, 400, "invalid_request", ""},
		{"10,001 arrays", `{"a":` + nested(10001, "[", "]") + `}`, 400, "invalid_json", ""},
		{"33 levels", `{"a":` + nested(32, "[", "]") + `}`, 400, "invalid_json", ""},
		{"9,999 objects", `{"a":` + strings.Repeat(`{"a":`, 9999) + `1` + strings.Repeat("}", 10000), 400, "invalid_json", ""},
		{"too many names", many(50_000), 400, "invalid_json", ""},
		{"a million names", many(1_000_000), 413, "too_large", ""},
		{"too many elements", `{` + id + `,"amount":1,"tags":["a"` + strings.Repeat(`,"a"`, 100) + `]}`, 400, "invalid_request", "/tags"},
		{"utf-16", utf16Body, 400, "invalid_json", ""},
		{"byte order mark", "\xef\xbb\xbf{" + id + `,"amount":1}`, 400, "invalid_json", ""},
		{"invalid utf-8", "{\"external_id\":\"\xff\xfe\",\"amount\":1}", 400, "invalid_json", "/external_id"},
		{"invalid utf-8 in a name", "{" + id + ",\"\xff\":1}", 400, "invalid_json", ""},
		{"lone surrogate", `{"external_id":"\ud800","amount":1}`, 400, "invalid_json", "/external_id"},
		{"surrogates swapped", `{"external_id":"\udc00\ud800","amount":1}`, 400, "invalid_json", "/external_id"},
		{"NUL", `{"external_id":"a\u0000b","amount":1}`, 400, "invalid_json", "/external_id"},
		{"NUL in a name", `{` + id + `,"amount":1,"custom":{"a\u0000":"b"}}`, 400, "invalid_json", ""},
		{"NUL in an array", `{` + id + `,"amount":1,"tags":["x","\u0000"]}`, 400, "invalid_json", "/tags/1"},
		{"raw NUL", "{\"external_id\":\"a\x00b\",\"amount\":1}", 400, "invalid_json", ""},
		{"comment", `{/* */` + id + `,"amount":1}`, 400, "invalid_json", ""},
		{"trailing comma", `{` + id + `,"amount":1,}`, 400, "invalid_json", ""},
		{"single quotes", `{'external_id':'x'}`, 400, "invalid_json", ""},
		{"NaN", `{` + id + `,"amount":NaN}`, 400, "invalid_json", ""},
		{"cut off", `{` + id + `,"amount":1`, 400, "invalid_json", ""},
		{"unknown name", `{` + id + `,"amount":1,"is_admin":true}`, 400, "invalid_request", "/is_admin"},
		{"negative", `{` + id + `,"amount":-1}`, 400, "invalid_request", "/amount"},
		{"2^63", `{` + id + `,"amount":9223372036854775808}`, 400, "invalid_request", "/amount"},
		{"1e400", `{` + id + `,"amount":1e400}`, 400, "invalid_request", "/amount"},
		{"fraction", `{` + id + `,"amount":1.5}`, 400, "invalid_request", "/amount"},
		{"1e3 for an integer", `{` + id + `,"amount":1e3}`, 400, "invalid_request", "/amount"},
		{"text for an integer", `{` + id + `,"amount":"1"}`, 400, "invalid_request", "/amount"},
		{"object for a text", `{"external_id":{},"amount":1}`, 400, "invalid_request", "/external_id"},
		{"null in an array", `{` + id + `,"amount":1,"tags":[null]}`, 400, "invalid_request", "/tags/0"},
	} {
		h.on(c.name, func(h *house) {
			before := h.works.Load()
			r := h.call("POST", "/api/v2/strict", c.body)
			h.problem(r, c.status, c.code)
			if h.works.Load() != before {
				t.Error("the operation ran")
			}
			if c.pointer != "" && (len(r.body.Errors) == 0 || r.body.Errors[0].Pointer != c.pointer) {
				h.t.Errorf("errors %+v, want one at %s", r.body.Errors, c.pointer)
			}
			if len(r.text) > 2000 {
				h.t.Errorf("an answer of %d bytes: %.100s", len(r.text), r.text)
			}
		})
	}
}

func TestBodies_that_are_read(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct{ name, body, want string }{
		{"as it is", `{"external_id":"x","amount":9223372036854775807}`, `"amount":9223372036854775807`},
		{"beyond a double's digits", `{"external_id":"x","amount":9007199254740993}`, `"amount":9007199254740993`},
		{"white space around", "\n\t {\"external_id\" : \"x\", \"amount\" : 1}\r\n ", `"amount":1`},
		{"escaped backslash before u0000", `{"external_id":"a\\u0000b","amount":1}`, `"external_id":"a\\u0000b"`},
		{"surrogate pair", `{"external_id":"\ud83d\ude00","amount":1}`, `"external_id":"😀"`},
		{"markup stays data", `{"external_id":"<script>'; drop table x; --","amount":1}`, `<script>'; drop table x; --`},
		{"minus zero", `{"external_id":"x","amount":-0}`, `"amount":0`},
		{"null for what is optional", `{"external_id":"x","amount":1,"email":null,"tags":null,"custom":null}`, `"amount":1`},
		{"site in the body", `{"external_id":"x","amount":1,"site_slug":"my-store"}`, `"site_slug":"my-store"`},
		{"9,990 names and values", `{"external_id":"x","amount":1,"custom":{"a":"b"` + func() string {
			var b strings.Builder
			for i := range 4980 {
				fmt.Fprintf(&b, `,"k%d":"v"`, i)
			}
			return b.String()
		}() + `}}`, `"k4979":"v"`},
		{"one byte below the limit", `{"external_id":"` + strings.Repeat("x", 1<<20-31-1) + `","amount":1}`, "xxx"},
		{"at the limit", `{"external_id":"` + strings.Repeat("x", 1<<20-31) + `","amount":1}`, "xxx"},
	} {
		h.on(c.name, func(h *house) {
			r := h.call("POST", "/api/v2/strict", c.body)
			h.fine(r)
			if !strings.Contains(r.text, c.want) {
				h.t.Errorf("got %.300s, want %s in it", r.text, c.want)
			}
		})
	}
	if n := len(`{"external_id":"` + strings.Repeat("x", 1<<20-31) + `","amount":1}`); n > 1<<20 {
		t.Errorf("the biggest body is %d bytes", n)
	}
	h.on("a compatible operation lets unknown members pass, in any case", func(h *house) {
		h.fine(h.call("POST", "/api/v2/loose", `{"amount":1,"Amount":"x","data":{"a":[1,2,{"b":null}]}}`))
	})
	h.on("every verb may have one", func(h *house) {
		for _, verb := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			h.fine(h.call(verb, "/api/v2/loose", `{"amount":1}`))
			h.problem(h.call(verb, "/api/v2/loose", `{"amount":1,"amount":2}`), 400, "invalid_json")
		}
	})
	h.on("none is needed where the operation has none", func(h *house) {
		h.fine(h.call("POST", "/api/v2/bodyless/x", ""))
		h.fine(h.call("POST", "/api/v2/bodyless/x", "", "Content-Type", "text/plain"))
		h.fine(h.call("POST", "/api/v2/bodyless/x", `{"site_slug":"my-store"}`))
		h.problem(h.call("POST", "/api/v2/bodyless/x", `{`), 400, "invalid_json")
	})
	h.on("a GET's is not looked at", func(h *house) {
		h.fine(h.call("GET", "/api/v2/people/x", `{"site_slug":`, "Content-Type", "application/json"))
	})
}

func TestBodies_of_other_kinds(t *testing.T) {
	h := newHouse(t)
	const body = `{"external_id":"x","amount":1}`
	for _, c := range []struct{ kind, code string }{
		{"text/plain", "unsupported_media_type"}, {"", "unsupported_media_type"}, {"multipart/form-data; boundary=x", "unsupported_media_type"},
		{"application/x-www-form-urlencoded", "unsupported_media_type"}, {"application/json; charset=utf-7", "unsupported_media_type"},
		{"application/json; charset=utf-16", "unsupported_media_type"}, {"application/json; charset", "unsupported_media_type"},
		{"application/xml", "unsupported_media_type"}, {"application/jsonp", "unsupported_media_type"}, {"application/json; boundary=x", "unsupported_media_type"},
	} {
		h.on("415 for "+c.kind, func(h *house) {
			h.problem(h.call("POST", "/api/v2/strict", body, "Content-Type", c.kind), 415, c.code)
		})
	}
	for _, kind := range []string{"application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON", `application/json; charset="utf-8"`} {
		h.on("read as "+kind, func(h *house) { h.fine(h.call("POST", "/api/v2/strict", body, "Content-Type", kind)) })
	}
	h.on("compressed", func(h *house) {
		var bomb bytes.Buffer
		z := gzip.NewWriter(&bomb)
		for range 1000 {
			_, _ = z.Write(make([]byte, 10_000))
		}
		_ = z.Close()
		for _, encoding := range []string{"gzip", "br", "deflate", "identity, gzip", "x"} {
			h.problem(h.call("POST", "/api/v2/strict", bomb.String(), "Content-Encoding", encoding), 415, "unsupported_content_encoding")
		}
		h.fine(h.call("POST", "/api/v2/strict", body, "Content-Encoding", "identity"))
	})
	h.on("two content types", func(h *house) {
		r := h.raw("POST /api/v2/strict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + h.secret +
			"\r\nContent-Type: text/plain\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n" + body)
		if r.status != 415 {
			h.t.Errorf("got %d %s", r.status, r.text)
		}
	})
	head := "POST /api/v2/strict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer " + h.secret + "\r\n"
	for _, c := range []struct {
		name, request string
		status        int
	}{
		{"larger than announced", head + "Content-Length: 5\r\n\r\n" + body, 400},
		{"two lengths", head + "Content-Length: 5\r\nContent-Length: 30\r\n\r\n" + body, 400},
		{"length and chunks", head + "Content-Length: 30\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + body, 501},
		{"bad chunk size", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body + "\r\n0\r\n\r\n", 400},
		{"chunked", head + "Transfer-Encoding: chunked\r\n\r\n1e\r\n" + body + "\r\n0\r\n\r\n", 200},
		{"chunked and empty", head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"a header of 1 MB", head + "X-Long: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", 431},
		{"200 headers", head + strings.Repeat("X-One: 1\r\n", 200) + "Content-Length: 30\r\n\r\n" + body, 200},
	} {
		h.on(c.name, func(h *house) {
			if r := h.raw(c.request); r.status != c.status {
				h.t.Errorf("got %d %s; want %d", r.status, r.text, c.status)
			}
		})
	}
	h.on("one byte over the limit, announced and in chunks", func(h *house) {
		big := strings.Repeat(" ", 1<<20-29) + body
		h.problem(h.call("POST", "/api/v2/strict", big), 413, "too_large")
		req, _ := http.NewRequestWithContext(h.t.Context(), "POST", h.server+"/api/v2/strict", struct{ *strings.Reader }{strings.NewReader(big)})
		req.Header.Set("Authorization", "Bearer "+h.secret)
		req.Header.Set("Content-Type", "application/json")
		req.ContentLength = -1
		h.problem(h.do(req), 413, "too_large")
	})
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{`{}`, `{"site_slug":"a","api_key":"b"}`, `{"a":[1,2.5e3,{"b":null}],"c":"\u0000"}`, `{"a":"\\u0000"}`, `{"site_slug":{"a":1}}`, `{"a":1}x`, "{\"\xff\":1}", `{"\ud800":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := scan(raw)
		if err != nil {
			return
		}
		again, err := scan(append([]byte(" "), raw...))
		if err != nil || again.apiKey != doc.apiKey || (again.site == nil) != (doc.site == nil) {
			t.Fatalf("white space changes %q: %v", raw, err)
		}
		accepted(t, raw, doc)
	})
}
