package blueprint

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Names is how things of a site are called; the second answer says whether the site has it.
type Names func(section string, id int64) (string, bool)

// IDs is which thing of a site a name stands for.
type IDs func(section, name string) (int64, bool)

// Settings is what an answer of the API says of a thing as a file says it: the members that can be set, those that name others by name, and nothing
// that is as if it was left out. part is one of the section's; nil: the thing itself.
func (s *Schema) Settings(section *Section, part *Part, view *Object, names Names) (*Object, error) {
	of := s.of(section)
	if part != nil {
		of, _ = s.members(of)[part.Name].(map[string]any)
	}
	v, err := s.fit(view, of, names)
	if err != nil {
		return nil, err
	}
	out, ok := v.(*Object)
	if !ok {
		return NewObject(), nil
	}
	if name, known := out.Get(section.Key); known && part == nil { // what it is called goes first
		first := NewObject()
		first.Set(section.Key, name)
		first.members = append(first.members, out.Without(section.Key).members...)
		out = first
	}
	return out, nil
}

// of is the schema of a single thing of a section.
func (s *Schema) of(section *Section) map[string]any {
	root := s.members(s.doc)
	one, _ := root[section.Name].(map[string]any)
	if section.Key != "" {
		one, _ = one["items"].(map[string]any)
	}
	return one
}

// fit is a value without what the schema doesn't know; nil: nothing is left.
func (s *Schema) fit(v any, of map[string]any, names Names) (any, error) {
	of = s.resolve(of)
	switch v := v.(type) {
	case []any:
		items, _ := of["items"].(map[string]any)
		var out []any
		for _, e := range v {
			if s.retired(e, items) {
				continue
			}
			kept, err := s.fit(e, items, names)
			if err != nil {
				return nil, err
			}
			if kept == nil {
				kept = NewObject() // its place in the list is something
			}
			out = append(out, kept)
		}
		if out == nil {
			return nil, nil
		}
		return out, nil
	case *Object:
		return s.fitObject(v, of, names)
	}
	return v, nil
}

func (s *Schema) fitObject(o *Object, of map[string]any, names Names) (any, error) {
	members := s.members(of)
	extra, open := of["additionalProperties"].(map[string]any)
	out, said := NewObject(), []string{}
	for name, v := range o.All() {
		if r, is := references[name]; is && v != nil && members[r.name] != nil {
			id, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
			called, known := names(r.section, id)
			if err != nil || !known {
				return nil, fmt.Errorf("%s %v is none that a file can name", name, v)
			}
			out.Set(r.name, called)
			if members["coupon_amount"] != nil {
				said = append(said, r.says...)
			}
			continue
		}
		known, ok := members[name].(map[string]any)
		if !ok && open {
			known, ok = extra, true
		}
		if !ok {
			continue
		}
		kept, err := s.fit(v, known, names)
		if err != nil {
			return nil, err
		}
		if kept != nil {
			out.Set(name, kept)
		}
	}
	if out = out.Without(said...); out.Len() == 0 {
		return nil, nil
	}
	return out, nil
}

// retired says that an element is shown for its history only: it isn't active, and nobody can say that it should be.
func (s *Schema) retired(e any, of map[string]any) bool {
	o, ok := e.(*Object)
	if !ok {
		return false
	}
	is, has := o.Get("active")
	_, settable := s.members(s.resolve(of))["active"]
	return has && is == false && !settable
}

// Missing is a reference to a thing that the site doesn't have.
type Missing struct{ Pointer, Section, Name string }

// Body is what a file says of a thing as the API takes it, with ids, and which names stand for nothing; those members are left out.
func Body(o *Object, ids IDs) (*Object, []Missing) {
	var missing []Missing
	v := withIDs("", o, ids, &missing)
	return v.(*Object), missing
}

func withIDs(pointer string, v any, ids IDs, missing *[]Missing) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = withIDs(element(pointer, i), e, ids, missing)
		}
		return out
	case *Object:
		out := NewObject()
		for name, of := range v.All() {
			at := under(pointer, name)
			id, section, refers := referenceOf(name)
			called, isText := of.(string)
			if !refers || !isText {
				out.Set(name, withIDs(at, of, ids, missing))
				continue
			}
			if n, known := ids(section, called); known {
				out.Set(id, json.Number(strconv.FormatInt(n, 10)))
			} else {
				*missing = append(*missing, Missing{at, section, called})
			}
		}
		return out
	}
	return v
}

// Pointer is where a file has what the API points to in a body.
func Pointer(of string) string {
	for id, r := range references {
		if rest, ok := strings.CutSuffix(of, "/"+id); ok {
			return rest + "/" + r.name
		}
	}
	return of
}

// Tidy is a value without what says nothing: null, and lists and objects without anything in them; nil: all of it.
func Tidy(v any) any {
	switch v := v.(type) {
	case []any:
		var out []any
		for _, e := range v {
			if kept := Tidy(e); kept != nil {
				out = append(out, kept)
			} else {
				out = append(out, NewObject())
			}
		}
		if out != nil {
			return out
		}
		return nil
	case *Object:
		out := NewObject()
		for name, of := range v.All() {
			if kept := Tidy(of); kept != nil {
				out.Set(name, kept)
			}
		}
		if out.Len() > 0 {
			return out
		}
		return nil
	}
	return v
}

// Same says that two values say the same, in whatever order their members stand.
func Same(a, b any) bool { return len(Diff(a, b)) == 0 }
