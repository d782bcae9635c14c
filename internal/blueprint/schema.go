package blueprint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Schema is what a file may hold: JSON Schema (draft 2020-12), made of the API's own description. Editors complete and check by it.
type Schema struct {
	doc map[string]any
}

const definitions = "#/$defs/"

// SchemaOf makes the schema of a description of the API (OpenAPI 3.1).
func SchemaOf(description []byte) (*Schema, error) {
	var api struct {
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(description, &api); err != nil {
		return nil, fmt.Errorf("read the API's description: %w", err)
	}
	b := builder{bodies: map[string]string{}, known: api.Components.Schemas, defs: map[string]any{}}
	for _, item := range api.Paths {
		for _, raw := range item {
			var op struct {
				ID   string `json:"operationId"`
				Body struct {
					Content map[string]struct {
						Schema struct {
							Ref string `json:"$ref"`
						} `json:"schema"`
					} `json:"content"`
				} `json:"requestBody"`
			}
			if json.Unmarshal(raw, &op) == nil { // parameters of a path aren't an operation
				b.bodies[op.ID] = nameOf(op.Body.Content["application/json"].Schema.Ref)
			}
		}
	}
	root := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "talkable programme",
		"description": "A loyalty programme, its rewards and referral campaigns as code; see docs/programme.md", "type": "object",
		"additionalProperties": false, "required": []any{formatMember}, "$defs": b.defs,
	}
	members := map[string]any{formatMember: map[string]any{"const": Format, "description": "The version of this file's format"}}
	for _, s := range sections {
		one, err := b.body(s.Replace, "", s.Apart)
		if err != nil {
			return nil, err
		}
		for _, p := range s.Parts {
			part, err := b.body(p.Replace, p.Body, []string{siteSlug})
			if err != nil {
				return nil, err
			}
			one["properties"].(map[string]any)[p.Name] = part
		}
		one["description"] = s.About
		if s.Key != "" {
			one = map[string]any{"type": "array", "items": one, "description": s.About + ". Known by " + s.Key, "maxItems": float64(s.Most)}
		}
		members[s.Name] = one
	}
	root["properties"] = members
	return &Schema{root}, nil
}

// ParseSchema reads a schema that was written before.
func ParseSchema(text []byte) (*Schema, error) {
	s := &Schema{}
	return s, json.Unmarshal(text, &s.doc)
}

// JSON is the schema as text.
func (s *Schema) JSON() []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s.doc); err != nil {
		panic(err) // it came from JSON
	}
	return out.Bytes()
}

// builder takes schemas out of the API's description, and what they refer to.
type builder struct {
	bodies map[string]string // of operations, the names of their schemas
	known  map[string]json.RawMessage
	defs   map[string]any
}

// body is what an operation takes, or a member of it, without the members that are no setting.
func (b *builder) body(operation, within string, apart []string) (map[string]any, error) {
	one, err := b.schema(b.bodies[operation])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	members, _ := one["properties"].(map[string]any)
	if within != "" {
		inner, _ := members[within].(map[string]any)
		ref, _ := inner["$ref"].(string)
		one, ok := b.defs[nameOf(ref)].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s: its body has no object %s", operation, within)
		}
		return maps.Clone(one), nil
	}
	for _, name := range apart {
		delete(members, name)
	}
	return one, nil
}

var errNoSchema = errors.New("the API's description has no such body")

// schema is one of the description's, with ids made names; what it refers to stands in the definitions then.
func (b *builder) schema(name string) (map[string]any, error) {
	var one map[string]any
	raw, ok := b.known[name]
	if !ok {
		return nil, errNoSchema
	}
	if err := json.Unmarshal(raw, &one); err != nil {
		return nil, err
	}
	return one, b.adapt(one)
}

func (b *builder) adapt(v any) error {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			name := nameOf(ref)
			v["$ref"] = definitions + name
			if b.defs[name] == nil {
				b.defs[name] = true // one that holds itself ends here
				one, err := b.schema(name)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				b.defs[name] = one
			}
		}
		if members, ok := v["properties"].(map[string]any); ok {
			byName(v, members)
		}
		for _, of := range v {
			if err := b.adapt(of); err != nil {
				return err
			}
		}
	case []any:
		for _, of := range v {
			if err := b.adapt(of); err != nil {
				return err
			}
		}
	}
	return nil
}

// byName makes members that hold ids such as hold names.
func byName(schema, members map[string]any) {
	for id, r := range references {
		was, ok := members[id].(map[string]any)
		if !ok {
			continue
		}
		delete(members, id)
		about, _ := was["description"].(string)
		members[r.name] = map[string]any{"type": "string", "description": strings.TrimPrefix(about+". One of "+r.section+", by its name", ". ")}
		if needed, ok := schema["required"].([]any); ok {
			for i, name := range needed {
				if name == id {
					needed[i] = r.name
				}
			}
		}
	}
}

func nameOf(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// resolve follows a reference.
func (s *Schema) resolve(of map[string]any) map[string]any {
	for {
		ref, ok := of["$ref"].(string)
		if !ok {
			return of
		}
		defs, _ := s.doc["$defs"].(map[string]any)
		of, _ = defs[nameOf(ref)].(map[string]any)
	}
}

// members are those that a schema names; nil: none.
func (s *Schema) members(of map[string]any) map[string]any {
	members, _ := of["properties"].(map[string]any)
	return members
}

// types are the JSON types that a schema allows; none: any.
func (s *Schema) types(of map[string]any) (out []string) {
	switch t := of["type"].(type) {
	case string:
		out = append(out, t)
	case []any:
		for _, one := range t {
			out = append(out, fmt.Sprint(one))
		}
	}
	for _, word := range []string{"oneOf", "anyOf"} {
		list, _ := of[word].([]any)
		for _, one := range list {
			inner, _ := one.(map[string]any)
			out = append(out, s.types(s.resolve(inner))...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
