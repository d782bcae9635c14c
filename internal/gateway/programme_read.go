package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/talkable/talkable/internal/blueprint"
	"github.com/talkable/talkable/internal/fault"
)

// thing is something of a site that a file can name.
type thing struct {
	section  *blueprint.Section
	id       int64
	name     string
	view     *blueprint.Object // as the API answers it
	settings *blueprint.Object // as a file says it; nil: it can't, see why
	parts    map[string]*blueprint.Object
	over     bool   // archived or so
	why      string // no file can say it
}

// standing is what a site has.
type standing struct {
	schema *blueprint.Schema
	things map[string][]*thing          // by section, in the order in which they were made
	named  map[string]map[string]*thing // by section and name: whom the name stands for
	shared map[string]map[string]bool   // names that several have which are in use
}

var errNotPortable = fault.New(fault.Conflict, "programme_not_portable", "The site has what no file can say.")

// read looks at sections of a site. The others are taken to be empty.
func (c asker) read(ctx context.Context, schema *blueprint.Schema, wanted func(section string) bool) (*standing, error) {
	st := &standing{schema: schema, things: map[string][]*thing{}, named: map[string]map[string]*thing{}, shared: map[string]map[string]bool{}}
	for _, s := range blueprint.Sections() {
		st.named[s.Name], st.shared[s.Name] = map[string]*thing{}, map[string]bool{}
		if !wanted(s.Name) || s.Of != "" && st.programme() == nil {
			continue
		}
		if err := c.readSection(ctx, st, s); err != nil {
			return nil, err
		}
		st.settle(s)
	}
	return st, nil
}

func (c asker) readSection(ctx context.Context, st *standing, s *blueprint.Section) error {
	query := url.Values{"limit": {"100"}}
	for {
		page, err := c.get(ctx, s.List, st.params(s, 0), query)
		if err != nil {
			return err
		}
		list, _ := page.Get(s.Many)
		all, _ := list.([]any)
		for _, e := range all {
			view, _ := e.(*blueprint.Object)
			if err := c.readThing(ctx, st, s, view); err != nil {
				return err
			}
		}
		next := page.Text("next_cursor")
		if next == "" {
			return nil
		}
		query.Set("cursor", next)
	}
}

func (c asker) readThing(ctx context.Context, st *standing, s *blueprint.Section, view *blueprint.Object) error {
	t := &thing{section: s, id: idOf(view), parts: map[string]*blueprint.Object{}}
	if s.Most > 0 && len(st.things[s.Name]) >= 5*s.Most { // with those that are over
		return fault.New(fault.Conflict, "programme_too_large", "The site has more %s than a file is made for.", s.Name)
	}
	params := st.params(s, t.id)
	if s.Read != "" {
		whole, err := c.get(ctx, s.Read, params, nil)
		if err != nil {
			return err
		}
		one, _ := whole.Get(s.One)
		view, _ = one.(*blueprint.Object)
	}
	t.take(st, view)
	for i := range s.Parts {
		part := &s.Parts[i]
		answer, err := c.get(ctx, part.Read, params, nil)
		if err != nil {
			return err
		}
		of, _ := answer.Get(part.Answer)
		shown, _ := of.(*blueprint.Object)
		if t.parts[part.Name], err = st.schema.Settings(s, part, shown, st.names); err != nil {
			t.why = err.Error()
		}
	}
	st.things[s.Name] = append(st.things[s.Name], t)
	return nil
}

// take makes of an answer what a file says.
func (t *thing) take(st *standing, view *blueprint.Object) {
	t.view, t.name = view, view.Text(t.section.Key)
	var err error
	if t.settings, err = st.schema.Settings(t.section, nil, view, st.names); err != nil {
		t.why = err.Error()
	}
	t.over = t.section.Gone != "" && view.Text("status") == t.section.Gone || t.settings != nil && t.section.IsRetired(t.settings)
}

// settle says for whom each name stands: of several the one that is in use, or else the newest.
func (st *standing) settle(s *blueprint.Section) {
	slices.SortFunc(st.things[s.Name], func(a, b *thing) int { return cmp.Compare(a.id, b.id) })
	for _, t := range st.things[s.Name] {
		switch other := st.named[s.Name][t.name]; {
		case other == nil || other.over:
			st.named[s.Name][t.name] = t
		case !t.over:
			st.shared[s.Name][t.name] = true
		}
	}
}

// add is what was made just now.
func (st *standing) add(s *blueprint.Section, view *blueprint.Object) {
	t := &thing{section: s, id: idOf(view), parts: map[string]*blueprint.Object{}}
	t.take(st, view)
	st.things[s.Name] = append(st.things[s.Name], t)
	st.named[s.Name][t.name] = t
}

// find is what a name of a section stands for; nil: nothing.
func (st *standing) find(s *blueprint.Section, name string) *thing {
	if s.Key == "" {
		return st.single(s.Name)
	}
	return st.named[s.Name][name]
}

func (st *standing) single(section string) *thing {
	if list := st.things[section]; len(list) > 0 {
		return list[0]
	}
	return nil
}

func (st *standing) programme() *thing { return st.single(blueprint.Programme) }

// names is blueprint.Names: a name that two things share stands for none of them.
func (st *standing) names(section string, id int64) (string, bool) {
	for name, t := range st.named[section] {
		if t.id == id {
			return name, !st.shared[section][name]
		}
	}
	return "", false
}

// ids is blueprint.IDs.
func (st *standing) ids(section, name string) (int64, bool) {
	t := st.named[section][name]
	if t == nil || st.shared[section][name] {
		return 0, false
	}
	return t.id, true
}

// params are those of a section's paths; id 0: of no single thing.
func (st *standing) params(s *blueprint.Section, id int64) map[string]string {
	out := map[string]string{}
	if s.Of != "" && st.programme() != nil {
		out["id"] = strconv.FormatInt(st.programme().id, 10)
	}
	if id > 0 {
		out[s.ID] = strconv.FormatInt(id, 10)
	}
	return out
}

func idOf(view *blueprint.Object) int64 {
	v, _ := view.Get("id")
	id, _ := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	return id
}

// file is the site as a file. What is over is no part of it.
func (st *standing) file() (*blueprint.File, error) {
	root := blueprint.NewObject()
	root.Set("format", blueprint.Format)
	bad := errNotPortable
	for _, s := range blueprint.Sections() {
		list := []any{}
		for i, t := range st.things[s.Name] {
			switch {
			case st.named[s.Name][t.name] != t || s.Gone != "" && t.over:
			case st.shared[s.Name][t.name]:
				bad = bad.At("/"+s.Name+"/"+strconv.Itoa(i), fmt.Sprintf("%q is the name of two that are in use; give one of them another", t.name))
			case t.why != "":
				bad = bad.At("/"+s.Name+"/"+strconv.Itoa(i), fmt.Sprintf("%q: %s", t.name, t.why))
			default:
				list = append(list, t.whole())
			}
		}
		switch {
		case len(list) == 0:
		case s.Most > 0 && len(list) > s.Most:
			bad = bad.At("/"+s.Name, fmt.Sprintf("has %d, and a file %d at most", len(list), s.Most))
		case s.Key == "":
			root.Set(s.Name, list[0])
		default:
			root.Set(s.Name, list)
		}
	}
	if err := bad.Pointed(); err != nil {
		return nil, err
	}
	return blueprint.FileOf(root)
}

// whole is all that a file says of a thing.
func (t *thing) whole() *blueprint.Object {
	out := t.settings.Without()
	for _, p := range t.section.Parts {
		if !p.IsUsual(t.parts[p.Name]) {
			out.Set(p.Name, t.parts[p.Name])
		}
	}
	return out
}

// state tells a site's standing from any other: by ids, versions and settings.
func (st *standing) state() string {
	h := sha256.New()
	for _, s := range blueprint.Sections() {
		for _, t := range st.things[s.Name] {
			version, _ := t.view.Get("version")
			scheduled, _ := t.view.Get("scheduled_at")
			fmt.Fprintf(h, "%s %d %v %v\n", s.Name, t.id, version, scheduled)
			if t.settings != nil {
				h.Write(t.settings.JSON())
			}
			for _, p := range s.Parts {
				_ = json.NewEncoder(h).Encode(t.parts[p.Name]) // a hash takes everything
			}
		}
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}
