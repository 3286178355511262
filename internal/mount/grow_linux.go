// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// NeedsGrowUnmounted compares the superblock with the device, and asks whether this
// process has the capability that the kernel wants for growing a mounted ext4.
func (l *Linux) NeedsGrowUnmounted(device, fsType string) (bool, error) {
	if fsType != Ext4 {
		return false, nil
	}
	if mounted, err := growsMounted(); err != nil || mounted {
		return false, err
	}
	return growable(device)
}

// growable is an error for growth that would have to move what the file system
// holds: resize2fs may fail half-way in that and leave damage.
func growable(device string) (bool, error) {
	g, size, err := readGeometry(device)
	if err != nil {
		return false, err
	}
	target := g.largest(size, os.Getpagesize())
	if g.blocks >= target {
		return false, nil
	}
	if !g.reaches(target) {
		return false, fmt.Errorf("the ext4 on %q was made too small to grow unmounted from %d to %d blocks: copy its files to a new volume, or let a process with CAP_SYS_RESOURCE grow it mounted",
			device, g.blocks, target)
	}
	return true, nil
}

func growsMounted() (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, fmt.Errorf("reading the capabilities of this process: %w", err)
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0, nil
}

// GrowUnmounted does nothing to a file system that fills its device already.
func (l *Linux) GrowUnmounted(ctx context.Context, device, fsType string) error {
	if fsType != Ext4 {
		return fmt.Errorf("no tool grows an unmounted file system %q", fsType)
	}
	if err := unused(device); err != nil {
		return err
	}
	if needs, err := growable(device); err != nil || !needs {
		return err
	}
	if err := must(ctx, "resize2fs", device); err != nil {
		return err
	}
	return syncDevice(device)
}

// Grow does nothing to a file system that fills its device already.
func (l *Linux) Grow(ctx context.Context, device, target, fsType string) error {
	switch fsType {
	case Ext4:
		return growExt4(ctx, device)
	case XFS:
		return must(ctx, "xfs_growfs", "-d", target)
	default:
		return fmt.Errorf("no tool grows file system %q", fsType)
	}
}

func growExt4(ctx context.Context, device string) error {
	g, size, err := readGeometry(device)
	if err != nil || g.blocks >= g.largest(size, os.Getpagesize()) {
		return err
	}
	err = must(ctx, "resize2fs", device)
	if err != nil && strings.Contains(err.Error(), "Permission denied") {
		return fmt.Errorf("%w; the kernel lets a mounted ext4 grow only for a process with CAP_SYS_RESOURCE, which a privileged container has, and only without errors on it; without that it grows when the volume is staged next, after all pods that use it here have ended", err)
	}
	return err
}
