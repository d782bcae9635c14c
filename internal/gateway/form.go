package gateway

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/fault"
)

// A form says with bracket keys what JSON says with braces: data[email]=…, data[items][][price]=…, data[items][0][price]=…. It is read
// into a tree, which the operation's schema makes JSON of (form_fit.go); from there on it is a JSON body like any other.

const longestName = 500 // bytes of a key, brackets included

// pair is one key of a form with its value.
type pair struct{ key, value string }

// node is a part of a form: a text, a list, or an object.
type node struct {
	texts   []string // of a text; more than one where its key came again
	list    []*node
	members map[string]*node
	names   []string // of the members, as they came
}

func (n *node) isText() bool   { return n.texts != nil }
func (n *node) isList() bool   { return n.list != nil }
func (n *node) isObject() bool { return n.members != nil }

func newObject() *node { return &node{members: map[string]*node{}} }

// form is a tree under construction.
type form struct {
	root  *node
	count int // of its nodes
}

// decodeForm makes a tree of a form's pairs by the rules of Rack: a[]= adds an element, and a[][b]= begins a new one when b stands in the last
// one already. It takes keys only that mean one thing: no text that is an object, too, no unpaired brackets.
func decodeForm(pairs []pair) (*node, error) {
	f := form{root: newObject()}
	for _, p := range pairs {
		path, err := splitKey(p.key)
		if err != nil {
			return nil, err
		}
		if !utf8.ValidString(p.value) {
			return nil, badForm(path, "not valid UTF-8")
		}
		if what := f.put(f.root, path, p.value); what != "" {
			return nil, badForm(path, what)
		}
	}
	return f.root, nil
}

// put says what is wrong, or nothing. path[0] is a member of at.
func (f *form) put(at *node, path []string, text string) string {
	name, rest := path[0], path[1:]
	child, known := at.members[name]
	if !known {
		if f.count++; f.count > maxValues {
			return "too many values; at most 10000"
		}
		child = &node{}
		at.members[name], at.names = child, append(at.names, name)
	}
	switch {
	case len(rest) == 0:
		if known && !child.isText() {
			return "a text here, and more elsewhere in the form"
		}
		child.texts = append(child.texts, text)
		return ""
	case rest[0] == "":
		if known && !child.isList() {
			return "a list here, and something else elsewhere in the form"
		}
		return f.push(child, rest[1:], text)
	}
	if known && !child.isObject() {
		return "an object here, and something else elsewhere in the form"
	}
	if !known {
		child.members = map[string]*node{}
	}
	return f.put(child, rest, text)
}

// push adds to a list: a text, or a member to its last element or to a new one.
func (f *form) push(list *node, path []string, text string) string {
	if f.count++; f.count > maxValues {
		return "too many values; at most 10000"
	}
	if len(path) == 0 {
		list.list = append(list.list, &node{texts: []string{text}})
		return ""
	}
	if path[0] == "" {
		return "a list right in a list"
	}
	if n := len(list.list); n > 0 && list.list[n-1].isObject() && !list.list[n-1].has(path) {
		return f.put(list.list[n-1], path, text)
	}
	element := newObject()
	list.list = append(list.list, element)
	return f.put(element, path, text)
}

// has says whether there is something at a path of names already. A list has room for more.
func (n *node) has(path []string) bool {
	for _, name := range path {
		child, ok := n.members[name]
		if name == "" || !ok {
			return false
		}
		n = child
	}
	return true
}

// memberName is what a member may be called in a form. JSON that is sent under a form's name, as some tools do unasked, is none.
var memberName = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)

// splitKey reads data[items][][price] as data, items, "", price.
func splitKey(key string) ([]string, error) {
	bad := func(what string) ([]string, error) { return nil, badForm(nil, what) }
	if len(key) > longestName {
		return bad("a key of more than 500 bytes")
	}
	name, rest, nested := strings.Cut(key, "[")
	path := []string{name}
	for nested {
		inner, after, closed := strings.Cut(rest, "]")
		if !closed || after != "" && after[0] != '[' {
			return bad("a key whose brackets don't pair")
		}
		path = append(path, inner)
		if nested = after != ""; nested {
			rest = after[1:]
		}
	}
	for i, name := range path {
		if !memberName.MatchString(name) && (i == 0 || name != "") {
			return bad("a key that names no member; JSON is sent as Content-Type: application/json")
		}
	}
	if len(path) >= maxDepth {
		return bad("nested too deeply; at most 32 levels")
	}
	return path, nil
}

// urlencoded reads application/x-www-form-urlencoded, in its order.
func urlencoded(raw string) ([]pair, error) {
	var all []pair
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		if len(all) == maxValues {
			return nil, badForm(nil, "too many values; at most 10000")
		}
		key, value, _ := strings.Cut(part, "=")
		key, err := url.QueryUnescape(key)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil || strings.Contains(part, ";") {
			return nil, badForm(nil, "not well escaped")
		}
		all = append(all, pair{key, value})
	}
	return all, nil
}

// parts reads multipart/form-data, in its order.
func parts(raw []byte, boundary string) ([]pair, error) {
	var all []pair
	r := multipart.NewReader(bytes.NewReader(raw), boundary)
	for {
		p, err := r.NextRawPart()
		if err == io.EOF && bytes.Contains(raw, []byte("--"+boundary+"--")) { //nolint:errorlint // a cut body's error wraps it
			return all, nil
		}
		if err != nil {
			return nil, badForm(nil, "its parts are not well formed")
		}
		if p.FileName() != "" {
			return nil, badForm(nil, "files are not taken here")
		}
		if p.FormName() == "" || p.Header.Get("Content-Transfer-Encoding") != "" {
			return nil, badForm(nil, "a part without a name, or in a transfer encoding")
		}
		value, err := io.ReadAll(p)
		if err != nil {
			return nil, badForm(nil, "its parts are not well formed")
		}
		if len(all) == maxValues {
			return nil, badForm(nil, "too many values; at most 10000")
		}
		all = append(all, pair{p.FormName(), string(value)})
	}
}

func badForm(path []string, what string) error {
	at := ""
	for _, name := range path {
		if name == "" {
			name = "-" // of a list: its end
		}
		at += "/" + name
	}
	if len(at) > 200 {
		at = ""
	}
	return fault.New(fault.Invalid, "invalid_form", "%s", "The body is no form that this API reads: "+what+".").At(at, what)
}
