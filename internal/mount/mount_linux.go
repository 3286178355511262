// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// maxStacked is how many mounts on top of each other are removed from one path.
const maxStacked = 32

// MountAt looks at the topmost mount.
func (l *Linux) MountAt(path string) (*Info, error) {
	entry, err := topmost(path)
	if err != nil || entry == nil {
		return nil, err
	}
	info := Info{
		FSType:   entry.FSType,
		ReadOnly: hasOption(entry.Options, "ro"),
	}
	var stat unix.Stat_t
	statErr := unix.Stat(path, &stat)
	if entry.Major == loopMajor {
		info.Loop = entry.Minor
		info.Healthy = statErr == nil && !stopped(entry)
		return &info, nil
	}
	number, ok := deviceLoop(stat)
	if statErr != nil || !ok {
		return nil, fmt.Errorf("%q is a mount of %s: %w", path, entry.FSType, ErrNotLoop)
	}
	info.Loop, info.Block, info.Healthy = number, true, true
	return &info, nil
}

// MountsOf finds file systems by the device's number and device nodes by name and
// number.
func (l *Linux) MountsOf(number int) ([]string, error) {
	entries, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		return !shows(i, number), false
	})
	if err != nil {
		return nil, fmt.Errorf("reading the mount table: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		paths = append(paths, entry.Mountpoint)
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

func shows(entry *mountinfo.Info, number int) bool {
	if entry.Major == loopMajor {
		return entry.Minor == number
	}
	if filepath.Base(entry.Root) != "loop"+strconv.Itoa(number) {
		return false
	}
	var stat unix.Stat_t
	if err := unix.Stat(entry.Mountpoint, &stat); err != nil {
		return false
	}
	n, ok := deviceLoop(stat)
	return ok && n == number
}

// Mount calls mount(2); the kernel log has more than its error.
func (l *Linux) Mount(device, target, fsType string, options []string) error {
	flags, data, err := parseOptions(options)
	if err != nil {
		return err
	}
	err = unix.Mount(device, target, fsType, flags, data)
	switch {
	case errors.Is(err, unix.EUCLEAN), errors.Is(err, unix.EBADMSG):
		return fmt.Errorf("mounting %s %q: %w: %w", fsType, device, ErrUnclean, err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("mounting %q at %q: %w", device, target, ErrBusy)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("mounting %q: the kernel of this node has no file system %q", device, fsType)
	case err != nil:
		return fmt.Errorf("mounting %s %q at %q: %w; the node's kernel log may say why", fsType, device, target, err)
	}
	return nil
}

// Bind clones the mount, makes the clone read-only, and only then shows it.
func (l *Linux) Bind(source, target string, readOnly bool) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return fmt.Errorf("cloning the mount of %q: %w", source, err)
	}
	defer func() { _ = unix.Close(tree) }()
	if readOnly {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attr); err != nil {
			return fmt.Errorf("making the mount of %q read-only: %w; Linux 5.12 or newer is needed", source, err)
		}
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("bind-mounting %q at %q: %w", source, target, err)
	}
	return nil
}

// Unmount never touches a mount that is not of a loop device.
func (l *Linux) Unmount(path string) error {
	for range maxStacked {
		info, err := l.MountAt(path)
		if err != nil || info == nil {
			return err
		}
		err = unix.Unmount(path, unix.UMOUNT_NOFOLLOW)
		switch {
		case errors.Is(err, unix.EBUSY):
			return fmt.Errorf("unmounting %q: a process has files open there: %w", path, ErrBusy)
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT): // unmounted meanwhile
			continue
		case err != nil:
			return fmt.Errorf("unmounting %q: %w", path, err)
		}
	}
	return fmt.Errorf("unmounting %q: more than %d mounts on top of each other: %w", path, maxStacked, ErrBusy)
}

// Abandon detaches the mount; the kernel drops it when its last user is gone.
func (l *Linux) Abandon(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("detaching the broken mount %q: %w", path, err)
	}
	return nil
}

// topmost returns the mount at a path, nil if none.
func topmost(path string) (*mountinfo.Info, error) {
	resolved := Resolve(path)
	entries, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		return i.Mountpoint != resolved, false
	})
	if err != nil {
		return nil, fmt.Errorf("reading the mount table: %w", err)
	}
	if len(entries) == 0 {
		return nil, nil
	}
	return entries[len(entries)-1], nil
}

// stopped tells whether the kernel stopped writing to a file system because of
// errors: since Linux 6.15 it says so, before it made the file system read-only.
func stopped(entry *mountinfo.Info) bool {
	if hasOption(entry.VFSOptions, "ro") && !hasOption(entry.Options, "ro") {
		return true
	}
	return hasOption(entry.VFSOptions, "emergency_ro") || hasOption(entry.VFSOptions, "shutdown")
}

func hasOption(options, name string) bool {
	return slices.Contains(strings.Split(options, ","), name)
}
