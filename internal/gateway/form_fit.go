package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json/jsontext"
)

// shapes are the bodies that operations take, by method and route.
type shapes struct {
	bodies map[string]*huma.Schema // of those that take forms; nil where no member is read
	dry    map[string]bool         // those that can be rehearsed
	all    huma.Registry
}

// shapesOf: an operation takes forms when it takes no body, or one whose unknown members it lets pass, as Talkable's do. Ours are JSON only.
func shapesOf(doc *huma.OpenAPI) *shapes {
	s := &shapes{bodies: map[string]*huma.Schema{}, dry: map[string]bool{}, all: doc.Components.Schemas}
	for path, item := range doc.Paths {
		for method, op := range operationsOf(item) {
			if schema, takes := formOf(op, s.all); takes {
				s.bodies[method+" "+path] = schema
			}
			s.dry[method+" "+path] = rehearsable(op, s.all)
		}
	}
	return s
}

// of says whether the request's operation takes forms, and the schema that they must fit, if any.
func (s *shapes) of(r *http.Request) (*huma.Schema, bool) {
	if s == nil {
		return nil, false
	}
	schema, takes := s.bodies[r.Method+" "+chi.RouteContext(r.Context()).RoutePattern()]
	return schema, takes
}

func formOf(op *huma.Operation, all huma.Registry) (*huma.Schema, bool) {
	if op.RequestBody == nil {
		return nil, true
	}
	content := op.RequestBody.Content["application/json"]
	if content == nil || content.Schema == nil {
		return nil, false
	}
	schema := resolve(content.Schema, all)
	return schema, schema.AdditionalProperties == true
}

func resolve(s *huma.Schema, all huma.Registry) *huma.Schema {
	if s != nil && s.Ref != "" {
		return all.SchemaFromRef(s.Ref)
	}
	return s
}

// admitted is what a schema lets a value be. Where nothing is known of it, a value is what it looks like.
type admitted struct {
	text, number, truth, list, object bool
	items, members                    *huma.Schema
}

func (s *shapes) admits(schema *huma.Schema) (a admitted) {
	schema = resolve(schema, s.all)
	if schema == nil {
		return admitted{text: true, list: true, object: true}
	}
	for _, one := range append(slices.Clone(schema.OneOf), schema.AnyOf...) {
		b := s.admits(one)
		a.text, a.number, a.truth, a.list, a.object = a.text || b.text, a.number || b.number, a.truth || b.truth, a.list || b.list, a.object || b.object
		if b.items != nil {
			a.items = b.items
		}
		if b.members != nil {
			a.members = b.members
		}
	}
	switch schema.Type {
	case huma.TypeString:
		a.text = true
	case huma.TypeInteger, huma.TypeNumber:
		a.number = true
	case huma.TypeBoolean:
		a.truth = true
	case huma.TypeArray:
		a.list, a.items = true, schema.Items
	case huma.TypeObject:
		a.object, a.members = true, schema
	}
	return a
}

// member is the schema of a member of an object; nil if nothing is known of it.
func (a admitted) member(name string) *huma.Schema {
	if a.members == nil {
		return nil
	}
	if s, ok := a.members.Properties[name]; ok {
		return s
	}
	s, _ := a.members.AdditionalProperties.(*huma.Schema)
	return s
}

// json writes a tree as the JSON that a body of this schema has: a number, a truth or a list where only such may stand, the empty text as null
// there. What doesn't fit is left as it came, for strict decoding to find fault with.
func (s *shapes) json(b []byte, n *node, schema *huma.Schema, path []string) ([]byte, error) {
	a := s.admits(schema)
	switch {
	case n.isText() && len(n.texts) > 1:
		if !a.list || schema == nil {
			return nil, badForm(path, "a name twice")
		}
		return s.list(b, texts(n.texts), a, path)
	case n.isText():
		return s.text(b, n.texts[0], a, path)
	case n.isList():
		return s.list(b, n.list, a, path)
	}
	if a.list && !a.object {
		if elements, ok := n.numbered(); ok {
			return s.list(b, elements, a, path)
		}
	}
	b = append(b, '{')
	for i, name := range n.names {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = jsontext.AppendQuote(b, name); err == nil {
			b, err = s.json(append(b, ':'), n.members[name], a.member(name), append(path, name))
		}
		if err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func (s *shapes) list(b []byte, elements []*node, a admitted, path []string) ([]byte, error) {
	b = append(b, '[')
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = s.json(b, e, a.items, append(path, strconv.Itoa(i))); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func (s *shapes) text(b []byte, text string, a admitted, path []string) ([]byte, error) {
	switch {
	case a.text:
	case text == "":
		return append(b, "null"...), nil
	case a.number && strings.TrimSpace(text) == text && jsontext.Value(text).Kind() == '0' && jsontext.Value(text).IsValid():
		return append(b, text...), nil
	case a.truth && (text == "true" || text == "1" || text == "t"):
		return append(b, "true"...), nil
	case a.truth && (text == "false" || text == "0" || text == "f"):
		return append(b, "false"...), nil
	case a.list && strings.Count(text, ",") >= maxValues:
		return nil, badForm(path, "too many values; at most 10000")
	case a.list:
		return s.list(b, texts(strings.Split(text, ",")), a, path)
	}
	b, err := jsontext.AppendQuote(b, text)
	if err != nil {
		return nil, badForm(path, "not valid UTF-8")
	}
	return b, nil
}

func texts(all []string) []*node {
	out := make([]*node, len(all))
	for i, t := range all {
		out[i] = &node{texts: []string{t}}
	}
	return out
}

// numbered are the members of an object that are called 0, 1, 2 and so on, in this order: a list that is spelled with its places.
func (n *node) numbered() ([]*node, bool) {
	at := make(map[int]*node, len(n.names))
	places := make([]int, 0, len(n.names))
	for _, name := range n.names {
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 || i >= maxValues || strconv.Itoa(i) != name {
			return nil, false
		}
		at[i], places = n.members[name], append(places, i)
	}
	slices.Sort(places)
	out := make([]*node, len(places))
	for k, i := range places {
		out[k] = at[i]
	}
	return out, true
}
