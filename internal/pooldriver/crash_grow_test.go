// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

// stageExpanded is killed while it stages a volume that must grow before its mount.
func (v *crashed) stageExpanded() error {
	must(v.t, stage(v.t.Context(), v.node, v.id, v.staging, v.capability))
	must(v.t, unstage(v.t.Context(), v.node, v.id, v.staging))
	v.expandImage(v.id, 2*testSize)
	v.host.ForbidGrowMounted()
	v.arm()
	return stage(v.t.Context(), v.node, v.id, v.staging, v.capability)
}

func (r *rig) expandImage(id string, size int64) {
	r.t.Helper()
	_, err := r.controller.ControllerExpandVolume(r.t.Context(), &csi.ControllerExpandVolumeRequest{VolumeId: id, CapacityRange: &csi.CapacityRange{RequiredBytes: size}})
	must(r.t, err)
}

// growAgain ends with a file system that fills its volume.
func growAgain(t *testing.T, v *crashed) {
	must(t, stage(t.Context(), v.node, v.id, v.staging, v.capability))
	wantGrown(t, v.node, v.host, v.id, v.staging)
	stageAgain(t, v)
}

func unstageThenGrow(t *testing.T, v *crashed) {
	must(t, unstage(t.Context(), v.node, v.id, v.staging))
	growAgain(t, v)
}

func rebootThenGrow(t *testing.T, v *crashed) {
	v.host.Reboot()
	growAgain(t, v)
}

func wantGrown(t *testing.T, n *node, host *mounttest.Host, id, path string) {
	t.Helper()
	if got := host.FilesystemSize(n.imageOf(t, id)); got != 2*testSize {
		t.Errorf("a file system of %d bytes, want %d", got, 2*testSize)
	}
	_, err := n.NodeExpandVolume(t.Context(), &csi.NodeExpandVolumeRequest{VolumeId: id, VolumePath: path, CapacityRange: &csi.CapacityRange{RequiredBytes: 2 * testSize}})
	must(t, err)
}

func (n *node) imageOf(t *testing.T, id string) string {
	t.Helper()
	return n.recordOf(t, id).Image
}

func (n *node) tokenOf(t *testing.T, id string) string {
	t.Helper()
	return n.recordOf(t, id).Token
}

func (n *node) recordOf(t *testing.T, id string) *record {
	t.Helper()
	rec, err := n.records.load(id)
	if err != nil || rec == nil {
		t.Fatalf("record %v, %v", rec, err)
	}
	return rec
}

// shrunk returns a volume, not staged, that must grow before its mount.
func (r *rig) shrunk(host *mounttest.Host) (n *node, id, path string) {
	r.t.Helper()
	n, id, path = r.staged(host, filesystem(""))
	must(r.t, unstage(r.t.Context(), n, id, path))
	r.expandImage(id, 2*testSize)
	host.ForbidGrowMounted()
	return n, id, path
}

// growing is a host on which something happens during checks and growth.
type growing struct {
	*mounttest.Host

	checked func(mount.Depth)
	grown   func() error
}

func (h *growing) Check(ctx context.Context, device, fsType string, depth mount.Depth) error {
	err := h.Host.Check(ctx, device, fsType, depth)
	if h.checked != nil {
		h.checked(depth)
	}
	return errors.Join(err, ctx.Err())
}

func (h *growing) GrowUnmounted(ctx context.Context, device, fsType string) error {
	if h.grown != nil {
		return h.grown()
	}
	return errors.Join(ctx.Err(), h.Host.GrowUnmounted(ctx, device, fsType))
}

// TestGrowAtStaging grows once, and not at all for a reader or where growth on the
// mounted file system is possible.
func TestGrowAtStaging(t *testing.T) {
	for name, test := range map[string]struct {
		capability *csi.VolumeCapability
		mounted    bool // file systems grow while mounted
		want       int64
		checks     int
	}{
		"Unmounted": {filesystem(""), false, 2 * testSize, 1},
		"Mounted":   {filesystem(""), true, 2 * testSize, 0},
		"Reader":    {withMode(filesystem(""), reader), false, testSize, 0},
		"Option":    {filesystem("", "ro"), false, testSize, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, host := newRig(t), mounttest.New()
			n, id, path := r.staged(host, filesystem(""))
			must(t, unstage(t.Context(), n, id, path))
			must(t, r.revoke(id, "node-a"))
			r.expandImage(id, 2*testSize)
			if !test.mounted {
				host.ForbidGrowMounted()
			}
			must(t, r.grant(id, "node-a", test.capability))
			for range 2 {
				must(t, stage(t.Context(), n, id, path, test.capability))
				if got := host.FilesystemSize(r.image(id)); got != test.want {
					t.Errorf("a file system of %d bytes, want %d", got, test.want)
				}
				must(t, unstage(t.Context(), n, id, path))
			}
			if got := host.ThoroughChecks(); got != test.checks {
				t.Errorf("%d checks of the whole file system, want %d", got, test.checks)
			}
		})
	}
}

// TestImpatientCaller has no time for the check of a large file system: the growth
// is finished all the same, or no call ever would finish it.
func TestImpatientCaller(t *testing.T) {
	r, host := newRig(t), mounttest.New()
	_, id, path := r.shrunk(host)
	ctx, cancel := context.WithCancel(t.Context())
	n := r.node("node-a", &growing{Host: host, checked: func(depth mount.Depth) {
		if depth == mount.Thorough {
			cancel()
		}
	}})
	must(t, stage(ctx, n, id, path, filesystem("")))
	wantGrown(t, n, host, id, path)
	must(t, unstage(t.Context(), n, id, path))
}

// TestTornGrowth interrupts resize2fs itself: what it leaves is mended before
// anybody mounts it, on this node or on another one.
func TestTornGrowth(t *testing.T) {
	for name, test := range map[string]struct {
		driverDies bool
		reboot     bool
		unstage    bool
	}{
		"DriverMends":          {},
		"DriverDies":           {driverDies: true},
		"DriverDiesAndUnstage": {driverDies: true, unstage: true},
		"Reboot":               {driverDies: true, reboot: true},
		"RebootAndUnstage":     {driverDies: true, reboot: true, unstage: true},
	} {
		t.Run(name, func(t *testing.T) {
			r, host := newRig(t), mounttest.New()
			n, id, path := r.shrunk(host)
			broken := &growing{Host: host}
			crashing := mounttest.NewCrashing(broken)
			broken.grown = func() error {
				host.TearGrowth(r.image(id))
				if test.driverDies {
					crashing.CrashAt(1, false)
				}
				return errors.New("resize2fs was killed")
			}
			err := stage(t.Context(), r.node("node-a", crashing), id, path, filesystem(""))
			if (err != nil) != test.driverDies {
				t.Fatalf("staging gave %v", err)
			}
			if test.reboot {
				host.Reboot()
			}
			if test.unstage || !test.driverDies {
				must(t, unstage(t.Context(), n, id, path))
				must(t, r.revoke(id, "node-a"))
				n = r.node("node-b", host)
				must(t, r.grant(id, "node-b", filesystem("")))
			}
			must(t, stage(t.Context(), n, id, path, filesystem("")))
			wantGrown(t, n, host, id, path)
			must(t, unstage(t.Context(), n, id, path))
		})
	}
}

// TestTornGrowthWithoutImage forgets a volume whose image is gone, but keeps the
// note while only the pool is.
func TestTornGrowthWithoutImage(t *testing.T) {
	r, host := newRig(t), mounttest.New()
	n, id, path := r.staged(host, filesystem(""))
	rec, _, err := n.current(id)
	must(t, err)
	must(t, host.Unmount(path))
	host.Reboot()
	rec.Growing = true
	must(t, n.records.save(rec))

	pool, away := r.config("").PoolPath, r.config("").PoolPath+"-away"
	must(t, os.Rename(pool, away))
	if err := unstage(t.Context(), n, id, path); err == nil {
		t.Error("unstaged without the pool")
	}
	if rec, err := n.records.load(id); err != nil || rec == nil || !rec.Growing {
		t.Errorf("without the pool the record is %+v, %v", rec, err)
	}
	must(t, os.Rename(away, pool))
	must(t, os.Remove(rec.Image))
	wantCode(t, unstage(t.Context(), n, id, path), codes.OK)
	if rec, err := n.records.load(id); err != nil || rec != nil {
		t.Errorf("record left: %+v, %v", rec, err)
	}
}
