// Package internal_test holds the rules that no single package can keep: who may import whom, and what events look like on the wire.
package internal_test

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "github.com/talkable/talkable/"

// shared packages may be used by every module; they import no module.
var shared = []string{"agenda", "asset", "audit", "blueprint", "bus", "clock", "criteria", "failpoint", "fault", "idempotency", "money", "outcall", "postgres", "site", "timeline", "web"}

// modules own a schema each, but for page, which owns nothing. Of this repository they see the shared packages, and contracts: packages
// named …event and …api.
var modules = []string{"customer", "referral", "loyalty", "analytics", "notify", "gateway", "page"}

// TestWalls prints the import that breaks the rule.
func TestWalls(t *testing.T) {
	for pkg, imports := range imports(t) {
		inner, ok := strings.CutPrefix(pkg, root+"internal/")
		if !ok {
			continue
		}
		top := strings.Split(inner, "/")[0]
		for _, imported := range imports {
			to, ok := strings.CutPrefix(imported, root)
			if !ok {
				continue
			}
			if rule := forbidden(top, inner, strings.TrimPrefix(to, "internal/")); rule != "" {
				t.Errorf("internal/%s imports %s: %s", inner, to, rule)
			}
		}
	}
}

func forbidden(top, pkg, to string) string {
	toTop := strings.Split(to, "/")[0]
	contract := strings.HasSuffix(to, "event") || strings.HasSuffix(to, "api")
	switch {
	case strings.HasSuffix(pkg, "event"):
		return "an event contract imports nothing of this repository"
	case strings.HasSuffix(pkg, "api") && !slices.Contains(shared, toTop) && !contract:
		return "a contract imports shared packages and contracts only"
	case toTop == top:
		return ""
	case slices.Contains(shared, top) && !slices.Contains(shared, toTop):
		return "a shared package knows no module"
	case slices.Contains(modules, top) && !slices.Contains(shared, toTop) && !contract:
		return "a module sees shared packages and contracts of others, nothing else"
	}
	return ""
}

// TestNoTestCodeInTheBinary keeps package testing and our test helpers out of what is shipped.
func TestNoTestCodeInTheBinary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", root+"cmd/talkable").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		if pkg == "testing" || strings.HasPrefix(pkg, root) && strings.HasSuffix(pkg, "test") {
			t.Errorf("the binary links %s", pkg)
		}
	}
}

// TestFilesAreShort: a file that needs scrolling twice is two nouns.
func TestFilesAreShort(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		if lines := bytes.Count(text, []byte{'\n'}); lines > 400 {
			t.Errorf("%s has %d lines; at most 400", path, lines)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// imports maps each package of this repository to what its non-test files import.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, root+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		words := strings.Fields(s.Text())
		all[words[0]] = words[1:]
	}
	if len(all) < 20 {
		t.Fatalf("go list named only %d packages", len(all))
	}
	return all
}
