// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount_test

import (
	"errors"
	"os"
	"testing"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// TestResizeLoop shows what was asked for of an image that is longer, as long, and
// longer again, while the device is mounted: growth that is given up leaves an image
// longer than what was promised.
func TestResizeLoop(t *testing.T) {
	const first, second = 320 << 20, 400 << 20
	host, image := newHost(t)
	must(t, os.Truncate(image, second))
	number, err := host.FreeLoop()
	must(t, err)
	must(t, host.BindLoop(number, image, first, mount.Binding{Token: "t"}))
	device, target := host.LoopPath(number), t.TempDir()
	wantSize := func(want int64) {
		t.Helper()
		if got, err := host.DeviceSize(device); err != nil || got != want {
			t.Errorf("a device of %d bytes, %v, want %d", got, err, want)
		}
	}
	wantSize(first)
	must(t, host.Format(t.Context(), device, mount.XFS))
	must(t, host.Mount(device, target, mount.XFS, nil))
	before, err := host.LoopStatus(number)
	must(t, err)

	for _, step := range []struct{ image, size int64 }{
		{second, first},          // nothing changes
		{second, second},         // the image ends where the device shall
		{2 * second, second},     // and does not any more
		{2 * second, 2 * second}, // the growth is done again
	} {
		must(t, os.Truncate(image, step.image))
		err := host.ResizeLoop(number, image, step.size)
		if errors.Is(err, mount.ErrBusy) { // kernels that change no limit of a mounted device
			must(t, host.Unmount(target))
			err = errors.Join(host.ResizeLoop(number, image, step.size), host.Mount(device, target, mount.XFS, nil))
		}
		must(t, err)
		wantSize(step.size)
		must(t, host.Grow(t.Context(), device, target, mount.XFS))
		usage, err := host.Usage(target)
		if err != nil || usage.TotalBytes > step.size || usage.TotalBytes < step.size*2/3 {
			t.Errorf("a file system of %d bytes, %v, want about %d", usage.TotalBytes, err, step.size)
		}
	}
	if err := host.ResizeLoop(number, image, 2*second+mount.SectorSize); err == nil {
		t.Error("showed more than there is")
	}
	after, err := host.LoopStatus(number)
	if err != nil || *after != *before {
		t.Errorf("the binding was %+v and is %+v, %v", before, after, err)
	}
	if err := host.ResizeLoop(number, image, second); !errors.Is(err, mount.ErrBusy) {
		t.Errorf("shrinking a mounted device gave %v", err)
	}
	wantSize(2 * second)
	must(t, host.Unmount(target))
	must(t, host.ResizeLoop(number, image, second))
	wantSize(second)
	must(t, host.UnbindLoop(t.Context(), number, "t"))
}
