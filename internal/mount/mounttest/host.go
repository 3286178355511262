// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mounttest has a mount.Host in memory, and one that crashes.
package mounttest

import (
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// Damaged is the content of an image whose mkfs was interrupted.
const Damaged = "damaged"

// Host keeps loop devices, mounts and the content of images in memory. Images are
// real files, so that a real pool can be used with it. The zero value is not ready;
// use New.
type Host struct {
	mu       sync.Mutex
	devices  string
	loops    map[int]loop
	contents map[string]string // by image: a file system, Damaged; absent: blank
	sizes    map[string]int64  // of file systems in bytes, by image
	torn     map[string]bool   // images on which growing was interrupted
	timid    bool              // file systems grow unmounted only
	thorough int               // checks of whole file systems
	mounts   []entry           // in the order of mounting
	taken    int               // BindLoop calls that shall find the device taken
}

type loop struct {
	image   string
	binding mount.Binding
	size    int64
	opened  int // how often it is open, mounts apart
}

type entry struct {
	path string
	info mount.Info
}

var _ mount.Host = (*Host)(nil)

// New returns a host without devices and mounts.
func New() *Host {
	return &Host{devices: "/fake-dev", loops: map[int]loop{}, contents: map[string]string{}, sizes: map[string]int64{}, torn: map[string]bool{}}
}

// ForbidGrowMounted lets file systems grow only while they are not mounted, as
// ext4 does for a process without CAP_SYS_RESOURCE.
func (h *Host) ForbidGrowMounted() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timid = true
}

// TearGrowth leaves an image as an interrupted GrowUnmounted does: nothing but a
// Mending check accepts it.
func (h *Host) TearGrowth(image string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.torn[image] = true
}

// FilesystemSize returns the size in bytes of the file system in an image.
func (h *Host) FilesystemSize(image string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sizes[image]
}

// ThoroughChecks counts the checks that looked at a whole file system.
func (h *Host) ThoroughChecks() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.thorough
}

// SetContent gives an image a content: a file system, a partition table, Damaged.
func (h *Host) SetContent(image, content string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.contents[image] = content
}

// Content returns an image's content; empty if it is blank.
func (h *Host) Content(image string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.contents[image]
}

// TakeNext lets the next n calls of BindLoop lose the device to somebody else.
func (h *Host) TakeNext(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken = n
}

// Break lets the file system mounted at a path answer no more.
func (h *Host) Break(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.mounts {
		if h.mounts[i].path == path {
			h.mounts[i].info.Healthy = false
		}
	}
}

// Reboot forgets what a reboot forgets: devices and mounts.
func (h *Host) Reboot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.loops, h.mounts = map[int]loop{}, nil
}

// Bound returns the images, sorted, that are bound to loop devices, one by one.
func (h *Host) Bound() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	images := make([]string, 0, len(h.loops))
	for _, l := range h.loops {
		images = append(images, l.image)
	}
	slices.Sort(images)
	return images
}

// LoopPath is below a directory that does not exist.
func (h *Host) LoopPath(number int) string {
	return filepath.Join(h.devices, "loop"+strconv.Itoa(number))
}
