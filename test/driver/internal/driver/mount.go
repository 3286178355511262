// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// bind shows a folder at the target, which it makes. It can be repeated.
func bind(folder, target string, readOnly bool) error {
	if err := os.MkdirAll(target, 0o750); err != nil {
		return fmt.Errorf("making the target: %w", err)
	}
	mounted, err := mountinfo.Mounted(target)
	if err != nil {
		return fmt.Errorf("looking for mounts at %q: %w", target, err)
	}
	if !mounted {
		if err := unix.Mount(folder, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind-mounting %q at %q: %w", folder, target, err)
		}
	}
	same, err := sameFolder(folder, target)
	switch {
	case err != nil:
		return fmt.Errorf("looking at %q: %w", target, err)
	case !same:
		return fmt.Errorf("something else is mounted at %q", target)
	case !readOnly:
		return nil
	}
	// The kernel takes this flag only for a bind mount that is there.
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("making %q read-only: %w", target, err)
	}
	return nil
}

// sameFolder tells whether two paths lead to one folder, as those of a bind mount do.
func sameFolder(a, b string) (bool, error) {
	first, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	second, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(first, second), nil
}

// unbind unmounts and removes a target. It can be repeated.
func unbind(target string) error {
	mounted, err := mountinfo.Mounted(target)
	if err == nil && mounted {
		err = unix.Unmount(target, unix.UMOUNT_NOFOLLOW)
	}
	if err == nil {
		err = os.Remove(target)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unmounting %q: %w", target, err)
	}
	return nil
}
