package blueprint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
)

// A value of a file is nil, a bool, a string, a json.Number, a []any of values, or an *Object.

// Object is an object whose members keep their order, so that what was written by a person is read by a person.
type Object struct{ members []member }

type member struct {
	name  string
	value any
}

// NewObject is an object without members.
func NewObject() *Object { return &Object{} }

// Get is a member's value, and whether there is one.
func (o *Object) Get(name string) (any, bool) {
	if o == nil {
		return nil, false
	}
	if i := o.index(name); i >= 0 {
		return o.members[i].value, true
	}
	return nil, false
}

// Text is a member that is a text; "": it isn't, or isn't there.
func (o *Object) Text(name string) string {
	v, _ := o.Get(name)
	text, _ := v.(string)
	return text
}

// Set gives a member a value: in its place, or behind all others.
func (o *Object) Set(name string, v any) {
	if i := o.index(name); i >= 0 {
		o.members[i].value = v
		return
	}
	o.members = append(o.members, member{name, v})
}

func (o *Object) index(name string) int {
	return slices.IndexFunc(o.members, func(m member) bool { return m.name == name })
}

// Len is how many members there are.
func (o *Object) Len() int { return len(o.members) }

// All goes through the members in their order.
func (o *Object) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, m := range o.members {
			if !yield(m.name, m.value) {
				return
			}
		}
	}
}

// With is a copy of the object whose member has another value.
func (o *Object) With(name string, v any) *Object {
	out := &Object{slices.Clone(o.members)}
	out.Set(name, v)
	return out
}

// Without is a copy of the object without some members.
func (o *Object) Without(names ...string) *Object {
	return &Object{slices.DeleteFunc(slices.Clone(o.members), func(m member) bool { return slices.Contains(names, m.name) })}
}

// MarshalJSON writes the members in their order.
func (o *Object) MarshalJSON() ([]byte, error) { return o.JSON(), nil }

// JSON is the object in JSON, its members in their order.
func (o *Object) JSON() []byte { return JSON(o) }

// JSON writes a value.
func JSON(v any) []byte {
	var out bytes.Buffer
	writeJSON(&out, v)
	return out.Bytes()
}

func writeJSON(out *bytes.Buffer, v any) {
	switch v := v.(type) {
	case *Object:
		out.WriteByte('{')
		for i, m := range v.members {
			if i > 0 {
				out.WriteByte(',')
			}
			writeJSON(out, m.name)
			out.WriteByte(':')
			writeJSON(out, m.value)
		}
		out.WriteByte('}')
	case []any:
		out.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			writeJSON(out, e)
		}
		out.WriteByte(']')
	default:
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			panic(err) // texts, numbers, true, false and null always encode
		}
		out.Truncate(out.Len() - 1) // its line end
	}
}

// ParseJSON reads one value, and keeps the order of members.
func ParseJSON(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON value")
	}
	return v, nil
}

func parseValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	open, nested := t.(json.Delim)
	if !nested {
		return t, nil
	}
	if depth++; depth > mostDepth {
		return nil, fmt.Errorf("nested more than %d levels deep", mostDepth)
	}
	o, list := &Object{}, []any{}
	for d.More() {
		if open == '[' {
			v, err := parseValue(d, depth)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
			continue
		}
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := parseValue(d, depth)
		if err != nil {
			return nil, err
		}
		o.members = append(o.members, member{name.(string), v})
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if open == '[' {
		return list, nil
	}
	return o, nil
}
