package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// documented is the example of docs/programme.md.
func documented(t testing.TB) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/programme.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(page), "```yaml\n")
	example, _, ends := strings.Cut(rest, "```\n")
	if !begins || !ends {
		t.Fatal("docs/programme.md has no example")
	}
	return example
}

// TestProgrammeCommands takes the documented example from a file to a site, as its reader does: over HTTP with a key, and straight on the database.
func TestProgrammeCommands(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	environ := append(s.environ, "TALKABLE_SERVER="+s.demo.Server+"/", "TALKABLE_API_KEY="+makeSite(t, s, "code-cli"))
	file := filepath.Join(t.TempDir(), "programme.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ends := func(code int, want []string, args ...string) string {
		t.Helper()
		out, err := talkable(t, environ, append([]string{"programme"}, args...)...)
		var exit exitCode
		switch is := errors.As(err, &exit); {
		case code == 0 && err != nil, code == 2 && (!is || exit != 2), code == 1 && (err == nil || is && exit != 1):
			t.Errorf("%v ended with %v, want %d\n%s", args, err, code, out)
		}
		if err != nil {
			out += err.Error()
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%v says\n%s\nand not %q", args, out, w)
			}
		}
		return out
	}
	write(documented(t))
	ends(0, []string{"all is as it should be"}, "check", file)
	ends(2, []string{`+ programme "Club"`, `+ rewards "$5 off"`, `+ campaigns "Give and get"`}, "diff", file)
	ends(0, []string{`  1. create coupon_lists "Fives"`, `create campaigns "Give and get"`, "change campaigns \"Give and get\" links\n       claim_page: false → true", "Steps: 6; as they should be: 0. Members of the programme: 0."}, "plan", file)
	ends(1, []string{"Only yes is a yes", "Nothing was done"}, "apply", file)
	ends(2, nil, "diff", file, "--site", "code-cli")
	ends(0, []string{"done    create coupon_lists \"Fives\"", "done    change campaigns \"Give and get\" limits"}, "apply", file, "--yes", "--reason", "The first")
	if out := ends(0, nil, "diff", file, "--prune"); out != "" {
		t.Errorf("what was applied differs:\n%s", out)
	}
	ends(0, []string{"The site is what the file says. As they should be: 4."}, "plan", file, "--site", "code-cli")

	got := ends(0, []string{"# yaml-language-server: $schema=" + s.demo.Server + "/programme.schema.json\nformat: talkable-programme-1\n\nprogramme:\n  name: Club\n"}, "export")
	if straight := ends(0, nil, "export", "--site", "code-cli"); withoutFirst(straight) != withoutFirst(got) {
		t.Errorf("straight from the database it is\n%s", straight)
	}
	out := filepath.Join(t.TempDir(), "out.yaml")
	ends(0, nil, "export", "--out", out)
	if text, err := os.ReadFile(out); err != nil || string(text) != got {
		t.Errorf("--out wrote %q, %v", text, err)
	}
	write(strings.Replace(got, "threshold: 1000", "threshold: 900", 1))
	ends(2, []string{"~ programme \"Club\" tiers[Silver].threshold: 1000 → 900\n"}, "diff", file)
	ends(0, []string{"done    change programme \"Club\""}, "apply", file, "--yes", "--site", "code-cli", "--effective-at", "2099-01-01T00:00:00Z")
	ends(0, nil, "diff", file, "--effective-at", "2099-01-01T00:00:00Z")
	ends(1, []string{"is no moment like"}, "plan", file, "--effective-at", "tomorrow")

	write(strings.Replace(got, "  points_per_unit: 10\n", "  points_per_unit: -10\n  points_per_unit_: 10\n", 1))
	ends(1, []string{file + ":8:3: programme.points_per_unit_: there is no such member; did you mean points_per_unit?"}, "check", file)
	ends(1, []string{file + ":8:3: programme.points_per_unit_: there is no such member"}, "plan", file)
	write(strings.Replace(got, "  points_per_unit: 10\n", "  points_per_unit: -10\n", 1))
	ends(1, []string{file + ":7:3: programme.points_per_unit: must be 0 to 1000000"}, "apply", file, "--yes")
	write("format: talkable-programme-1\nprogramme:\n\tname: Club\n")
	ends(1, []string{file + ":3:1: "}, "check", file)
	ends(1, []string{"no such file"}, "plan", file+"x")
	if out := ends(0, nil, "schema"); !strings.Contains(out, `"title": "talkable programme"`) {
		t.Errorf("the schema: %.200s", out)
	}
	if _, err := talkable(t, s.environ, "programme", "export"); err == nil || !strings.Contains(err.Error(), "say which site") {
		t.Errorf("without a site: %v", err)
	}
}

func withoutFirst(text string) string {
	_, rest, _ := strings.Cut(text, "\n")
	return rest
}

// TestProgrammeSchema: what make generate wrote is what the code says.
func TestProgrammeSchema(t *testing.T) {
	t.Parallel()
	s, err := ownSchema()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../docs/programme.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != string(s.JSON()) {
		t.Error("docs/programme.schema.json is not what the operations say: make generate")
	}
}
