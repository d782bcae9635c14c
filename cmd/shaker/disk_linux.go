package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// disk is a file system in memory that can be made full at once: it shrinks to what it holds.
type disk struct{ path, options string }

// smallDisk mounts one for the owner of the cluster, which only root may do.
func smallDisk(dir, cluster string) (*disk, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("only root can mount a small disk")
	}
	var st syscall.Stat_t
	if err := syscall.Stat(cluster, &st); err != nil {
		return nil, err
	}
	d := &disk{path: filepath.Join(dir, "small"), options: fmt.Sprintf("mode=0700,uid=%d,gid=%d", st.Uid, st.Gid)}
	if err := os.Mkdir(d.path, 0o700); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", d.path, "tmpfs", 0, "size=2g,"+d.options); err != nil {
		return nil, fmt.Errorf("mount a small disk: %w", err)
	}
	return d, nil
}

// fill leaves no room; room gives it back.
func (d *disk) fill() error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.path, &st); err != nil {
		return err
	}
	for extra := range uint64(64) { // it may have grown since
		size := (st.Blocks - st.Bfree + extra) * uint64(st.Bsize)
		if err := syscall.Mount("tmpfs", d.path, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d,%s", size, d.options)); err == nil {
			return nil
		}
	}
	return errors.New("the small disk does not shrink")
}

func (d *disk) room() error {
	return syscall.Mount("tmpfs", d.path, "tmpfs", syscall.MS_REMOUNT, "size=2g,"+d.options)
}

// close unmounts it; keep leaves what it held in its place.
func (d *disk) close(keep bool) error {
	if !keep {
		return syscall.Unmount(d.path, syscall.MNT_DETACH)
	}
	if out, err := exec.Command("cp", "-a", d.path, d.path+".kept").CombinedOutput(); err != nil {
		return fmt.Errorf("keep what is on the small disk: %w: %s", err, out)
	}
	return errors.Join(syscall.Unmount(d.path, 0), os.Remove(d.path), os.Rename(d.path+".kept", d.path))
}
