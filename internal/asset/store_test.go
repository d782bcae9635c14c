package asset

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/freeport"
)

// stores are all kinds that there are.
func stores(t *testing.T) map[string]Store {
	t.Helper()
	return map[string]Store{"disk": Folder(filepath.Join(t.TempDir(), "assets")), "S3": s3(t)}
}

// TestStores holds both kinds of store to the same promises.
func TestStores(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if err := s.Check(ctx); err != nil {
				t.Fatal(err)
			}
			content := made(t, "png", 30, 20)
			key := Key(7, Fingerprint(content))
			if _, err := s.Get(ctx, key); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("before it is there: %v", err)
			}
			if err := s.Delete(ctx, key); err != nil {
				t.Errorf("deleting nothing: %v", err)
			}
			var all sync.WaitGroup
			for range 8 { // the same at once
				all.Go(func() {
					if err := s.Put(ctx, key, content); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if got, err := s.Get(ctx, key); err != nil || !bytes.Equal(got, content) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
			if _, err := s.Get(ctx, Key(8, Fingerprint(content))); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("another site has it, too: %v", err)
			}
			for _, bad := range []string{"", "7", "../etc/passwd", "7/../8/" + Fingerprint(content), "7/" + strings.Repeat("A", 64), "0/" + Fingerprint(content)} {
				_, err := s.Get(ctx, bad)
				if s.Put(ctx, bad, content) == nil || s.Delete(ctx, bad) == nil || err == nil || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%q is taken for a key", bad)
				}
			}
			if err := s.Delete(ctx, key); err != nil {
				t.Error(err)
			}
			if _, err := s.Get(ctx, key); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after it is gone: %v", err)
			}
		})
	}
}

func TestStoresThatCannotBeUsed(t *testing.T) {
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := s3(t).(*bucket)
	for name, address := range map[string]string{
		"a file":         "file://" + file,
		"nobody listens": "s3://id:secret@127.0.0.1:1/bucket?region=us-east-1&tls=false",
		"a wrong secret": "s3://" + theServer.id + ":wrong@" + theServer.address + "/assets?region=us-east-1&tls=false",
		"no bucket":      "s3://" + theServer.id + ":" + theServer.secret + "@" + theServer.address + "/none?region=us-east-1&tls=false",
	} {
		s, err := Open(address)
		if err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		if err := s.Check(short); err == nil {
			t.Errorf("%s: %s can be used", name, s)
		}
		if err := s.Put(short, Key(1, Fingerprint(nil)), nil); err == nil {
			t.Errorf("%s: it was kept", name)
		}
		cancel()
		if strings.Contains(s.String(), "secret") || strings.Contains(s.String(), theServer.secret) {
			t.Errorf("%s shows its secret", s)
		}
	}
	if good.String() != "s3://"+theServer.address+"/assets/some/" {
		t.Errorf("the place is %s", good)
	}
}

func TestOpen_refuses(t *testing.T) {
	for _, address := range []string{"", "assets", "/assets", "http://host/x", "file://host/x", "file:///", "s3://host/bucket", "s3://id@host/bucket", "s3://id:secret@host",
		"s3://id:secret@/bucket", "s3://id:secret@host/bucket?regoin=x", "s3://id:secret@host/%zz"} {
		if s, err := Open(address); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, %v", address, s, err)
		}
	}
}

// theServer is an S3-compatible server of these tests' own: versitygw, which checks signatures, over a folder.
var theServer struct {
	sync.Once
	address, id, secret string
	stop                func()
	err                 error
}

func s3(t *testing.T) Store {
	t.Helper()
	theServer.Do(func() { theServer.err = startS3() })
	if theServer.err != nil {
		t.Fatal(theServer.err)
	}
	s, err := Open("s3://" + theServer.id + ":" + theServer.secret + "@" + theServer.address + "/assets/some?region=us-east-1&tls=false")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMain(m *testing.M) {
	code := m.Run()
	if theServer.stop != nil {
		theServer.stop()
	}
	os.Exit(code)
}

// program finds versitygw: in the path, or where go install puts it.
func program() (string, error) {
	if path, err := exec.LookPath("versitygw"); err == nil {
		return path, nil
	}
	out, err := exec.Command("go", "env", "GOPATH").Output()
	path := filepath.Join(strings.TrimSpace(string(out)), "bin", "versitygw")
	if _, e := os.Stat(path); err != nil || e != nil {
		return "", errors.New("the S3 tests need versitygw; `make tools` installs it: go install github.com/versity/versitygw/cmd/versitygw@v1.8.0")
	}
	return path, nil
}

func startS3() error {
	path, err := program()
	if err != nil {
		return err
	}
	address, _, err := freeport.Take()
	if err != nil {
		return err
	}
	theServer.address, theServer.id, theServer.secret = address, "tester", "a-long-enough-password"
	dir, err := os.MkdirTemp("", "talkable-s3-")
	if err != nil {
		return err
	}
	for _, folder := range []string{"buckets/assets", "meta"} { // a bucket is a folder
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o750); err != nil {
			return err
		}
	}
	server := exec.Command(path, "--port", theServer.address, "--access", theServer.id, "--secret", theServer.secret, "--region", "us-east-1",
		"posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "buckets"))
	var said bytes.Buffer
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	theServer.stop = func() {
		_ = server.Process.Kill()
		<-ended
		_ = os.RemoveAll(dir)
	}
	for range 600 {
		if conn, err := net.Dial("tcp", theServer.address); err == nil {
			return conn.Close()
		}
		select {
		case err := <-ended:
			ended <- err
			return errors.New("versitygw ended: " + said.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.New("versitygw doesn't listen")
}
