// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"fmt"
	"os"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

// abandonGrowth leaves an image longer than its volume.
func (r *rig) abandonGrowth(id string) {
	r.t.Helper()
	must(r.t, os.Truncate(r.image(id), 3*testSize))
}

// TestAbandonedGrowth attaches what was promised and no more: nobody counted the
// rest of the image.
func TestAbandonedGrowth(t *testing.T) {
	for name, leave := range map[string]func(r *rig, n *node, host *mounttest.Host, id, path string){
		"WhileAttached": func(r *rig, _ *node, _ *mounttest.Host, id, _ string) { r.abandonGrowth(id) },
		"WhileDetached": func(r *rig, n *node, _ *mounttest.Host, id, path string) {
			must(r.t, unstage(r.t.Context(), n, id, path))
			r.abandonGrowth(id)
		},
		"BeforeReboot": func(r *rig, n *node, host *mounttest.Host, id, _ string) {
			rec := n.recordOf(r.t, id)
			rec.Growing = true
			must(r.t, n.records.save(rec))
			host.Reboot()
			r.abandonGrowth(id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, host := newRig(t), mounttest.New()
			n, id, path := r.staged(host, filesystem(""))
			leave(r, n, host, id, path)
			must(t, stage(t.Context(), n, id, path, filesystem("")))
			wantBytes(t, n, host, id, testSize)

			must(t, expandTo(t, n, id, path, 0))
			wantBytes(t, n, host, id, testSize)
			wantError(t, expandTo(t, n, id, path, 2*testSize), codes.Unavailable, "ControllerExpandVolume must come first")
			wantBytes(t, n, host, id, testSize)

			r.expandImage(id, 2*testSize)
			must(t, expandTo(t, n, id, path, 2*testSize))
			wantBytes(t, n, host, id, 2*testSize)
			must(t, unstage(t.Context(), n, id, path))
		})
	}
}

// TestResizeInUse meets a kernel that does not resize a device in use: the volume
// stays usable, and NodeExpandVolume says what is missing.
func TestResizeInUse(t *testing.T) {
	r, host := newRig(t), mounttest.New()
	_, id, path := r.staged(host, filesystem(""))
	n := r.node("node-a", &stubborn{host, fmt.Errorf("setting the limit: %w", mount.ErrBusy)})
	must(t, stage(t.Context(), n, id, path, filesystem("")))
	r.expandImage(id, 2*testSize)
	wantError(t, expandTo(t, n, id, path, 2*testSize), codes.Unavailable, "stop what uses it")
}

func expandTo(t *testing.T, n *node, id, path string, required int64) error {
	t.Helper()
	_, err := n.NodeExpandVolume(t.Context(), &csi.NodeExpandVolumeRequest{
		VolumeId: id, VolumePath: path, CapacityRange: &csi.CapacityRange{RequiredBytes: required},
	})
	return err
}

// wantBytes looks at a volume's device and at its file system.
func wantBytes(t *testing.T, n *node, host *mounttest.Host, id string, want int64) {
	t.Helper()
	rec := n.recordOf(t, id)
	if got, err := host.DeviceSize(host.LoopPath(rec.Loop)); err != nil || got != want {
		t.Errorf("a device of %d bytes, %v, want %d", got, err, want)
	}
	if got := host.FilesystemSize(rec.Image); got != want {
		t.Errorf("a file system of %d bytes, want %d", got, want)
	}
}
