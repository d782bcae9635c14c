package gateway

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/talkable/talkable/internal/blueprint"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

// planner finds the steps from what a site has to what a file says. It changes nothing: each step is rehearsed.
type planner struct {
	asker
	ctx   context.Context // of rehearsals
	site  *standing
	file  *blueprint.File
	prune bool
	from  *time.Time // when the programme's change takes effect; nil: at once

	moves     []*fileStep
	unchanged int
	warnings  []string
	bad       *fault.Error
}

var errInvalidProgramme = fault.New(fault.Invalid, "invalid_programme", "The file can't be applied.")

// plan finds the steps. What is wrong with the file is one error, with all its places.
func (p *planner) plan() error {
	p.bad = errInvalidProgramme
	for _, s := range blueprint.Sections() {
		switch v := p.file.Section(s.Name).(type) {
		case *blueprint.Object:
			if err := p.one(s, "/"+s.Name, v); err != nil {
				return err
			}
		case []any:
			for i, e := range v {
				o, _ := e.(*blueprint.Object)
				if err := p.one(s, "/"+s.Name+"/"+strconv.Itoa(i), o); err != nil {
					return err
				}
			}
		}
	}
	if p.prune {
		sections := blueprint.Sections()
		slices.Reverse(sections) // nothing is ended that something else still uses
		for _, s := range sections {
			if err := p.prunes(s); err != nil {
				return err
			}
		}
	}
	for i, m := range p.moves {
		m.Step = i + 1
	}
	return p.bad.Pointed()
}

// one plans what the file says of one thing.
func (p *planner) one(s *blueprint.Section, at string, o *blueprint.Object) error {
	parts := make([]string, len(s.Parts))
	for i, part := range s.Parts {
		parts[i] = part.Name
	}
	own, _ := blueprint.Tidy(o.Without(parts...)).(*blueprint.Object)
	if own == nil {
		own = blueprint.NewObject()
	}
	name := o.Text(s.Key)
	t := p.site.find(s, name)
	m := &fileStep{section: s, at: at, body: own, stepJSON: stepJSON{Section: s.Name, Name: name}}
	if s.Key == "" {
		m.Name = o.Text("name")
	}
	switch {
	case p.site.shared[s.Name][name]:
		p.wrong(m.pointer(""), fmt.Sprintf("two of the site's %s that are in use are called so; give one of them another name", s.Name))
		return nil
	case t != nil && t.why != "":
		p.wrong(m.pointer(""), "no file can say what it is on the site: "+t.why)
		return nil
	case s.Of != "" && p.site.programme() == nil && p.file.Section(s.Of) == nil:
		p.wrong(m.pointer(""), "needs a programme, which neither the site nor the file has")
		return nil
	case t == nil:
		m.Action, m.op, m.Effects = stepCreate, s.Create, []string{}
		if err := p.create(m); err != nil {
			return err
		}
	default:
		m.Action, m.op, m.id, m.Effects = stepChange, s.Replace, t.id, []string{s.Effect}
		if err := p.change(m, t); err != nil {
			return err
		}
	}
	for i := range s.Parts {
		if err := p.part(m, &s.Parts[i], t, o); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) create(m *fileStep) error {
	m.Changes = []changeJSON{}
	if m.section.Name == blueprint.Programme && p.from != nil {
		p.bad = p.bad.At("/effective_at", "is for changes; a programme begins at once")
	}
	_, err := p.rehearse(m)
	p.moves = append(p.moves, m)
	return err
}

// change plans a step if the thing would be another afterwards. What the API makes of the file is compared, so what it fills in is no difference.
func (p *planner) change(m *fileStep, t *thing) error {
	before, err := p.before(t)
	if err != nil {
		return err
	}
	if blueprint.Same(before, m.body) {
		p.unchanged++
		return nil
	}
	answer, err := p.rehearse(m)
	if err != nil {
		return err
	}
	after := m.body
	if answer != nil {
		view, _ := answer.Get(m.section.One)
		shown, _ := view.(*blueprint.Object)
		if after, err = p.site.schema.Settings(m.section, nil, shown, p.site.names); err != nil {
			return err
		}
		if moves, ok := shown.Get("tier_moves"); ok {
			m.moving(moves.(*blueprint.Object))
		}
	}
	if m.differs(blueprint.Diff(before, after)); len(m.Changes) == 0 {
		p.unchanged++
		return nil
	}
	p.moves = append(p.moves, m)
	if m.section.Name == blueprint.Programme {
		if err := p.foresees(m, t); err != nil {
			return err
		}
		return p.dated(m, t)
	}
	return p.supersedes(m, t)
}

// supersedes warns that a version which is scheduled won't come, because of the one that the step publishes.
func (p *planner) supersedes(m *fileStep, t *thing) error {
	if m.section.Versions == "" {
		return nil
	}
	page, err := p.get(p.ctx, m.section.Versions, p.site.params(m.section, t.id), url.Values{"limit": {"1"}})
	if err != nil {
		return err
	}
	list, _ := page.Get("versions")
	all, _ := list.([]any)
	if len(all) == 0 {
		return nil
	}
	if newest, _ := all[0].(*blueprint.Object); newest.Text("state") == "scheduled" {
		p.warnings = append(p.warnings, fmt.Sprintf("the version of %q that is scheduled for %s is superseded", m.Name, newest.Text("effective_at")))
	}
	return nil
}

// before is what a thing is compared with: of a programme whose change is scheduled for the time that is asked for, what is scheduled.
func (p *planner) before(t *thing) (*blueprint.Object, error) {
	at, scheduled := scheduledAt(t)
	if !scheduled || p.from == nil || !at.Equal(p.from.Truncate(time.Microsecond)) {
		return t.settings, nil
	}
	answer, err := p.get(p.ctx, "getScheduledLoyaltyProgram", p.site.params(t.section, t.id), nil)
	if err != nil {
		return nil, err
	}
	view, _ := answer.Get(t.section.One)
	shown, _ := view.(*blueprint.Object)
	return p.site.schema.Settings(t.section, nil, shown, p.site.names)
}

func scheduledAt(t *thing) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339Nano, t.view.Text("scheduled_at"))
	return at, err == nil
}

// dated is a change of the programme with the time at which it takes effect.
func (p *planner) dated(m *fileStep, t *thing) error {
	at, scheduled := scheduledAt(t)
	switch {
	case scheduled && p.from == nil:
		p.warnings = append(p.warnings, fmt.Sprintf("a change of the programme is scheduled for %s: then it replaces what is applied now", at.UTC().Format(time.RFC3339)))
	case scheduled && !at.Equal(p.from.Truncate(time.Microsecond)):
		p.warnings = append(p.warnings, fmt.Sprintf("the change of the programme that is scheduled for %s is given up for this one", at.UTC().Format(time.RFC3339)))
	}
	if p.from == nil {
		return nil
	}
	m.body = m.body.With("effective_at", p.from.UTC().Format(time.RFC3339Nano))
	m.Effects = append(m.Effects, "takes effect at "+p.from.UTC().Format(time.RFC3339)+"; all else in the file does at once")
	_, err := p.rehearse(m)
	return err
}

// part plans settings of a thing that are set apart. of is the thing's own step, t is nil where it makes it.
func (p *planner) part(of *fileStep, part *blueprint.Part, t *thing, o *blueprint.Object) error {
	said, _ := o.Get(part.Name)
	want, _ := blueprint.Tidy(said).(*blueprint.Object)
	m := &fileStep{section: of.section, part: part, op: part.Replace, at: of.at, id: of.id,
		stepJSON: stepJSON{Action: stepChange, Section: of.Section, Name: of.Name, Part: &part.Name, Effects: []string{part.Effect}}}
	before := part.UsualSettings()
	if t != nil {
		before = t.parts[part.Name]
	}
	if want == nil && said != nil { // an empty object: as if nothing was ever set
		want = part.UsualSettings()
	}
	if want == nil {
		if !p.prune || part.IsUsual(before) {
			return nil
		}
		want, m.Action = part.UsualSettings(), stepReset
	}
	if blueprint.Same(before, want) {
		return nil
	}
	m.body = want
	after := want
	answer, err := p.rehearse(m)
	if err != nil {
		return err
	}
	if answer != nil {
		view, _ := answer.Get(part.Answer)
		shown, _ := view.(*blueprint.Object)
		if after, err = p.site.schema.Settings(of.section, part, shown, p.site.names); err != nil {
			return err
		}
	}
	if m.differs(blueprint.Diff(before, after)); len(m.Changes) > 0 {
		p.moves = append(p.moves, m)
	}
	return nil
}

// prunes ends what the file doesn't name any more. Of a section that the file doesn't have it says nothing.
func (p *planner) prunes(s *blueprint.Section) error {
	list, ok := p.file.Section(s.Name).([]any)
	if !ok {
		return nil
	}
	kept := map[string]bool{}
	for _, e := range list {
		o, _ := e.(*blueprint.Object)
		kept[o.Text(s.Key)] = true
	}
	for _, t := range p.site.things[s.Name] {
		if t.over || kept[t.name] {
			continue
		}
		if s.Retire == nil {
			p.warnings = append(p.warnings, fmt.Sprintf("%q of %s is not in the file, and stays: nothing ends one", t.name, s.Name))
			continue
		}
		m := &fileStep{section: s, op: s.Replace, id: t.id, stepJSON: stepJSON{Action: stepRetire, Section: s.Name, Name: t.name, Effects: []string{s.Effect}}}
		if t.why != "" {
			p.wrong("/file/"+s.Name, fmt.Sprintf("doesn't name %q, and no file can end it: %s", t.name, t.why))
			continue
		}
		m.body = s.Retired(t.settings)
		m.differs(blueprint.Diff(t.settings, m.body))
		p.moves = append(p.moves, m)
		if _, err := p.rehearse(m); err != nil {
			return err
		}
	}
	return nil
}

// rehearse tries a step, if it needs nothing that an earlier one makes. Its answer is nil where it wasn't tried, or was refused; what is wrong is kept.
func (p *planner) rehearse(m *fileStep) (*blueprint.Object, error) {
	body, missing := p.site.request(m)
	for _, ref := range missing {
		if !p.coming(ref) {
			p.wrong(m.pointer(ref.Pointer), fmt.Sprintf("neither the site nor the file has %q in %s, or the site has two", ref.Name, ref.Section))
		}
	}
	if m.Rehearsed = len(missing) == 0 && p.site.reaches(m); !m.Rehearsed {
		return nil, nil
	}
	answer, refused, err := p.ask(p.ctx, m.op, p.site.params(m.section, m.id), nil, body)
	if err != nil {
		return nil, err
	}
	if refused != nil {
		for _, f := range m.fields(refused) {
			p.wrong(f.Pointer, f.Detail)
		}
	}
	return answer, nil
}

// coming says that the file makes what is named.
func (p *planner) coming(ref blueprint.Missing) bool {
	list, _ := p.file.Section(ref.Section).([]any)
	s := blueprint.SectionOf(ref.Section)
	return !p.site.shared[ref.Section][ref.Name] && slices.ContainsFunc(list, func(e any) bool {
		o, _ := e.(*blueprint.Object)
		return o.Text(s.Key) == ref.Name
	})
}

func (p *planner) wrong(pointer, what string) { p.bad = p.bad.At(pointer, what) }

// request is a step's body as the API takes it.
func (st *standing) request(m *fileStep) (*blueprint.Object, []blueprint.Missing) {
	body, missing := blueprint.Body(m.body, st.ids)
	if m.part != nil && m.part.Body != "" {
		whole := blueprint.NewObject()
		whole.Set(m.part.Body, body)
		body = whole
	}
	return body, missing
}

// reaches says whether what stands in the path of a step is there already.
func (st *standing) reaches(m *fileStep) bool {
	return (m.section.Of == "" || st.programme() != nil) && (m.id > 0 || m.Action == stepCreate && m.part == nil)
}

// reports are the steps as they are answered, with a status; "": with that which they have.
func (p *planner) reports(status string) []stepJSON {
	out := make([]stepJSON, len(p.moves))
	for i, m := range p.moves {
		if status != "" {
			m.Status = status
		}
		out[i] = m.stepJSON
	}
	return out
}

// problemOf is a refusal inside an answer.
func (m *fileStep) problemOf(p *web.Problem) *problemJSON {
	return &problemJSON{Status: p.Status, Code: p.Code, Detail: p.Detail, Errors: m.fields(p)}
}
