package gateway

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/talkable/talkable/internal/fault"
)

var (
	errTooLarge  = fault.New(fault.TooLarge, "too_large", "The body is too large.")
	errMediaType = fault.New(fault.Unsupported, "unsupported_media_type", "Bodies are JSON in UTF-8: Content-Type: application/json")
	errEncoding  = fault.New(fault.Unsupported, "unsupported_content_encoding", "Bodies are sent as they are, without Content-Encoding.")
	errCut       = fault.New(fault.Invalid, "incomplete_body", "The body did not arrive whole, or not in time.")
)

// body is the request's body, read and scanned when it is first needed: for the key where the oldest clients put it, else once
// the key is known.
type body struct {
	w     http.ResponseWriter
	r     *http.Request
	limit int64
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
		b.r.Body = http.NoBody
		return document{}, nil
	}
	// Package http closes gently after its own reader found a body too large, so that the client gets to read why.
	raw, err := io.ReadAll(http.MaxBytesReader(b.w, b.r.Body, b.limit))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return document{}, errTooLarge
	} else if err != nil {
		return document{}, errCut.Because(err)
	}
	b.r.ContentLength = int64(len(raw))
	if len(raw) == 0 {
		b.r.Body = http.NoBody
		return document{}, nil
	}
	if err := readable(b.r.Header); err != nil {
		return document{}, err
	}
	b.r.Header.Set("Content-Type", "application/json")
	b.r.Body = io.NopCloser(bytes.NewReader(raw))
	return scan(raw)
}

// readable says whether the headers announce JSON in UTF-8. Nothing else is taken, so that no browser can send a body here
// without asking first.
func readable(h http.Header) error {
	for _, e := range h.Values("Content-Encoding") {
		if e = strings.TrimSpace(e); e != "" && !strings.EqualFold(e, "identity") {
			return errEncoding
		}
	}
	types := h.Values("Content-Type")
	if len(types) != 1 {
		return errMediaType
	}
	media, params, err := mime.ParseMediaType(types[0])
	if err != nil || media != "application/json" {
		return errMediaType
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return errMediaType
		}
	}
	return nil
}
