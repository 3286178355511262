// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mounttest

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// FreeLoop returns the lowest number.
func (h *Host) FreeLoop() (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lowestFree(), nil
}

func (h *Host) lowestFree() int {
	number := 0
	for _, used := h.loops[number]; used; _, used = h.loops[number] {
		number++
	}
	return number
}

// BindLoop claims direct I/O.
func (h *Host) BindLoop(number int, image string, size int64, b mount.Binding) error {
	file, err := h.Identify(image)
	if err != nil {
		return err
	}
	if file.Size < size {
		return fmt.Errorf("binding %q: it has %d bytes of %d", image, file.Size, size)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken > 0 {
		h.taken--
		h.loops[number] = loop{image: "somebody else's", binding: mount.Binding{Token: "other"}}
	}
	if _, used := h.loops[number]; used {
		return fmt.Errorf("binding %q to loop device %d: %w", image, number, mount.ErrLoopTaken)
	}
	b.Direct, b.Inode, b.Device = true, file.Inode, file.Device
	h.loops[number] = loop{image: image, binding: b, size: size}
	return nil
}

// LoopStatus never fails.
func (h *Host) LoopStatus(number int) (*mount.Binding, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, bound := h.loops[number]
	if !bound {
		return nil, nil
	}
	return &l.binding, nil
}

// HoldLoop is Open for a device that carries the token and ends a waiting release.
func (h *Host) HoldLoop(number int, token string) (letGo func(), err error) {
	h.mu.Lock()
	l, bound := h.loops[number]
	if bound && l.binding.Token == token {
		l.binding.Autoclear = false
		h.loops[number] = l
	}
	h.mu.Unlock()
	if !bound || l.binding.Token != token {
		return nil, fmt.Errorf("holding loop device %d: %w", number, mount.ErrReleased)
	}
	return h.Open(number), nil
}

// Open opens a device as any process may.
func (h *Host) Open(number int) (closeIt func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addOpened(number, 1)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.addOpened(number, -1)
		h.autoclear(number)
	}
}

func (h *Host) addOpened(number, more int) {
	if l, bound := h.loops[number]; bound {
		l.opened += more
		h.loops[number] = l
	}
}

// autoclear releases a device that waits for that and is not in use.
func (h *Host) autoclear(number int) {
	if l := h.loops[number]; l.binding.Autoclear && l.opened == 0 && len(h.mountsOf(number)) == 0 {
		delete(h.loops, number)
	}
}

// LoopsOf looks at all devices.
func (h *Host) LoopsOf(image mount.File, tokenPrefix string) ([]int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var numbers []int
	for number, l := range h.loops {
		if l.binding.Inode == image.Inode && l.binding.Device == image.Device && strings.HasPrefix(l.binding.Token, tokenPrefix) {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// UnbindLoop returns ErrBusy for a mounted device, and for an open one, which goes
// when it is closed.
func (h *Host) UnbindLoop(_ context.Context, number int, token string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, bound := h.loops[number]
	if !bound || l.binding.Token != token {
		return nil
	}
	if len(h.mountsOf(number)) > 0 {
		return fmt.Errorf("loop device %d is mounted: %w", number, mount.ErrBusy)
	}
	l.binding.Autoclear = true
	h.loops[number] = l
	h.autoclear(number)
	if l.opened > 0 {
		return fmt.Errorf("loop device %d is open: %w", number, mount.ErrBusy)
	}
	return nil
}

// ResizeLoop wants the file to be as large, and shrinks no mounted device.
func (h *Host) ResizeLoop(number int, image string, size int64) error {
	file, err := h.Identify(image)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	l, bound := h.loops[number]
	if !bound {
		return fmt.Errorf("loop device %d is not bound", number)
	}
	if file.Size < size {
		return fmt.Errorf("loop device %d: its image has %d bytes of %d", number, file.Size, size)
	}
	if size < l.size && len(h.mountsOf(number)) > 0 {
		return fmt.Errorf("loop device %d is mounted and larger than %d bytes: %w", number, size, mount.ErrBusy)
	}
	l.size = size
	h.loops[number] = l
	return nil
}

// Identify looks at the real file.
func (h *Host) Identify(image string) (mount.File, error) {
	info, err := os.Lstat(image)
	if err != nil {
		return mount.File{}, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return mount.File{}, fmt.Errorf("image %q is not a regular file", image)
	}
	return mount.File{Inode: stat.Ino, Device: uint64(stat.Dev), Size: stat.Size}, nil //nolint:unconvert // differs between systems
}

// Flush wants the file to exist.
func (h *Host) Flush(image string) error {
	_, err := os.Lstat(image)
	return err
}

// Blank refuses an image that is bound.
func (h *Host) Blank(image string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for number, l := range h.loops {
		if l.image == image {
			return fmt.Errorf("emptying image %q, which loop device %d shows: %w", image, number, mount.ErrBusy)
		}
	}
	delete(h.contents, image)
	return nil
}
