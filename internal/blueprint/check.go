package blueprint

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	mostFindings   = 50
	longestPointer = 500
)

// Check says all that is wrong with a file's members: unknown ones, those that are missing, values of another kind, and names that stand for two things.
// What the values may be is for the API to say, when it plans.
func (s *Schema) Check(f *File) error {
	c := checker{schema: s, file: f}
	c.value("", f.Root, s.doc)
	for _, section := range sections {
		c.keys(section)
	}
	return c.found.orNil()
}

type checker struct {
	schema *Schema
	file   *File
	found  Findings
}

func (c *checker) wrong(pointer, format string, args ...any) {
	if len(c.found) == mostFindings {
		return
	}
	at := c.file.At(pointer)
	if len(pointer) > longestPointer { // names are as long as somebody likes, and stand in the pointers of all below them
		pointer = strings.ToValidUTF8(pointer[:longestPointer], "")
	}
	c.found = append(c.found, Finding{pointer, fmt.Sprintf(format, args...), at})
}

func (c *checker) value(pointer string, v any, of map[string]any) {
	of = c.schema.resolve(of)
	if v == nil {
		return // left out, as the API takes it
	}
	if types := c.schema.types(of); len(types) > 0 && !slices.ContainsFunc(types, func(t string) bool { return is(v, t) }) {
		c.wrong(pointer, "must be %s", said(types))
		return
	}
	if only, ok := of["const"]; ok && only != v {
		c.wrong(pointer, "must be %v", only)
	}
	if list, ok := of["enum"].([]any); ok && !slices.Contains(list, v) {
		c.wrong(pointer, "must be one of %s", strings.Trim(fmt.Sprint(list), "[]"))
	}
	switch v := v.(type) {
	case *Object:
		c.object(pointer, v, of)
	case []any:
		if most, ok := of["maxItems"].(float64); ok && len(v) > int(most) {
			c.wrong(pointer, "has %d, and may have %d", len(v), int(most))
			return
		}
		items, _ := of["items"].(map[string]any)
		for i, e := range v {
			if e == nil {
				c.wrong(element(pointer, i), "must be something; null is nothing")
			}
			c.value(element(pointer, i), e, items)
		}
	}
}

func (c *checker) object(pointer string, o *Object, of map[string]any) {
	members := c.schema.members(of)
	extra, open := of["additionalProperties"].(map[string]any)
	for name, v := range o.All() {
		at := under(pointer, name)
		known, ok := members[name].(map[string]any)
		switch {
		case ok:
			c.value(at, v, known)
		case open:
			c.value(at, v, extra)
		case of["additionalProperties"] == false:
			c.wrong(at, "%s", unknown(name, slices.Sorted(maps.Keys(members))))
		}
	}
	needed, _ := of["required"].([]any)
	for _, name := range needed {
		if v, ok := o.Get(fmt.Sprint(name)); !ok || v == nil {
			c.wrong(pointer, "%s is missing", name)
		}
	}
}

// keys says of a list's things that they have names, and each its own.
func (c *checker) keys(s *Section) {
	list, _ := c.file.Section(s.Name).([]any)
	first := map[string]int{}
	for i, e := range list {
		o, ok := e.(*Object)
		if !ok {
			continue
		}
		name := o.Text(s.Key)
		if j, there := first[name]; there && name != "" {
			c.wrong(under(element("/"+s.Name, i), s.Key), "%q is the name of %s[%d] already, and stands for one thing", name, s.Name, j)
			continue
		}
		first[name] = i
	}
}

// is says whether a value is of a JSON type.
func is(v any, kind string) bool {
	switch v := v.(type) {
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case json.Number:
		return kind == "number" || kind == "integer" && !strings.ContainsAny(v.String(), ".eE")
	case []any:
		return kind == "array"
	case *Object:
		return kind == "object"
	}
	return false
}

// said is types as people call them.
func said(types []string) string {
	words := map[string]string{"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false", "array": "a list", "object": "an object"}
	var out []string
	for _, t := range types {
		if word, ok := words[t]; ok {
			out = append(out, word)
		}
	}
	return strings.Join(out, " or ")
}

// unknown says that there is no such member, and which was meant if one looks like it.
func unknown(name string, known []string) string {
	near, least := "", 3
	for _, k := range known {
		if d := distance(name, k); d < least {
			near, least = k, d
		}
	}
	switch id, _, ok := referenceOf(strings.TrimSuffix(name, "_id")); {
	case near != "":
		return fmt.Sprintf("there is no such member; did you mean %s?", near)
	case ok && id == name:
		return fmt.Sprintf("a file holds no ids; name it by %s", strings.TrimSuffix(name, "_id"))
	}
	return "there is no such member"
}

// distance is how many letters two names differ by (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
