package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/blueprint"
)

// coded is a site that is kept as code, by its operations.
type coded struct {
	shop
	t testing.TB
}

func newCoded(t *testing.T, s *served, slug string) coded {
	return coded{newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, slug)}), t}
}

type codedStep struct {
	Action, Section, Name, Status string
	Part                          *string
	Changes                       []struct {
		Place         string
		Before, After json.RawMessage
	}
	Members   *int64
	Effects   []string
	Rehearsed bool
	Problem   *struct {
		Status       int
		Code, Detail string
		Errors       []struct{ Pointer, Detail string }
	}
}

// says is a step in a line.
func (s codedStep) says() string {
	out := s.Action + " " + s.Section
	if s.Name != "" {
		out += " " + s.Name
	}
	if s.Part != nil {
		out += "/" + *s.Part
	}
	for _, c := range s.Changes {
		out += fmt.Sprintf("; %s %s→%s", c.Place, c.Before, c.After)
	}
	return out
}

type codedPlan struct {
	State     string
	Steps     []codedStep
	Unchanged int
	Members   int64
	Warnings  []string
}

// says are its steps, each in a line.
func (p codedPlan) says() string {
	lines := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		lines[i] = s.says()
	}
	return strings.Join(lines, "\n")
}

func (c coded) export() []byte {
	c.t.Helper()
	var out struct{ File json.RawMessage }
	c.must("GET", "/api/v2/programme", nil, &out)
	root, err := blueprint.ParseJSON(out.File)
	if err != nil {
		c.t.Fatal(err)
	}
	f, err := blueprint.FileOf(root)
	if err != nil {
		c.t.Fatal(err)
	}
	return f.Write()
}

func (c coded) send(operation, file string, more object, out any) error {
	c.t.Helper()
	f, err := blueprint.Read([]byte(file))
	if err != nil {
		c.t.Fatal(err)
	}
	body := object{"file": f.Root}
	for k, v := range more {
		body[k] = v
	}
	return c.call(c.t.Context(), "POST", "/api/v2/programme/"+operation, body, out)
}

func (c coded) plan(file string, more object) codedPlan {
	c.t.Helper()
	var out struct{ Plan codedPlan }
	if err := c.send("plan", file, more, &out); err != nil {
		c.t.Fatal(err)
	}
	return out.Plan
}

func (c coded) apply(file string, more object) codedPlan {
	c.t.Helper()
	var out struct {
		Complete bool
		Plan     codedPlan
	}
	if err := c.send("apply", file, more, &out); err != nil {
		c.t.Fatal(err)
	}
	for _, s := range out.Plan.Steps {
		if s.Status != "done" {
			c.t.Errorf("%s: %s %+v", s.says(), s.Status, s.Problem)
		}
	}
	return out.Plan
}

// everything says of an export what of the schema it doesn't have: a setting that the API learned is to be carried, too.
func everything(t *testing.T, export []byte) {
	t.Helper()
	s, err := ownSchema()
	if err != nil {
		t.Fatal(err)
	}
	f, err := blueprint.Read(export)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(f); err != nil {
		t.Errorf("an export is not as its schema says: %v", err)
	}
	var doc struct {
		Properties map[string]json.RawMessage
		Defs       map[string]struct{ Properties map[string]json.RawMessage } `json:"$defs"`
	}
	if err := json.Unmarshal(s.JSON(), &doc); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, d := range doc.Defs {
		for name := range d.Properties {
			names[name] = true
		}
	}
	for name, raw := range doc.Properties {
		names[name] = true
		var section struct {
			Properties map[string]json.RawMessage
			Items      struct{ Properties map[string]json.RawMessage }
		}
		if json.Unmarshal(raw, &section) == nil {
			for name := range section.Properties {
				names[name] = true
			}
			for name := range section.Items.Properties {
				names[name] = true
			}
		}
	}
	for name := range names {
		if !strings.Contains(string(export), name+":") {
			t.Errorf("%s can be said, and is not in the export of a site that says everything: add it to testdata/everything.yaml", name)
		}
	}
}

func differing(a, b []byte) string {
	var out []string
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			out = append(out, "- "+x[i], "+ "+y[i])
		}
	}
	return strings.Join(out, "\n")
}
