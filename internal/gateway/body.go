package gateway

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
)

var (
	errTooLarge  = fault.New(fault.TooLarge, "too_large", "The body is too large.")
	errMediaType = fault.New(fault.Unsupported, "unsupported_media_type", "The bodies of this operation are JSON in UTF-8: Content-Type: application/json")
	errNoForm    = fault.New(fault.Unsupported, "unsupported_media_type",
		"Bodies are JSON in UTF-8, or forms: Content-Type: application/json, application/x-www-form-urlencoded or multipart/form-data")
	errForeign  = fault.New(fault.Forbidden, "cross_site", "A page of another origin sent this request, and a browser its key.")
	errEncoding = fault.New(fault.Unsupported, "unsupported_content_encoding", "Bodies are sent as they are, without Content-Encoding.")
	errCut      = fault.New(fault.Invalid, "incomplete_body", "The body did not arrive whole, or not in time.")
)

// body is the request's body, read and scanned when it is first needed: for the key where the oldest clients put it, else once
// the key is known.
type body struct {
	w     http.ResponseWriter
	r     *http.Request
	limit int64
	forms *shapes
	done  bool
	doc   document
	err   error
}

func writes(method string) bool {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

// read returns the body's document, which is empty where there is none, and puts the bytes back for the operation to read.
func (b *body) read() (document, error) {
	if !b.done {
		b.done = true
		b.doc, b.err = b.load()
	}
	return b.doc, b.err
}

func (b *body) load() (document, error) {
	if !writes(b.r.Method) || b.r.ContentLength == 0 {
		return b.none()
	}
	// Package http closes gently after its own reader found a body too large, so that the client gets to read why.
	raw, err := io.ReadAll(http.MaxBytesReader(b.w, b.r.Body, b.limit))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return document{}, errTooLarge
	} else if err != nil {
		return document{}, errCut.Because(err)
	}
	if len(raw) == 0 {
		return b.none()
	}
	kind, boundary, err := kindOf(b.r.Header)
	if err != nil {
		return document{}, err
	}
	if kind == isJSON {
		return b.holds(raw)
	}
	schema, takes := b.forms.of(b.r)
	switch {
	case !takes:
		return document{}, errMediaType
	case kind == isNothing:
		return document{}, errNoForm
	}
	var pairs []pair
	if kind == isMultipart {
		pairs, err = parts(raw, boundary)
	} else {
		pairs, err = urlencoded(string(raw))
	}
	if err != nil {
		return document{}, err
	}
	return b.filled(pairs, schema)
}

// none is the document of a request without a body. Talkable's operations then take from the query what they would take from a body.
func (b *body) none() (document, error) {
	b.r.Body = http.NoBody
	if schema, takes := b.forms.of(b.r); !takes || schema == nil || b.r.URL.RawQuery == "" || !writes(b.r.Method) {
		return document{}, nil
	} else if pairs, err := urlencoded(b.r.URL.RawQuery); err != nil {
		return document{}, err
	} else {
		return b.filled(slices.DeleteFunc(pairs, func(p pair) bool { return p.key == "api_key" }), schema)
	}
}

// filled is the document of a form.
func (b *body) filled(pairs []pair, schema *huma.Schema) (document, error) {
	tree, err := decodeForm(pairs)
	if err != nil {
		return document{}, err
	}
	raw, err := b.forms.json(nil, tree, schema, nil)
	if err != nil {
		return document{}, err
	}
	return b.holds(raw)
}

// holds puts JSON in the request for the operation to read, and scans it.
func (b *body) holds(raw []byte) (document, error) {
	b.r.ContentLength = int64(len(raw))
	b.r.Header.Set("Content-Type", "application/json")
	b.r.Body = io.NopCloser(bytes.NewReader(raw))
	return scan(raw)
}

// Kinds of bodies.
const (
	isNothing = iota // that is read here
	isJSON
	isURLEncoded
	isMultipart
)

// kindOf says what the headers announce. Everything is in UTF-8 and sent as it is.
func kindOf(h http.Header) (kind int, boundary string, err error) {
	for _, e := range h.Values("Content-Encoding") {
		if e = strings.TrimSpace(e); e != "" && !strings.EqualFold(e, "identity") {
			return isNothing, "", errEncoding
		}
	}
	types := h.Values("Content-Type")
	if len(types) != 1 {
		return isNothing, "", nil
	}
	media, params, malformed := mime.ParseMediaType(types[0])
	if malformed != nil {
		media = ""
	}
	switch media {
	case "application/json":
		kind = isJSON
	case "application/x-www-form-urlencoded":
		kind = isURLEncoded
	case "multipart/form-data":
		kind = isMultipart
	}
	boundary = params["boundary"]
	if kind == isMultipart {
		delete(params, "boundary")
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return isNothing, "", nil
		}
	}
	if (kind == isMultipart) != (boundary != "") {
		return isNothing, "", nil
	}
	return kind, boundary, nil
}

// foreign says whether a page of another origin may have had a browser send this write with a key that the browser adds by itself.
// A form need have no body: the query says as much. JSON isn't sent without asking first, and nobody here says yes.
func foreign(r *http.Request) bool {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !writes(r.Method) || !strings.EqualFold(scheme, "Basic") {
		return false
	}
	kind, _, _ := kindOf(r.Header)
	return kind != isJSON && new(http.CrossOriginProtection).Check(r) != nil
}
