package blueprint_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/blueprint"
)

const begin = "format: talkable-programme-1\n"

// Each mistake is told with its place, so that an editor can go there.
func TestRead_says_where(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":          {"", "must be an object that begins with format: talkable-programme-1"},
		"a list":           {"- a\n", "must be an object that begins with"},
		"another format":   {"format: talkable-programme-2\n", "line 1, column 1: format: must be talkable-programme-1"},
		"no format":        {"programme:\n  name: Club\n", "format: must be talkable-programme-1"},
		"twice":            {begin + "programme:\n  name: Club\n  name: Pub\n", "line 4, column 3"},
		"an anchor":        {begin + "programme: &a\n  name: Club\n", "line 2"},
		"an alias":         {begin + "programme:\n  name: &a Club\n  status: *a\n", "line 3, column 9: programme.name: anchors, aliases and tags are not read here"},
		"a tag":            {begin + "programme:\n  name: !!str 5\n", "anchors, aliases and tags are not read"},
		"octal":            {begin + "programme:\n  points_per_unit: 010\n", "line 3, column 20: programme.points_per_unit: 010 is not a number in plain digits"},
		"underscores":      {begin + "programme:\n  points_per_unit: 1_000\n", "1_000 is not a number in plain digits"},
		"infinity":         {begin + "programme:\n  points_per_unit: .inf\n", "not a number in plain digits"},
		"two documents":    {begin + "---\n" + begin, "line 3, column 1: a second document"},
		"not closed":       {begin + "programme: {name: Club\n", "line 2"},
		"bad indentation":  {begin + "programme:\n  name: Club\n status: active\n", "line 4"},
		"too deep":         {begin + "a: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "\n", "nested more than 24 levels deep"},
		"too large":        {begin + strings.Repeat("# blank\n", 200_000), "has more than 1048576 bytes"},
		"not UTF-8":        {begin + "a: \xff\n", "is not in UTF-8"},
		"a list for a key": {begin + "? [a]\n: b\n", "line 3, column 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := blueprint.Read([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A text is a text where YAML of another day would have seen a boolean, a date, or a number in base sixty; a comment is nothing.
func TestRead_means_what_it_looks_like(t *testing.T) {
	f, err := blueprint.Read([]byte(begin + `# a comment
programme:
  a: no # Norway
  b: 2026-01-01
  c: 12:30
  d: "5"
  e: 5
  f: 7.50
  g: ~
  h: [true, "true", x]
  i: {j: k}
  "5": five
  l: |
    two
    lines
`))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := f.Programme()
	want := `{"a":"no","b":"2026-01-01","c":"12:30","d":"5","e":5,"f":7.50,"g":null,"h":[true,"true","x"],"i":{"j":"k"},"5":"five","l":"two\nlines\n"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if at := f.At("/programme/h/2"); at.Line != 11 || at.Column != 21 {
		t.Errorf("the third of h is at %+v", at)
	}
	if at := f.At("/programme/h/2/nothing/such"); at.Line != 11 {
		t.Errorf("the nearest of what isn't there is at %+v", at)
	}
}

// Whatever is written is read again as it was, and written as the same bytes.
func TestWrite_reads_back(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := blueprint.NewObject()
		root.Set("format", blueprint.Format)
		for _, name := range rapid.SliceOfN(words, 0, 4).Draw(t, "sections") {
			root.Set(name, value(t, 0))
		}
		f, err := blueprint.FileOf(root)
		if err != nil {
			t.Fatal(err)
		}
		text := f.Write("about")
		back, err := blueprint.Read(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if got := back.Write("about"); string(got) != string(text) {
			t.Fatalf("written again it is\n%s\nand was\n%s", got, text)
		}
		for name, v := range root.All() {
			if got := blueprint.JSON(back.Section(name)); string(got) != string(blueprint.JSON(v)) {
				t.Fatalf("%s: %s became %s by\n%s", name, blueprint.JSON(v), got, text)
			}
		}
	})
}

var words = rapid.OneOf(rapid.StringMatching(`[a-z_]{1,8}`), rapid.StringN(1, 12, -1), rapid.SampledFrom([]string{
	"yes", "no", "5", "0x10", "1e5", "2026-01-01", "a: b", "a #b", "# a", "- a", "null", "~", "!a", "&a", "*a", "{a}", "[a]", "'", `"`, "\\", "%a", "@a", "`a", " a", "a ", "?", "? a",
	"a\nb", "a\nb\n", "a\n\nb", "\na", "a\n\n", "a\n b", "a\tb", "\u0085", "\u2028", "\ufeff", "é", "🙂", "<<", "=", ".inf", "12:30", "---", "...", "a,b", "---\na\n---", "\x00"}))

func value(t *rapid.T, depth int) any {
	switch kind := rapid.IntRange(0, 6).Draw(t, "kind"); {
	case kind == 0 && depth < 4:
		o := blueprint.NewObject()
		for _, name := range rapid.SliceOfN(words, 0, 3).Draw(t, "names") {
			o.Set(name, value(t, depth+1))
		}
		return o
	case kind == 1 && depth < 4:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			list = append(list, value(t, depth+1))
		}
		return list
	case kind == 2:
		return rapid.Bool().Draw(t, "bool")
	case kind == 3:
		return nil
	default:
		return words.Draw(t, "text")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(begin + "programme:\n  name: Club\n  tiers:\n    - name: Gold\n      threshold: 5\n"))
	f.Add([]byte(begin + "a: &x [*x]\n"))
	f.Add([]byte("{\"format\":\"talkable-programme-1\"}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := blueprint.Read(text)
		if err != nil {
			return
		}
		if _, err := blueprint.Read(file.Write()); err != nil {
			t.Errorf("%q was read, and %q is not: %v", text, file.Write(), err)
		}
	})
}
