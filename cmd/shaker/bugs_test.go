package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestBugsApply keeps refactorings from disarming a planted bug: each one's texts are there once, and what it makes of them compiles.
// The compiler's own export data stands for what a package imports, so that only the edited ones are looked at.
func TestBugsApply(t *testing.T) {
	t.Parallel()
	root, err := sourceRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := listPackages(t, root)
	names := map[string]bool{}
	for _, b := range bugs {
		if names[b.Name] || b.Name == "" || b.Says == "" || len(b.Edits) == 0 {
			t.Errorf("bug %q: its name is another's, or it lacks something", b.Name)
		}
		names[b.Name] = true
		files := map[string]string{}
		if err := b.apply(root, files); err != nil {
			t.Error(err)
			continue
		}
		edited := map[string]bool{}
		for name := range files {
			if filepath.Ext(name) == ".go" {
				edited[filepath.Join(root, filepath.Dir(name))] = true
			}
		}
		for dir := range edited {
			if err := all.check(root, dir, files); err != nil {
				t.Errorf("bug %s: what it makes of %s does not compile: %v", b.Name, dir, err)
			}
		}
	}
}

// listed are packages as the go command knows them, by import path.
type listed map[string]*struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

func listPackages(t *testing.T, root string) listed {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-C", root, "-tags", "failpoint", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", "./internal/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	all := listed{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		p := new(struct {
			ImportPath, Dir, Export string
			GoFiles                 []string
		})
		if err := d.Decode(p); err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	return all
}

// check compiles the package of a directory, some of whose files are edited, as far as its types go.
func (all listed) check(root, dir string, edited map[string]string) error {
	set := token.NewFileSet()
	imports := importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) {
		if p := all[path]; p != nil {
			return os.Open(p.Export)
		}
		return nil, fmt.Errorf("%s is not imported by the sources as they are", path)
	})
	for _, p := range all {
		if p.Dir != dir {
			continue
		}
		var files []*ast.File
		for _, name := range p.GoFiles {
			path := filepath.Join(dir, name)
			var text any
			if rel, err := filepath.Rel(root, path); err == nil && edited[rel] != "" {
				text = edited[rel]
			}
			f, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		_, err := (&types.Config{Importer: imports}).Check(p.ImportPath, set, files, nil)
		return err
	}
	return errors.New("no package of the sources")
}

func TestOverlay(t *testing.T) {
	t.Parallel()
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
