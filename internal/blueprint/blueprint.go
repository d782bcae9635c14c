// Package blueprint is the programme as code: a file that says how a site's loyalty programme, rewards and campaigns are set, so that they are
// reviewed, kept and carried from a test site to a live one as a program's source is.
//
// The file is YAML in the API's own words: its section programme has the members of PUT /loyalty/programs/{id}, each of rewards those of
// PUT /loyalty/programs/{id}/redemption_batches/{batch_id}, and so on. So there is one vocabulary, and a setting that the API learns is a setting of the
// file at once: no member is named here. What differs is that a file holds no ids of a database. Things are known by a name that stays (Section.Key),
// and what would name another by its id, as coupon_list_id, names it by that (coupon_list).
//
// The package reads, checks, compares and writes files. It knows neither HTTP nor a database; the gateway plans and applies.
package blueprint

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Format is the version of the file that this program reads and writes. What it does not know, it refuses.
const Format = "talkable-programme-1"

const (
	formatMember = "format"
	mostDepth    = 24 // of what is nested; the API takes a little more
	mostBytes    = 1 << 20
)

// File is a programme as code.
type File struct {
	Root *Object // with a member for each section that the file has

	at map[string]Position // of each value, by its JSON pointer; empty of what did not come from YAML
}

// Position is a place in a text, both counted from 1. The zero Position is unknown.
type Position struct{ Line, Column int }

// Section is what the file says of one section, a single object or a list of objects; nil: nothing.
func (f *File) Section(name string) any {
	v, _ := f.Root.Get(name)
	return v
}

// Programme is section programme as the API takes it, and whether there is one. It names nothing by an id, so it means the same everywhere.
func (f *File) Programme() ([]byte, bool) {
	o, ok := f.Section(Programme).(*Object)
	if !ok {
		return nil, false
	}
	return o.JSON(), true
}

// At is where the file has what a JSON pointer names, or the nearest that holds it.
func (f *File) At(pointer string) Position {
	for {
		if p, ok := f.at[pointer]; ok || pointer == "" {
			return p
		}
		pointer = pointer[:max(strings.LastIndexByte(pointer, '/'), 0)]
	}
}

// Finding is one thing that is wrong with a file.
type Finding struct {
	Pointer string // JSON pointer into the file; "" for all of it, or where it can't be read
	What    string
	Position
}

// Error says where it is as people write it: line 12, column 5: programme.tiers[1].name: must be a text.
func (f Finding) Error() string {
	out := f.What
	if place := Place(f.Pointer); place != "" {
		out = place + ": " + out
	}
	if f.Line > 0 {
		out = fmt.Sprintf("line %d, column %d: %s", f.Line, f.Column, out)
	}
	return out
}

// Findings are all that is wrong with a file, in its order.
type Findings []Finding

func (f Findings) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// orNil is no error where nothing was found.
func (f Findings) orNil() error {
	if len(f) == 0 {
		return nil
	}
	slices.SortStableFunc(f, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	return f
}

// Place is a JSON pointer as people write it: /programme/tiers/1/name is programme.tiers[1].name.
func Place(pointer string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		if _, err := strconv.Atoi(part); err == nil {
			fmt.Fprintf(&out, "[%s]", part)
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('.')
		}
		out.WriteString(part)
	}
	return out.String()
}

// under is the pointer of a member, or of an element.
func under(pointer, name string) string {
	return pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func element(pointer string, i int) string { return pointer + "/" + strconv.Itoa(i) }
