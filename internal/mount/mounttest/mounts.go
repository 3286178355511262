// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mounttest

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// MountAt knows no foreign mounts.
func (h *Host) MountAt(path string) (*mount.Info, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.top(path); e != nil {
		return &e.info, nil
	}
	return nil, nil
}

func (h *Host) top(path string) *entry {
	for _, e := range slices.Backward(h.mounts) {
		if e.path == path {
			return &e
		}
	}
	return nil
}

// MountsOf lists mounts and bound device nodes.
func (h *Host) MountsOf(number int) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mountsOf(number), nil
}

func (h *Host) mountsOf(number int) []string {
	var paths []string
	for _, e := range h.mounts {
		if e.info.Loop == number {
			paths = append(paths, e.path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Mount wants the target to exist and the image to hold the file system.
func (h *Host) Mount(device, target, fsType string, options []string) error {
	if err := mount.CheckOptions(options); err != nil {
		return err
	}
	if _, err := os.Lstat(target); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	number, l, err := h.device(device)
	if err := errors.Join(err, h.has(l, fsType)); err != nil {
		return err
	}
	h.mounts = append(h.mounts, entry{target, mount.Info{Loop: number, FSType: fsType, ReadOnly: mount.ReadOnly(options), Healthy: true}})
	return nil
}

// Bind shows a device node or a mounted directory.
func (h *Host) Bind(source, target string, readOnly bool) error {
	if _, err := os.Lstat(target); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if number, _, err := h.device(source); err == nil {
		h.mounts = append(h.mounts, entry{target, mount.Info{Loop: number, Block: true, Healthy: true}})
		return nil
	}
	e := h.top(source)
	if e == nil {
		return fmt.Errorf("bind-mounting %q, where nothing is mounted", source)
	}
	info := e.info
	info.ReadOnly = info.ReadOnly || readOnly
	h.mounts = append(h.mounts, entry{target, info})
	return nil
}

// Unmount removes all mounts at a path.
func (h *Host) Unmount(path string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mounts = slices.DeleteFunc(h.mounts, func(e entry) bool { return e.path == path })
	for number := range h.loops {
		h.autoclear(number)
	}
	return nil
}

// Abandon is Unmount here.
func (h *Host) Abandon(path string) error { return h.Unmount(path) }
