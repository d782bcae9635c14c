package gateway

import (
	"bytes"
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/talkable/talkable/internal/fault"
)

const (
	maxDepth  = 32
	maxTokens = 50_000 // of a JSON body: values, names, and brackets twice; a batch of 1,000 rows has room
	maxValues = 10_000 // of a form
	space     = " \t\r\n"
)

// document is a body that passed the scan, with what the edge reads of it.
type document struct {
	raw    []byte
	site   *string // site_slug at the top; nil if there is none, "" if it isn't a text
	apiKey string  // api_key at the top; "" if there is none or it isn't a text
}

// scan reads a body once, without keeping its values: it must be one JSON object (RFC 8259) with unique names and valid Unicode,
// hold nothing that PostgreSQL cannot, and stay within the bounds. Findings are faults of kind Invalid.
func scan(raw []byte) (document, error) {
	doc := document{raw: raw}
	if len(bytes.TrimLeft(raw, space)) == 0 {
		return doc, badJSON("", "an object is needed here")
	}
	nul := bytes.Contains(raw, []byte(`\u0000`)) // the only way to write it; "\\u0000" is told apart below
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if d.PeekKind() != '{' {
		if _, err := d.ReadToken(); err != nil {
			return doc, syntax(err)
		}
		return doc, badJSON("", "an object is needed here")
	}
	for n, top := 0, ""; ; n++ {
		t, err := d.ReadToken()
		switch {
		case err != nil:
			return doc, syntax(err)
		case d.StackDepth() == 0: // the object's end
			if len(bytes.TrimLeft(raw[d.InputOffset():], space)) > 0 {
				return doc, badJSON("", "nothing may follow the object")
			}
			return doc, nil
		case d.StackDepth() > maxDepth:
			return doc, badJSON(d.StackPointer(), "nested too deeply; at most 32 levels")
		case n > maxTokens:
			return doc, badJSON("", "too many values and names; at most 50000")
		case nul && t.Kind() == '"' && strings.ContainsRune(t.String(), 0):
			return doc, badJSON(d.StackPointer(), "holds a NUL character")
		}
		if d.StackDepth() != 1 {
			// The value of site_slug, if it is an array or an object, is none that a site could have.
			if top == "site_slug" && doc.site == nil {
				doc.site = new(string)
			}
			continue
		}
		if _, length := d.StackIndex(1); length%2 == 1 && t.Kind() == '"' {
			top = t.String()
			continue
		}
		text := ""
		if t.Kind() == '"' {
			text = t.String()
		}
		switch {
		case top == "site_slug" && doc.site == nil:
			doc.site = &text
		case top == "api_key":
			doc.apiKey = text
		}
		top = ""
	}
}

func syntax(err error) error {
	at := jsontext.Pointer("")
	what := "not valid JSON"
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = s.JSONPointer
		if errors.Is(s.Err, jsontext.ErrDuplicateName) {
			what = "a name twice in one object"
		} else if s.Err != nil && strings.Contains(s.Err.Error(), "UTF-8") {
			what = "not valid UTF-8"
		} else if s.Err != nil && strings.Contains(s.Err.Error(), "surrogate") {
			what = "half of a surrogate pair"
		}
	}
	return badJSON(at, what)
}

func badJSON(at jsontext.Pointer, what string) error {
	if len(at) > 200 { // names may be long; they are only echoed to help
		at = ""
	}
	where := strings.ToValidUTF8(string(at), "\uFFFD")
	return fault.New(fault.Invalid, "invalid_json", "%s", "The body is no JSON that this API reads: "+what+".").At(where, what)
}
