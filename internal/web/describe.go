package web

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Description is the API's description in JSON. huma's says of answers less than our types do: that an object behind a pointer may be null, and
// that members which come by a pointer may be missing. This completes it, and says once what operations have in common; what huma checks requests by stays as it is.
func Description(api huma.API) ([]byte, error) {
	raw, err := json.Marshal(api.OpenAPI())
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	registry := api.OpenAPI().Components.Schemas
	schemas := member(member(doc, "components"), "schemas")
	for name := range answered(doc, schemas) {
		if t := registry.TypeFromRef(schemaPrefix + name); t != nil {
			complete(member(schemas, name), t, false)
		}
	}
	share(doc)
	return json.Marshal(doc)
}

const schemaPrefix = "#/components/schemas/"

func member(v any, name string) map[string]any {
	object, _ := v.(map[string]any)
	inner, _ := object[name].(map[string]any)
	return inner
}

// answered are the names of the schemas that answers are made of.
func answered(doc, schemas map[string]any) map[string]bool {
	seen := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				if name := strings.TrimPrefix(ref, schemaPrefix); !seen[name] {
					seen[name] = true
					walk(schemas[name])
				}
			}
			for _, one := range v {
				walk(one)
			}
		}
	}
	for _, item := range member(doc, "paths") {
		for _, op := range item.(map[string]any) {
			walk(member(op, "responses"))
		}
	}
	return seen
}

// complete adds to an object's schema what its Go type says; optional: all of its members came by a pointer.
func complete(schema map[string]any, t reflect.Type, optional bool) {
	if t.Kind() != reflect.Struct {
		return
	}
	properties := member(schema, "properties")
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		pointer, inner := f.Type.Kind() == reflect.Pointer, f.Type
		if pointer {
			inner = f.Type.Elem()
		}
		if f.Anonymous && name == "" {
			complete(schema, inner, optional || pointer)
			continue
		}
		if properties[name] == nil {
			continue
		}
		if optional {
			required, _ := schema["required"].([]any)
			schema["required"] = slices.DeleteFunc(required, func(one any) bool { return one == name })
		}
		if pointer && !strings.Contains(options, "omit") {
			properties[name] = orNull(member(properties, name))
		}
	}
}

// orNull lets a schema take null, too.
func orNull(schema map[string]any) map[string]any {
	switch kind := schema["type"].(type) {
	case string:
		schema["type"] = []any{kind, "null"}
	case nil:
		if ref, ok := schema["$ref"]; ok {
			delete(schema, "$ref")
			schema["anyOf"] = []any{map[string]any{"$ref": ref}, map[string]any{"type": "null"}}
		}
	}
	return schema
}
