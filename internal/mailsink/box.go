package mailsink

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/talkable/talkable/internal/clock"
)

// box is the directory of mails; names sort by age.
type box struct {
	dir  string
	keep int

	mu    sync.Mutex
	names []string
	last  int64
}

func openBox(dir string, keep int) (*box, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	b := &box{dir: dir, keep: keep}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".eml") {
			b.names = append(b.names, e.Name())
		}
	}
	slices.Sort(b.names)
	return b, b.trim()
}

// put keeps a mail; whoever looks into the directory sees whole files only.
func (b *box) put(data []byte) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = max(b.last+1, clock.System().UnixMicro())
	name := fmt.Sprintf("%018d.eml", b.last)
	path := filepath.Join(b.dir, name)
	half := filepath.Join(b.dir, name+".part")
	if err := os.WriteFile(half, data, 0o600); err != nil {
		return "", err
	}
	if err := os.Rename(half, path); err != nil {
		return "", err
	}
	b.names = append(b.names, name)
	return path, b.trim()
}

// trim removes the oldest mails beyond those that are kept.
func (b *box) trim() error {
	for len(b.names) > b.keep {
		if err := os.Remove(filepath.Join(b.dir, b.names[0])); err != nil && !os.IsNotExist(err) {
			return err
		}
		b.names = b.names[1:]
	}
	return nil
}
