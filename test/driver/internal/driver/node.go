// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/test/driver/internal/store"
)

type node struct {
	csi.UnimplementedNodeServer
	options Options
	store   *store.Store
}

func (n *node) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	reply := &csi.NodeGetCapabilitiesResponse{}
	for _, number := range n.options.Claims.of("Node") {
		rpc := &csi.NodeServiceCapability_RPC{Type: csi.NodeServiceCapability_RPC_Type(number)}
		reply.Capabilities = append(reply.Capabilities, &csi.NodeServiceCapability{Type: &csi.NodeServiceCapability_Rpc{Rpc: rpc}})
	}
	return reply, nil
}

func (n *node) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	reply := &csi.NodeGetInfoResponse{NodeId: n.options.NodeID}
	if n.options.Claims[topology] {
		reply.AccessibleTopology = n.options.segment(n.options.NodeID)
	}
	return reply, nil
}

// NodeStageVolume has nothing to do: the folder is on this node already.
func (n *node) NodeStageVolume(_ context.Context, req *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	return &csi.NodeStageVolumeResponse{}, n.usable(req.GetVolumeId())
}

// usable refuses a volume that is not there, or not attached to this node.
func (n *node) usable(id string) error {
	if _, err := n.store.Volumes.Get(id); err != nil {
		return err
	}
	if !n.options.Claims[publishVolume] {
		return nil
	}
	nodes, err := n.store.Published(id)
	if err == nil && !slices.Contains(nodes, n.options.NodeID) {
		err = status.Errorf(codes.FailedPrecondition, "the volume is published to %q, not to this node", nodes)
	}
	return err
}

func (n *node) NodeUnstageVolume(context.Context, *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	return &csi.NodeUnstageVolumeResponse{}, nil
}

func (n *node) NodePublishVolume(_ context.Context, req *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if n.options.Claims[stageVolume] && req.GetStagingTargetPath() == "" {
		return nil, status.Error(codes.FailedPrecondition, "staging_target_path is missing")
	}
	if err := n.usable(req.GetVolumeId()); err != nil {
		return nil, err
	}
	return &csi.NodePublishVolumeResponse{}, bind(n.store.DataPath(req.GetVolumeId()), req.GetTargetPath(), req.GetReadonly())
}

func (n *node) NodeUnpublishVolume(_ context.Context, req *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	return &csi.NodeUnpublishVolumeResponse{}, unbind(req.GetTargetPath())
}

// NodeGetVolumeStats tells of the file system in which the volume is a folder.
func (n *node) NodeGetVolumeStats(_ context.Context, req *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	if _, err := n.at(req); err != nil {
		return nil, err
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(req.GetVolumePath(), &stat); err != nil {
		return nil, status.Errorf(codes.Internal, "reading the usage of %q: %v", req.GetVolumePath(), err)
	}
	usage := func(unit csi.VolumeUsage_Unit, size int64, total, free, available uint64) *csi.VolumeUsage {
		return &csi.VolumeUsage{Unit: unit, Total: int64(total) * size, Used: int64(total-free) * size, Available: int64(available) * size}
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{
		usage(csi.VolumeUsage_BYTES, stat.Bsize, stat.Blocks, stat.Bfree, stat.Bavail),
		usage(csi.VolumeUsage_INODES, 1, stat.Files, stat.Ffree, stat.Ffree),
	}}, nil
}

// NodeExpandVolume has nothing to do: the controller has recorded the size.
func (n *node) NodeExpandVolume(_ context.Context, req *csi.NodeExpandVolumeRequest) (*csi.NodeExpandVolumeResponse, error) {
	volume, err := n.at(req)
	return &csi.NodeExpandVolumeResponse{CapacityBytes: volume.CapacityBytes}, err
}

// at returns the volume that a request names, if it is at the path that it names.
func (n *node) at(req interface {
	GetVolumeId() string
	GetVolumePath() string
}) (store.Volume, error) {
	volume, err := n.store.Volumes.Get(req.GetVolumeId())
	if err != nil {
		return volume, err
	}
	same, err := sameFolder(n.store.DataPath(volume.ID), req.GetVolumePath())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !same {
		err = status.Errorf(codes.NotFound, "volume %q is not at %q", volume.ID, req.GetVolumePath())
	}
	return volume, err
}
