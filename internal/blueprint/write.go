package blueprint

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Write is a file as YAML: the same file always as the same bytes. about are lines of comment ahead of it.
func (f *File) Write(about ...string) []byte {
	w := &writer{}
	for _, line := range about {
		w.WriteString("# " + line + "\n")
	}
	for _, name := range f.order() {
		if v, ok := f.Root.Get(name); ok {
			if name != formatMember {
				w.WriteByte('\n')
			}
			w.member(name, v, 0)
		}
	}
	return []byte(w.String())
}

// order is that of the sections, whatever the order in which the file was put together.
func (f *File) order() []string {
	names := []string{formatMember}
	for _, s := range sections {
		names = append(names, s.Name)
	}
	for name := range f.Root.All() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

type writer struct{ strings.Builder }

const step = 2 // blanks of a level

func (w *writer) indent(n int) { w.WriteString(strings.Repeat(" ", n)) }

// member writes name: value, from where its line is indented to.
func (w *writer) member(name string, v any, indent int) {
	w.indent(indent)
	w.rest(name, v, indent)
}

func (w *writer) rest(name string, v any, indent int) {
	w.WriteString(scalar(name) + ":")
	switch v := v.(type) {
	case *Object:
		if v.Len() == 0 {
			w.WriteString(" {}\n")
			return
		}
		w.WriteByte('\n')
		for name, of := range v.All() {
			w.member(name, of, indent+step)
		}
	case []any:
		if line, ok := flow(v); ok {
			w.WriteString(" " + line + "\n")
			return
		}
		w.WriteByte('\n')
		for _, e := range v {
			w.element(e, indent+step)
		}
	case string:
		if block, ok := literal(v, indent+step); ok {
			w.WriteString(" " + block)
			return
		}
		w.WriteString(" " + scalar(v) + "\n")
	default:
		w.WriteString(" " + scalar(v) + "\n")
	}
}

// element writes - value.
func (w *writer) element(v any, indent int) {
	w.indent(indent)
	w.WriteString("- ")
	switch v := v.(type) {
	case *Object:
		if v.Len() == 0 {
			w.WriteString("{}\n")
			return
		}
		first := true
		for name, of := range v.All() {
			if first {
				w.rest(name, of, indent+step)
			} else {
				w.member(name, of, indent+step)
			}
			first = false
		}
	case []any: // of lists in lists the API has none; JSON is YAML, too
		w.Write(JSON(v))
		w.WriteByte('\n')
	default:
		w.WriteString(scalar(v) + "\n")
	}
}

const lineLength = 100

// flow is a list of short plain values in one line.
func flow(list []any) (string, bool) {
	parts := make([]string, len(list))
	for i, e := range list {
		switch e.(type) {
		case *Object, []any:
			return "", false
		}
		parts[i] = scalar(e)
	}
	line := "[" + strings.Join(parts, ", ") + "]"
	return line, len(line) <= lineLength
}

// scalar writes a value that is neither list nor object.
func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprint(v)
	case json.Number:
		return v.String()
	case string:
		if plain(v) {
			return v
		}
		return quoted(v)
	}
	panic(fmt.Sprintf("a file holds no %T", v))
}

// plainText is what YAML takes for a text without quotes, in lists as well, and with room to spare: it begins with a letter, and has nothing that means something.
var plainText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 _./()$%+-]*$`)

// taken are words that mean something else, to some version of YAML.
var taken = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

func plain(s string) bool {
	return plainText.MatchString(s) && !strings.HasSuffix(s, " ") && !slices.Contains(taken, strings.ToLower(s))
}

// quoted is a text in double quotes; whatever can't be seen is escaped.
func quoted(s string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out.WriteRune('\\')
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteString(`\t`)
		case unicode.IsPrint(r) && r != '\ufeff':
			out.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// literal is a text of several lines as a block, where a block shows it as it is.
func literal(s string, indent int) (string, bool) {
	body, ends := strings.CutSuffix(s, "\n")
	if !strings.Contains(body, "\n") || strings.HasSuffix(body, "\n") || strings.HasPrefix(body, "\n") {
		return "", false
	}
	lines := strings.Split(body, "\n")
	for _, line := range lines {
		if strings.TrimSpace(line) != line || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
			return "", false
		}
	}
	out := "|-\n"
	if ends {
		out = "|\n"
	}
	for _, line := range lines {
		if line != "" {
			out += strings.Repeat(" ", indent) + line
		}
		out += "\n"
	}
	return out, true
}
