// Package asset keeps files of merchants: it looks at images (image.go), and stores their bytes on a disk (disk.go) or in an S3-compatible
// service (s3.go), each under the hash of its content. Who owns a file, and what it is called, the gateway knows.
package asset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
)

// Store keeps bytes under keys made by Key. It is safe for use by several processes.
type Store interface {
	// Put keeps content; what is there already under the key is the same, and stays.
	Put(ctx context.Context, key string, content []byte) error
	// Get reads content, of at most MaxBytes. The error is fs.ErrNotExist where there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// Delete forgets content; none is fine.
	Delete(ctx context.Context, key string) error
	// Check says whether the store can be used, for operators.
	Check(ctx context.Context) error
	// String names the place, without its secrets.
	String() string
}

// Fingerprint is the hash under which content is kept, in hex.
func Fingerprint(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Key is where a site's content is kept. Sites share nothing, so that nobody learns from a hash what others have.
func Key(siteID int64, fingerprint string) string { return fmt.Sprintf("%d/%s", siteID, fingerprint) }

var keyForm = regexp.MustCompile(`^[1-9][0-9]{0,18}/[0-9a-f]{64}$`)

func checkKey(key string) error {
	if !keyForm.MatchString(key) {
		return fmt.Errorf("%q is no key of an asset", key)
	}
	return nil
}

// Open makes the store that an address names: file:///var/lib/talkable/assets, or s3://ID:SECRET@host/bucket/prefix?region=…&tls=false. It does
// no I/O.
func Open(address string) (Store, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("the address of the assets can't be read") // the parser's error shows the secret
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" || u.Path == "" || u.Path == "/" {
			return nil, fmt.Errorf("the address of the assets must be file:///a/folder")
		}
		return disk(u.Path), nil
	case "s3":
		return newBucket(u)
	}
	return nil, fmt.Errorf("the address of the assets must begin with file:// or s3://")
}

// Folder is a store in a folder of this machine.
func Folder(path string) Store { return disk(path) }
