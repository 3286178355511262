// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"

	"github.com/csi-operator/csi-operator/internal/mount/mounttest"
)

// newRealRig is newRig for nodes with loop devices and mounts. Whatever a test
// leaves is removed, and told.
func newRealRig(t *testing.T) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("needs root: loop devices and mounts")
	}
	r := newRig(t)
	t.Cleanup(func() {
		left := mounttest.Sweep(r.dir)
		if len(left) > 0 && !t.Failed() {
			t.Errorf("left behind: %q", left)
		}
	})
	return r
}

// volume is one volume on its way through a node.
type volume struct {
	*rig

	capability      *csi.VolumeCapability
	id              string
	staging, target string
}

func (r *rig) volume(c *csi.VolumeCapability, size int64) *volume {
	r.t.Helper()
	req := createReq("volume", c)
	req.CapacityRange.RequiredBytes = size
	reply, err := r.controller.CreateVolume(r.t.Context(), req)
	must(r.t, err)
	return &volume{rig: r, capability: c, id: reply.GetVolume().GetVolumeId(), staging: r.mkdir("staging"), target: filepath.Join(r.mkdir("pod"), "target")}
}

// up brings a volume to a target path of a node.
func (v *volume) up(n *node) {
	v.t.Helper()
	must(v.t, v.grant(v.id, n.name, v.capability))
	must(v.t, stage(v.t.Context(), n, v.id, v.staging, v.capability))
	must(v.t, publish(v.t.Context(), n, v.id, v.staging, v.target, v.capability, false))
}

// down undoes up.
func (v *volume) down(n *node) {
	v.t.Helper()
	must(v.t, unpublish(v.t.Context(), n, v.id, v.target))
	must(v.t, unstage(v.t.Context(), n, v.id, v.staging))
	must(v.t, v.revoke(v.id, n.name))
}

// data is the path to write a workload's bytes to.
func (v *volume) data() string {
	if v.capability.GetBlock() != nil {
		return v.target
	}
	return filepath.Join(v.target, "data")
}

func (v *volume) loop(n *node) int {
	v.t.Helper()
	return n.recordOf(v.t, v.id).Loop
}

// expand grows a volume that is in use, and tells whether its file system grew:
// the kernel asks for CAP_SYS_RESOURCE to let ext4 do that, which root lacks in
// some sandboxes. Then the error must say so, and the volume must stay usable.
func (v *volume) expand(n *node, size int64) (grown bool) {
	v.t.Helper()
	v.expandImage(v.id, size)
	reply, err := n.NodeExpandVolume(v.t.Context(), &csi.NodeExpandVolumeRequest{VolumeId: v.id, VolumePath: v.target, CapacityRange: &csi.CapacityRange{RequiredBytes: size}})
	if v.capability.GetMount() != nil && v.capability.GetMount().GetFsType() == "" && !mayGrowExt4(v.t) {
		v.t.Log("no CAP_SYS_RESOURCE: ext4 cannot grow online on this machine")
		wantError(v.t, err, codes.Internal, "CAP_SYS_RESOURCE")
		return false
	}
	must(v.t, err)
	if reply.GetCapacityBytes() != size {
		v.t.Errorf("expanded to %d bytes, want %d", reply.GetCapacityBytes(), size)
	}
	return true
}

// mayGrowExt4 tells whether this process has CAP_SYS_RESOURCE.
func mayGrowExt4(t *testing.T) bool {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	must(t, unix.Capget(&header, &data[0]))
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

func sysfs(t *testing.T, loop int, file string) string {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/sys/block/loop%d/%s", loop, file))
	must(t, err)
	return strings.TrimSpace(string(content))
}

func writeRandom(t *testing.T, path string) []byte {
	t.Helper()
	content := make([]byte, 1<<20)
	_, _ = rand.Read(content)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = f.Write(content)
	must(t, errors.Join(err, f.Sync(), f.Close()))
	return content
}

func wantContent(t *testing.T, path string, want []byte) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer func() { _ = f.Close() }()
	got := make([]byte, len(want))
	if _, err := f.Read(got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%q does not hold what was written: %v", path, err)
	}
}

// wantFull writes until the volume is full, which must be before it is larger than
// its size, and takes the space back.
func wantFull(t *testing.T, v *volume, size int64) {
	t.Helper()
	path := v.data()
	if v.capability.GetBlock() == nil {
		path = filepath.Join(v.target, "filler")
		defer func() { must(t, os.Remove(path)) }()
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	defer func() { _ = f.Close() }()
	_, err = f.Seek(1<<20, 0) // a block volume keeps its first MiB
	must(t, err)
	chunk, written := make([]byte, 1<<20), int64(1<<20)
	for written <= size {
		var n int
		n, err = f.Write(chunk)
		written += int64(n)
		if err != nil {
			break
		}
	}
	if !errors.Is(err, unix.ENOSPC) || written > size {
		t.Errorf("wrote %d bytes into a volume of %d: %v", written, size, err)
	}
}

func wantStats(t *testing.T, n *node, v *volume, size int64) {
	t.Helper()
	reply, err := n.NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: v.id, VolumePath: v.target})
	must(t, err)
	usage := map[csi.VolumeUsage_Unit]*csi.VolumeUsage{}
	for _, u := range reply.GetUsage() {
		usage[u.GetUnit()] = u
	}
	total := usage[csi.VolumeUsage_BYTES].GetTotal()
	if v.capability.GetBlock() != nil {
		if total != size || len(usage) != 1 {
			t.Errorf("usage %v, want %d bytes", usage, size)
		}
		return
	}
	// What the file system needs for itself is less than a third here.
	if total > size || total < size*2/3 {
		t.Errorf("a file system of %d bytes on a volume of %d", total, size)
	}
	for unit, u := range usage {
		if u.GetUsed() <= 0 || u.GetAvailable() <= 0 || u.GetUsed()+u.GetAvailable() > u.GetTotal() {
			t.Errorf("%s: %v", unit, u)
		}
	}
	if usage[csi.VolumeUsage_INODES] == nil {
		t.Error("no inodes")
	}
}
