// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"slices"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/csi-operator/csi-operator/test/driver/internal/store"
)

// snapshot is how CSI shows a snapshot.
func snapshot(s store.Snapshot) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId:      s.ID,
		SourceVolumeId:  s.SourceVolumeID,
		GroupSnapshotId: s.GroupID,
		SizeBytes:       s.SizeBytes,
		CreationTime:    timestamppb.New(s.Created),
		ReadyToUse:      true,
	}
}

func (c *controller) CreateSnapshot(_ context.Context, req *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	made, err := c.store.CreateSnapshot(req.GetName(), req.GetSourceVolumeId(), "")
	if err != nil {
		return nil, err
	}
	if made.SourceVolumeID != req.GetSourceVolumeId() {
		return nil, status.Errorf(codes.AlreadyExists, "snapshot %q exists and is of volume %q", made.ID, made.SourceVolumeID)
	}
	return &csi.CreateSnapshotResponse{Snapshot: snapshot(made)}, nil
}

// DeleteSnapshot refuses a member of a group, which goes with its group.
func (c *controller) DeleteSnapshot(_ context.Context, req *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	there, err := c.store.Snapshots.Get(req.GetSnapshotId())
	if err == nil && there.GroupID != "" {
		return nil, status.Errorf(codes.InvalidArgument, "the snapshot is part of group snapshot %q", there.GroupID)
	}
	return &csi.DeleteSnapshotResponse{}, c.store.Snapshots.Delete(req.GetSnapshotId())
}

func (c *controller) GetSnapshot(_ context.Context, req *csi.GetSnapshotRequest) (*csi.GetSnapshotResponse, error) {
	there, err := c.store.Snapshots.Get(req.GetSnapshotId())
	return &csi.GetSnapshotResponse{Snapshot: snapshot(there)}, err
}

type groupController struct {
	csi.UnimplementedGroupControllerServer
	options Options
	store   *store.Store
}

func (g *groupController) GroupControllerGetCapabilities(context.Context, *csi.GroupControllerGetCapabilitiesRequest) (*csi.GroupControllerGetCapabilitiesResponse, error) {
	reply := &csi.GroupControllerGetCapabilitiesResponse{}
	for _, number := range g.options.Claims.of("GroupController") {
		rpc := &csi.GroupControllerServiceCapability_RPC{Type: csi.GroupControllerServiceCapability_RPC_Type(number)}
		reply.Capabilities = append(reply.Capabilities, &csi.GroupControllerServiceCapability{Type: &csi.GroupControllerServiceCapability_Rpc{Rpc: rpc}})
	}
	return reply, nil
}

func (g *groupController) CreateVolumeGroupSnapshot(_ context.Context, req *csi.CreateVolumeGroupSnapshotRequest) (*csi.CreateVolumeGroupSnapshotResponse, error) {
	wanted := slices.Sorted(slices.Values(req.GetSourceVolumeIds()))
	made, err := g.store.CreateGroup(req.GetName(), wanted)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(made.SourceVolumeIDs, wanted) {
		return nil, status.Errorf(codes.AlreadyExists, "group snapshot %q exists and is of volumes %q", made.ID, made.SourceVolumeIDs)
	}
	shown, err := g.group(made)
	return &csi.CreateVolumeGroupSnapshotResponse{GroupSnapshot: shown}, err
}

// group is how CSI shows a group snapshot.
func (g *groupController) group(of store.Group) (*csi.VolumeGroupSnapshot, error) {
	shown := &csi.VolumeGroupSnapshot{GroupSnapshotId: of.ID, CreationTime: timestamppb.New(of.Created), ReadyToUse: true}
	for _, id := range of.SnapshotIDs {
		member, err := g.store.Snapshots.Get(id)
		if err != nil {
			return nil, err
		}
		shown.Snapshots = append(shown.Snapshots, snapshot(member))
	}
	return shown, nil
}

// DeleteVolumeGroupSnapshot deletes the snapshots of the group first.
func (g *groupController) DeleteVolumeGroupSnapshot(_ context.Context, req *csi.DeleteVolumeGroupSnapshotRequest) (*csi.DeleteVolumeGroupSnapshotResponse, error) {
	there, err := g.store.Groups.Get(req.GetGroupSnapshotId())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	for _, id := range there.SnapshotIDs {
		if err := g.store.Snapshots.Delete(id); err != nil {
			return nil, err
		}
	}
	return &csi.DeleteVolumeGroupSnapshotResponse{}, g.store.Groups.Delete(req.GetGroupSnapshotId())
}

func (g *groupController) GetVolumeGroupSnapshot(_ context.Context, req *csi.GetVolumeGroupSnapshotRequest) (*csi.GetVolumeGroupSnapshotResponse, error) {
	there, err := g.store.Groups.Get(req.GetGroupSnapshotId())
	if err != nil {
		return nil, err
	}
	shown, err := g.group(there)
	return &csi.GetVolumeGroupSnapshotResponse{GroupSnapshot: shown}, err
}
