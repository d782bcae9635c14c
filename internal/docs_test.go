package internal_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// testNamed is how a row names a test.
var testNamed = regexp.MustCompile("`([a-z/]+) (Test\\w+)(?:/([^`]+))?`")

// feature is a row of the tables in docs/talkable.md and docs/conformance.md.
type feature struct{ number, state, why string }

// featuresOf reads the rows that have a number; the others are headings and other tables.
func featuresOf(text string) []feature {
	var out []feature
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || cells[0] != "" || cells[5] != "" {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if _, err := strconv.Atoi(cells[1]); err == nil {
			out = append(out, feature{cells[1], cells[3], cells[4]})
		}
	}
	return out
}

// featureFaults says what is wrong with the rows: tests are the sources of each package's tests.
func featureFaults(rows []feature, numbers []int, tests map[string]string) []string {
	var out []string
	fault := func(f feature, text string, args ...any) {
		out = append(out, f.number+": "+fmt.Sprintf(text, args...))
	}
	times := map[string]int{}
	for _, f := range rows {
		times[f.number]++
		named := testNamed.FindAllStringSubmatch(f.why, -1)
		switch f.state {
		case "works":
			if len(named) == 0 {
				fault(f, "works, and no test says so")
			}
		case "partly", "not yet", "not applicable":
			if strings.Trim(testNamed.ReplaceAllString(f.why, ""), " ,.:") == "" {
				fault(f, "no reason")
			}
		default:
			fault(f, "%q is no state", f.state)
		}
		if strings.Count(f.why, " Test") != len(named) {
			fault(f, "a test isn't named as `package Test`")
		}
		for _, n := range named {
			pkg, test, part := n[1], n[2], n[3]
			source := tests[pkg]
			if !strings.Contains(source, "\nfunc "+test+"(") {
				fault(f, "package %s has no %s", pkg, test)
			} else if part != "" && !strings.Contains(source, strconv.Quote(part)) {
				fault(f, "%s has no part %q", test, part)
			}
		}
	}
	for _, n := range numbers {
		if times[strconv.Itoa(n)] != 1 {
			out = append(out, fmt.Sprintf("%d: %d rows", n, times[strconv.Itoa(n)]))
		}
		delete(times, strconv.Itoa(n))
	}
	for n := range times {
		out = append(out, n+": not a row of this table")
	}
	return out
}

// TestTablesNameTheirTests: what the documents say that works is shown by a test that exists, and each row of the reference is there.
func TestTablesNameTheirTests(t *testing.T) {
	tests := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
		tests[strings.TrimPrefix(pkg, "internal/")] += string(source) + "\n"
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for document, table := range map[string]struct {
		last int
		has  func(n int) bool
	}{
		"../docs/talkable.md":    {226, func(n int) bool { return n < 178 || n > 189 }}, // without the editor of pages
		"../docs/conformance.md": {146, func(n int) bool { return n%3 != 0 }},           // every third number was never given
	} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		var numbers []int
		for n := 1; n <= table.last; n++ {
			if table.has(n) {
				numbers = append(numbers, n)
			}
		}
		for _, f := range featureFaults(featuresOf(string(text)), numbers, tests) {
			t.Errorf("%s: %s", document, f)
		}
	}
}

// TestFeatureFaultsAreSeen checks the check.
func TestFeatureFaultsAreSeen(t *testing.T) {
	tests := map[string]string{"web": "\nfunc TestA(t *testing.T) {\n\tt.Run(\"one, two\", nil)\n}\n", "cmd/talkable": "\nfunc TestB(t *testing.T) {}\n"}
	for rows, want := range map[string]string{
		"| 1 | a | works | `web TestA/one, two`, `cmd/talkable TestB` |": "",
		"| 1 | a | not yet | no pages |":                                 "",
		"| 1 | a | partly | half: `web TestA` |":                         "",
		"| | **API** | | |\n| 1 | a | not applicable | elsewhere |":      "",
		"| # | feature | state | why |":                                  "1: 0 rows",
		"| 1 | a | not yet | b |\n| 1 | a | not yet | b |":               "1: 2 rows",
		"| 1 | a | not yet | b |\n| 2 | a | not yet | b |":               "2: not a row of this table",
		"| 1 | a | perhaps | b |":                                        `1: "perhaps" is no state`,
		"| 1 | a | works | surely |":                                     "1: works, and no test says so",
		"| 1 | a | partly | `web TestA` |":                               "1: no reason",
		"| 1 | a | not yet | |":                                          "1: no reason",
		"| 1 | a | works | `web TestB` |":                                "1: package web has no TestB",
		"| 1 | a | works | `web TestA/three` |":                          `1: TestA has no part "three"`,
		"| 1 | a | works | `web TestA`, web TestA |":                     "1: a test isn't named as `package Test`",
	} {
		if got := strings.Join(featureFaults(featuresOf(rows), []int{1}, tests), "; "); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", rows, got, want)
		}
	}
}
