package asset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// disk is a folder: a folder a site, a file a content. Replicas that share a disk share the store.
type disk string

func (d disk) path(key string) (string, error) {
	return filepath.Join(string(d), filepath.FromSlash(key)), checkKey(key)
}

// Put writes beside and renames, so that a file is there whole or not at all, also after a power failure.
func (d disk) Put(_ context.Context, key string, content []byte) (err error) {
	path, err := d.path(key)
	if err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(content)) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("keep asset: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("keep asset: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("keep asset: %w", err), os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Get reads a file.
func (d disk) Get(_ context.Context, key string) ([]byte, error) {
	path, err := d.path(key)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read asset: %w", err)
	}
	return content, nil
}

// Delete removes a file.
func (d disk) Delete(_ context.Context, key string) error {
	path, err := d.path(key)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget asset: %w", err)
	}
	return nil
}

// Check makes the folder and writes into it.
func (d disk) Check(context.Context) error {
	if err := os.MkdirAll(string(d), 0o750); err != nil {
		return fmt.Errorf("folder of assets: %w", err)
	}
	f, err := os.CreateTemp(string(d), ".check-*")
	if err != nil {
		return fmt.Errorf("folder of assets: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func (d disk) String() string { return string(d) }
