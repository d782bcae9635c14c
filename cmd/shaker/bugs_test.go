package main

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestBugsApply keeps refactorings from disarming a planted bug: each one's texts are there once, and what it makes of them compiles.
// Bugs that don't get in each other's way are compiled together.
func TestBugsApply(t *testing.T) {
	root, err := sourceRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var together []map[string]string
	names := map[string]bool{}
	for _, b := range bugs {
		if names[b.Name] || b.Name == "" || b.Says == "" || len(b.Edits) == 0 {
			t.Errorf("bug %q: its name is another's, or it lacks something", b.Name)
		}
		names[b.Name] = true
		if err := b.apply(root, map[string]string{}); err != nil {
			t.Error(err)
			continue
		}
		placed := false
		for i, files := range together {
			grown := maps.Clone(files)
			if placed = !b.meets(files) && b.apply(root, grown) == nil; placed {
				together[i] = grown
				break
			}
		}
		if !placed {
			files := map[string]string{}
			if err := b.apply(root, files); err != nil {
				t.Fatal(err)
			}
			together = append(together, files)
		}
	}
	t.Logf("%d bugs in %d builds", len(bugs), len(together))
	for _, files := range together {
		overlay, err := writeOverlay(root, t.TempDir(), files)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("go", "build", "-C", root, "-tags", "failpoint", "-overlay", overlay, "./internal/...").CombinedOutput()
		if err != nil {
			t.Errorf("what the bugs make of the sources does not compile: %s", out)
		}
	}
}

// meets says whether the bug edits one of the files.
func (b bug) meets(files map[string]string) bool {
	for _, e := range b.Edits {
		if _, ok := files[e.File]; ok {
			return true
		}
	}
	return false
}

func TestOverlay(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	path, err := writeOverlay(root, dir, map[string]string{"a/b.go": "package b"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	copied, err := os.ReadFile(got.Replace[filepath.Join(root, "a/b.go")])
	if err != nil || string(copied) != "package b" {
		t.Errorf("the copy holds %q: %v", copied, err)
	}
}
