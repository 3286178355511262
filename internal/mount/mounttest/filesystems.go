// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mounttest

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// device returns what a device node shows.
func (h *Host) device(path string) (int, loop, error) {
	number, err := strconv.Atoi(strings.TrimPrefix(path, h.devices+"/loop"))
	if err != nil {
		return 0, loop{}, fmt.Errorf("%q is no loop device: %w", path, err)
	}
	l, bound := h.loops[number]
	if !bound {
		return 0, loop{}, fmt.Errorf("loop device %d is not bound", number)
	}
	return number, l, nil
}

// Inspect knows what SetContent and Format said.
func (h *Host) Inspect(_ context.Context, device string) (mount.Content, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, l, err := h.device(device)
	if err != nil {
		return mount.Content{}, err
	}
	switch content := h.contents[l.image]; content {
	case "":
		return mount.Content{Blank: true}, nil
	case Damaged:
		return mount.Content{}, nil
	default:
		return mount.Content{Filesystem: content}, nil
	}
}

// Format returns ErrNotBlank for whatever is not blank.
func (h *Host) Format(_ context.Context, device, fsType string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, l, err := h.device(device)
	if err != nil {
		return err
	}
	if h.contents[l.image] != "" {
		return fmt.Errorf("formatting %q: %w", device, mount.ErrNotBlank)
	}
	h.contents[l.image], h.sizes[l.image] = fsType, l.size
	return nil
}

// Check returns ErrBusy for a mounted device and ErrUnclean for torn growth.
func (h *Host) Check(_ context.Context, device, fsType string, depth mount.Depth) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, err := h.unmounted(device, fsType)
	if err != nil {
		return err
	}
	if depth != mount.Routine {
		h.thorough++
	}
	if depth == mount.Mending {
		delete(h.torn, l.image)
	}
	if h.torn[l.image] {
		return fmt.Errorf("checking %q: %w", device, mount.ErrUnclean)
	}
	return nil
}

// NeedsGrowUnmounted is false unless ForbidGrowMounted was called.
func (h *Host) NeedsGrowUnmounted(device, fsType string) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, err := h.unmounted(device, fsType)
	return err == nil && h.timid && h.sizes[l.image] < l.size, err
}

// GrowUnmounted refuses a mounted device and a torn file system.
func (h *Host) GrowUnmounted(_ context.Context, device, fsType string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, err := h.unmounted(device, fsType)
	if err != nil {
		return err
	}
	if h.torn[l.image] {
		return fmt.Errorf("growing %q: %w", device, mount.ErrUnclean)
	}
	h.sizes[l.image] = l.size
	return nil
}

// unmounted returns ErrBusy for a mounted device.
func (h *Host) unmounted(device, fsType string) (loop, error) {
	number, l, err := h.device(device)
	if err != nil {
		return loop{}, err
	}
	if len(h.mountsOf(number)) > 0 {
		return loop{}, fmt.Errorf("looking at %q: %w", device, mount.ErrBusy)
	}
	return l, h.has(l, fsType)
}

// Grow wants the file system to be mounted at the target.
func (h *Host) Grow(_ context.Context, device, target, fsType string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	number, l, err := h.device(device)
	if err != nil {
		return err
	}
	if e := h.top(target); e == nil || e.info.Loop != number {
		return fmt.Errorf("growing %q, which is not mounted at %q", device, target)
	}
	if err := h.has(l, fsType); err != nil {
		return err
	}
	if h.timid && h.sizes[l.image] < l.size {
		return fmt.Errorf("growing %q while it is mounted: permission denied", device)
	}
	h.sizes[l.image] = l.size
	return nil
}

func (h *Host) has(l loop, fsType string) error {
	if content := h.contents[l.image]; content != fsType {
		return fmt.Errorf("image %q holds %q, not %s", l.image, content, fsType)
	}
	return nil
}

// Usage says that a file system of a hundred bytes is half full.
func (h *Host) Usage(path string) (mount.Usage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.top(path) == nil {
		return mount.Usage{}, fmt.Errorf("reading the usage of %q: %w", path, fs.ErrNotExist)
	}
	return mount.Usage{TotalBytes: 100, UsedBytes: 50, AvailableBytes: 50, TotalInodes: 10, UsedInodes: 1, AvailableInodes: 9}, nil
}

// DeviceSize is what the device was bound or resized to.
func (h *Host) DeviceSize(device string) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, l, err := h.device(device)
	return l.size, err
}
