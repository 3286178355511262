// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
)

// rig is a driver as in a cluster: a controller and two nodes, each a process.
type rig struct {
	t          *testing.T
	data       string
	controller csi.ControllerClient
	groups     csi.GroupControllerClient
	nodes      map[string]csi.NodeClient
}

func newRig(t *testing.T) *rig {
	t.Helper()
	requireRoot(t)
	r := &rig{t: t, data: t.TempDir(), nodes: map[string]csi.NodeClient{}}
	for _, name := range []string{"node-a", "node-b"} {
		r.nodes[name] = csi.NewNodeClient(start(t, r.data, everything, "--controller=false", "--node-id="+name).dial())
		_, err := r.nodes[name].NodeGetInfo(t.Context(), &csi.NodeGetInfoRequest{}) // it is known now
		must(t, err)
	}
	conn := start(t, r.data, everything, "--node=false", "--capacity=5368709120").dial()
	r.controller, r.groups = csi.NewControllerClient(conn), csi.NewGroupControllerClient(conn)
	return r
}

// create makes a volume that prefers node-b, and returns its id.
func (r *rig) create(name string, source *csi.VolumeContentSource) string {
	r.t.Helper()
	info, err := r.nodes["node-b"].NodeGetInfo(r.t.Context(), &csi.NodeGetInfoRequest{})
	must(r.t, err)
	made, err := r.controller.CreateVolume(r.t.Context(), &csi.CreateVolumeRequest{
		Name:                      name,
		VolumeCapabilities:        []*csi.VolumeCapability{writer()},
		VolumeContentSource:       source,
		MutableParameters:         map[string]string{"iops": "5", "tier": "gold"},
		AccessibilityRequirements: &csi.TopologyRequirement{Preferred: []*csi.Topology{info.GetAccessibleTopology()}},
	})
	must(r.t, err)
	return made.GetVolume().GetVolumeId()
}

func (r *rig) tryAttach(id, node string) error {
	_, err := r.controller.ControllerPublishVolume(r.t.Context(), &csi.ControllerPublishVolumeRequest{VolumeId: id, NodeId: node, VolumeCapability: writer()})
	return err
}

func (r *rig) attach(id, node string) {
	r.t.Helper()
	must(r.t, r.tryAttach(id, node))
}

// mount stages and publishes, the latter twice, and returns the target.
func (r *rig) mount(id, node string, readOnly bool) string {
	r.t.Helper()
	_, err := r.nodes[node].NodeStageVolume(r.t.Context(), stageRequest(id))
	must(r.t, err)
	target := filepath.Join(r.t.TempDir(), "target")
	r.t.Cleanup(func() { // for tests that fail
		if err := syscall.Unmount(target, 0); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
			r.t.Error(err)
		}
	})
	for range 2 {
		_, err = r.nodes[node].NodePublishVolume(r.t.Context(), &csi.NodePublishVolumeRequest{
			VolumeId: id, StagingTargetPath: "/staging", TargetPath: target, VolumeCapability: writer(), Readonly: readOnly,
		})
		must(r.t, err)
	}
	return target
}

// unmount unpublishes twice.
func (r *rig) unmount(id, node, target string) {
	r.t.Helper()
	for range 2 {
		_, err := r.nodes[node].NodeUnpublishVolume(r.t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: id, TargetPath: target})
		must(r.t, err)
	}
}

func stageRequest(id string) *csi.NodeStageVolumeRequest {
	return &csi.NodeStageVolumeRequest{VolumeId: id, StagingTargetPath: "/staging", VolumeCapability: writer()}
}

func writer() *csi.VolumeCapability {
	return &csi.VolumeCapability{
		AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}},
		AccessMode: &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER},
	}
}

func fromVolume(id string) *csi.VolumeContentSource {
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Volume{Volume: &csi.VolumeContentSource_VolumeSource{VolumeId: id}}}
}

func fromSnapshot(id string) *csi.VolumeContentSource {
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{Snapshot: &csi.VolumeContentSource_SnapshotSource{SnapshotId: id}}}
}

// memberOf returns the id of a volume's snapshot.
func memberOf(members []*csi.Snapshot, volume string) string {
	for _, m := range members {
		if m.GetSourceVolumeId() == volume {
			return m.GetSnapshotId()
		}
	}
	return ""
}

func write(t *testing.T, target, content string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(target, "file"), []byte(content), 0o600))
}

func wantContent(t *testing.T, target, want string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(target, "file"))
	must(t, err)
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
