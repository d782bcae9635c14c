package blueprint

import (
	"bytes"
	"slices"
)

// Change is one place that differs. Before is nil where there was nothing, After where there is nothing any more.
type Change struct {
	Place  string `json:"place" doc:"As tiers[Gold].threshold: elements of lists are known by their key, identifier or name where they have one" example:"tiers[Gold].threshold"`
	Before any    `json:"before" doc:"null: nothing"`
	After  any    `json:"after" doc:"null: nothing"`
}

// Diff says where two values differ, in the order of the second. Elements of a list are compared with those of their name, wherever they stand; that they
// stand in another order is a change of its own.
func Diff(before, after any) []Change { return diff(nil, "", before, after) }

func diff(all []Change, place string, before, after any) []Change {
	was, is := asObject(before), asObject(after)
	if was != nil && is != nil {
		return diffMembers(all, place, was, is, dotted)
	}
	a, isList := before.([]any)
	b, areLists := after.([]any)
	if isList && areLists {
		if name := identity(a, b); name != "" {
			return diffNamed(all, place, a, b, name)
		}
	}
	if bytes.Equal(JSON(before), JSON(after)) {
		return all
	}
	return append(all, Change{place, before, after})
}

func asObject(v any) *Object {
	o, _ := v.(*Object)
	return o
}

func dotted(place, name string) string {
	if place == "" {
		return name
	}
	return place + "." + name
}

func bracketed(place, name string) string { return place + "[" + name + "]" }

func diffMembers(all []Change, place string, was, is *Object, within func(place, name string) string) []Change {
	for name, after := range is.All() {
		before, _ := was.Get(name)
		all = diff(all, within(place, name), before, after)
	}
	for name, before := range was.All() {
		if _, there := is.Get(name); !there && before != nil {
			all = append(all, Change{within(place, name), before, nil})
		}
	}
	return all
}

// identities are the members by which elements of lists are known, the surest first.
var identities = []string{"key", "identifier", "name"}

// identity is the member that every element of two lists has, and no two of one share; "": there is none.
func identity(lists ...[]any) string {
	for _, name := range identities {
		if !slices.ContainsFunc(lists, func(list []any) bool { return named(list, name) == nil }) {
			return name
		}
	}
	return ""
}

// named is a list as an object of its elements' names; nil: some have none, or share it.
func named(list []any, by string) *Object {
	out := NewObject()
	for _, e := range list {
		name := asObject(e).Text(by)
		if _, taken := out.Get(name); taken || name == "" {
			return nil
		}
		out.Set(name, e)
	}
	return out
}

func diffNamed(all []Change, place string, before, after []any, by string) []Change {
	was, is := named(before, by), named(after, by)
	all = diffMembers(all, place, was, is, bracketed)
	if a, b := common(was, is), common(is, was); !slices.Equal(a, b) {
		all = append(all, Change{dotted(place, "(order)"), texts(a), texts(b)})
	}
	return all
}

// common are the names of one list that the other has, too, in its order.
func common(of, with *Object) (out []string) {
	for name := range of.All() {
		if _, both := with.Get(name); both {
			out = append(out, name)
		}
	}
	return out
}

func texts(names []string) (out []any) {
	for _, n := range names {
		out = append(out, n)
	}
	return out
}
