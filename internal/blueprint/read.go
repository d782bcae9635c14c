package blueprint

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Read reads a file, and says of each mistake where it is. It takes that part of YAML which means what it looks like: no anchors, tags, merged keys or
// second documents, and numbers in plain digits. A JSON document is such YAML, too. What the members are is for Schema.Check to say.
func Read(text []byte) (*File, error) {
	switch {
	case len(text) > mostBytes:
		return nil, Findings{{What: fmt.Sprintf("has more than %d bytes", mostBytes)}}
	case !utf8.Valid(text):
		return nil, Findings{{What: "is not in UTF-8"}}
	}
	parsed, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, Findings{syntax(err)}
	}
	f := &File{at: map[string]Position{}}
	r := reader{file: f}
	var root any
	for _, doc := range parsed.Docs {
		switch {
		case doc.Body == nil:
		case root != nil:
			r.wrong("", doc.Body, "a second document; a file is one")
		default:
			root = r.value("", doc.Body, 0)
		}
	}
	if len(r.found) > 0 {
		return nil, r.found.orNil()
	}
	return f, f.begin(root)
}

// FileOf is a file that is known already, as the API sends and takes it.
func FileOf(root any) (*File, error) {
	f := &File{}
	return f, f.begin(root)
}

// begin takes the root, which has to say of what format it is.
func (f *File) begin(root any) error {
	o, ok := root.(*Object)
	if !ok {
		return Findings{{What: "must be an object that begins with format: " + Format}}
	}
	f.Root = o
	format, _ := o.Get(formatMember)
	if format != Format {
		at := f.At("/" + formatMember)
		return Findings{{"/" + formatMember, "must be " + Format + "; this program reads no other", at}}
	}
	return nil
}

// syntax is what the parser says, without the picture that it draws.
func syntax(err error) Finding {
	if e, ok := errors.AsType[yaml.Error](err); ok {
		return Finding{What: e.GetMessage(), Position: where(e.GetToken())}
	}
	return Finding{What: err.Error()}
}

func where(t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{}
	}
	return Position{t.Position.Line, t.Position.Column}
}

type reader struct {
	file  *File
	found Findings
}

func (r *reader) wrong(pointer string, n ast.Node, what string) {
	r.found = append(r.found, Finding{pointer, what, positionOf(n)})
}

// positionOf is where a node begins: a mapping where its first key does.
func positionOf(n ast.Node) Position {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return positionOf(n.Values[0])
		}
	case *ast.MappingValueNode:
		return where(n.Key.GetToken())
	}
	return where(n.GetToken())
}

// value is what a node says, kept with its place.
func (r *reader) value(pointer string, n ast.Node, depth int) any {
	if _, keyed := r.file.at[pointer]; !keyed { // a member is where its key is
		r.file.at[pointer] = positionOf(n)
	}
	if depth > mostDepth {
		r.wrong(pointer, n, fmt.Sprintf("is nested more than %d levels deep", mostDepth))
		return nil
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return r.object(pointer, n.Values, depth)
	case *ast.MappingValueNode:
		return r.object(pointer, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		list := []any{}
		for i, e := range n.Values {
			list = append(list, r.value(element(pointer, i), e, depth+1))
		}
		return list
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.BoolNode:
		return n.Value
	case *ast.NullNode:
		return nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return r.number(pointer, n)
	}
	r.wrong(pointer, n, "anchors, aliases and tags are not read here: say it in full")
	return nil
}

// plainNumber is a number as JSON writes it. YAML has many more ways, of which 010 alone is two numbers, by the version of YAML.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

func (r *reader) number(pointer string, n ast.Node) any {
	text := n.GetToken().Value
	if !plainNumber.MatchString(text) {
		r.wrong(pointer, n, fmt.Sprintf("%s is not a number in plain digits; in quotes it is a text", text))
	}
	return json.Number(text)
}

func (r *reader) object(pointer string, values []*ast.MappingValueNode, depth int) any {
	o := &Object{}
	for _, v := range values {
		name, ok := keyOf(v.Key)
		if !ok {
			r.wrong(pointer, v.Key, "a member must have a plain name")
			continue
		}
		at := under(pointer, name)
		if o.index(name) >= 0 {
			r.wrong(at, v.Key, "is there twice")
			continue
		}
		r.file.at[at] = where(v.Key.GetToken())
		o.members = append(o.members, member{name, r.value(at, v.Value, depth+1)})
	}
	return o
}

// keyOf is the name of a member. One that looks like a number is still a name.
func keyOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, n.Value != ""
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		text := n.GetToken().Value
		return text, !strings.ContainsAny(text, "\n")
	}
	return "", false
}
