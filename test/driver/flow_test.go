// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/csi-operator/csi-operator/test/driver/internal/store"
)

// TestCapabilities: the numbers go over the wire, also those without a name.
func TestCapabilities(t *testing.T) {
	conn := start(t, t.TempDir(), "--node-id=node-a", "--capabilities=Identity/CONTROLLER_SERVICE,Controller/VOLUME_CONDITION,Controller/GET_VOLUME,Node/VOLUME_CONDITION").dial()
	plugin, err := csi.NewIdentityClient(conn).GetPluginCapabilities(t.Context(), &csi.GetPluginCapabilitiesRequest{})
	must(t, err)
	controller, err := csi.NewControllerClient(conn).ControllerGetCapabilities(t.Context(), &csi.ControllerGetCapabilitiesRequest{})
	must(t, err)
	node, err := csi.NewNodeClient(conn).NodeGetCapabilities(t.Context(), &csi.NodeGetCapabilitiesRequest{})
	must(t, err)
	got := map[string][]int{}
	for _, c := range plugin.GetCapabilities() {
		got["Identity"] = append(got["Identity"], int(c.GetService().GetType()))
	}
	for _, c := range controller.GetCapabilities() {
		got["Controller"] = append(got["Controller"], int(c.GetRpc().GetType()))
	}
	for _, c := range node.GetCapabilities() {
		got["Node"] = append(got["Node"], int(c.GetRpc().GetType()))
	}
	want := map[string][]int{"Identity": {1}, "Controller": {11, 12}, "Node": {4}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	_, err = csi.NewGroupControllerClient(conn).GroupControllerGetCapabilities(t.Context(), &csi.GroupControllerGetCapabilitiesRequest{})
	wantCode(t, "a service that is not claimed", err, codes.Unimplemented)
}

// TestAttach: a node uses what was published to it, and nobody else does.
func TestAttach(t *testing.T) {
	r := newRig(t)
	id := r.create("v", nil)
	_, err := r.nodes["node-a"].NodeStageVolume(t.Context(), stageRequest(id))
	wantCode(t, "staging before attaching", err, codes.FailedPrecondition)
	r.attach(id, "node-a")
	_, err = r.nodes["node-a"].NodePublishVolume(t.Context(), &csi.NodePublishVolumeRequest{
		VolumeId: id, TargetPath: filepath.Join(t.TempDir(), "target"), VolumeCapability: writer(),
	})
	wantCode(t, "publishing without a staging path", err, codes.FailedPrecondition)
	wantCode(t, "attaching to a second node", r.tryAttach(id, "node-b"), codes.FailedPrecondition)
	wantCode(t, "attaching to an unknown node", r.tryAttach(id, "node-c"), codes.NotFound)
	_, err = r.controller.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: id})
	wantCode(t, "deleting an attached volume", err, codes.FailedPrecondition)
	list, err := r.controller.ListVolumes(t.Context(), &csi.ListVolumesRequest{})
	must(t, err)
	if diff := cmp.Diff([]string{"node-a"}, list.GetEntries()[0].GetStatus().GetPublishedNodeIds()); diff != "" {
		t.Errorf("published nodes: -want +got:\n%s", diff)
	}
}

// TestMove: what one node has written, the next one reads.
func TestMove(t *testing.T) {
	r := newRig(t)
	id := r.create("v", nil)
	r.attach(id, "node-a")
	target := r.mount(id, "node-a", false)
	write(t, target, "first")
	stats, err := r.nodes["node-a"].NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: id, VolumePath: target})
	must(t, err)
	if bytes := stats.GetUsage()[0]; bytes.GetTotal() <= 0 || bytes.GetTotal() < bytes.GetUsed()+bytes.GetAvailable() {
		t.Errorf("usage %v", bytes)
	}
	_, err = r.nodes["node-a"].NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: id, VolumePath: filepath.Dir(target)})
	wantCode(t, "asking for the stats of another folder", err, codes.NotFound)
	r.unmount(id, "node-a", target)
	if _, err := os.Lstat(target); !os.IsNotExist(err) {
		t.Errorf("the target is left: %v", err)
	}
	_, err = r.controller.ControllerUnpublishVolume(t.Context(), &csi.ControllerUnpublishVolumeRequest{VolumeId: id, NodeId: "node-a"})
	must(t, err)

	r.attach(id, "node-b")
	target = r.mount(id, "node-b", true)
	wantContent(t, target, "first")
	if err := os.WriteFile(filepath.Join(target, "other"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Errorf("writing to a read-only mount: %v", err)
	}
}

// TestCopies: snapshots, alone and in groups, and clones hold what was there when
// they were made.
func TestCopies(t *testing.T) {
	r := newRig(t)
	id := r.create("v", nil)
	r.attach(id, "node-a")
	target := r.mount(id, "node-a", false)
	write(t, target, "before")
	snapshot, err := r.controller.CreateSnapshot(t.Context(), &csi.CreateSnapshotRequest{Name: "s", SourceVolumeId: id})
	must(t, err)
	request := &csi.CreateVolumeGroupSnapshotRequest{Name: "g", SourceVolumeIds: []string{id, r.create("empty", nil)}}
	group, err := r.groups.CreateVolumeGroupSnapshot(t.Context(), request)
	must(t, err)
	again, err := r.groups.CreateVolumeGroupSnapshot(t.Context(), request)
	must(t, err)
	if diff := cmp.Diff(group, again, protocmp.Transform()); diff != "" {
		t.Errorf("the second call made another group: -first +second:\n%s", diff)
	}
	clone := r.create("clone", fromVolume(id))
	write(t, target, "after")

	members := group.GetGroupSnapshot().GetSnapshots()
	for name, volume := range map[string]string{
		"restored":   r.create("restored", fromSnapshot(snapshot.GetSnapshot().GetSnapshotId())),
		"fromMember": r.create("fromMember", fromSnapshot(memberOf(members, id))),
		"clone":      clone,
	} {
		t.Run(name, func(t *testing.T) {
			r.attach(volume, "node-b")
			wantContent(t, r.mount(volume, "node-b", false), "before")
		})
	}
	_, err = r.controller.DeleteSnapshot(t.Context(), &csi.DeleteSnapshotRequest{SnapshotId: members[0].GetSnapshotId()})
	wantCode(t, "deleting a member", err, codes.InvalidArgument)
	_, err = r.groups.DeleteVolumeGroupSnapshot(t.Context(), &csi.DeleteVolumeGroupSnapshotRequest{GroupSnapshotId: group.GetGroupSnapshot().GetGroupSnapshotId()})
	must(t, err)
	left, err := r.controller.ListSnapshots(t.Context(), &csi.ListSnapshotsRequest{})
	must(t, err)
	if len(left.GetEntries()) != 1 {
		t.Errorf("after the group was deleted there are %v", left.GetEntries())
	}
}

// TestChange: the metadata, which tests of whole clusters read too, hold what the
// controller was told.
func TestChange(t *testing.T) {
	r := newRig(t)
	id := r.create("v", nil)
	expanded, err := r.controller.ControllerExpandVolume(t.Context(), &csi.ControllerExpandVolumeRequest{
		VolumeId: id, CapacityRange: &csi.CapacityRange{RequiredBytes: 3 << 20},
	})
	must(t, err)
	if !expanded.GetNodeExpansionRequired() {
		t.Error("no expansion by the node, which is claimed")
	}
	_, err = r.controller.ControllerModifyVolume(t.Context(), &csi.ControllerModifyVolumeRequest{VolumeId: id, MutableParameters: map[string]string{"iops": "7"}})
	must(t, err)
	data, err := os.ReadFile(filepath.Join(r.data, "volumes", id, "metadata.json"))
	must(t, err)
	var got store.Volume
	must(t, json.Unmarshal(data, &got))
	want := store.Volume{
		Object:            store.Object{ID: id, Name: "v"},
		CapacityBytes:     3 << 20,
		MutableParameters: map[string]string{"iops": "7", "tier": "gold"},
		Node:              "node-b",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	info, err := r.nodes["node-b"].NodeGetInfo(t.Context(), &csi.NodeGetInfoRequest{})
	must(t, err)
	there, err := r.controller.ControllerGetVolume(t.Context(), &csi.ControllerGetVolumeRequest{VolumeId: id})
	must(t, err)
	if diff := cmp.Diff([]*csi.Topology{info.GetAccessibleTopology()}, there.GetVolume().GetAccessibleTopology(), protocmp.Transform()); diff != "" {
		t.Errorf("topology: -want +got:\n%s", diff)
	}
	capacity, err := r.controller.GetCapacity(t.Context(), &csi.GetCapacityRequest{})
	must(t, err)
	if capacity.GetAvailableCapacity() != 5<<30 {
		t.Errorf("capacity %d is not that of the flag", capacity.GetAvailableCapacity())
	}
}

func wantCode(t *testing.T, what string, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}
