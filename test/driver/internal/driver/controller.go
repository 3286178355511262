// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/test/driver/internal/store"
)

// leastBytes is the capacity of a volume for which none is asked.
const leastBytes = 1 << 20

type controller struct {
	csi.UnimplementedControllerServer
	options Options
	store   *store.Store
}

func (c *controller) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	reply := &csi.ControllerGetCapabilitiesResponse{}
	for _, number := range c.options.Claims.of("Controller") {
		rpc := &csi.ControllerServiceCapability_RPC{Type: csi.ControllerServiceCapability_RPC_Type(number)}
		reply.Capabilities = append(reply.Capabilities, &csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{Rpc: rpc}})
	}
	return reply, nil
}

func (c *controller) CreateVolume(_ context.Context, req *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if !mountable(req.GetVolumeCapabilities()) {
		return nil, status.Error(codes.InvalidArgument, notMountable)
	}
	if len(req.GetMutableParameters()) > 0 && !c.options.Claims[modifyVolume] {
		return nil, status.Errorf(codes.InvalidArgument, "mutable_parameters need %s", modifyVolume)
	}
	source, least, err := c.source(req.GetVolumeContentSource())
	if err != nil {
		return nil, err
	}
	size, err := capacity(req.GetCapacityRange(), least)
	if err != nil {
		return nil, err
	}
	volume, err := c.store.CreateVolume(store.Volume{
		Object:            store.Object{Name: req.GetName()},
		CapacityBytes:     size,
		Source:            source,
		MutableParameters: req.GetMutableParameters(),
		Node:              c.options.place(req.GetAccessibilityRequirements()),
	})
	if err != nil {
		return nil, err
	}
	limit := req.GetCapacityRange().GetLimitBytes()
	if volume.Source != source || volume.CapacityBytes < size || limit > 0 && volume.CapacityBytes > limit {
		return nil, status.Errorf(codes.AlreadyExists, "volume %q exists with %d bytes from %+v", volume.ID, volume.CapacityBytes, volume.Source)
	}
	return &csi.CreateVolumeResponse{Volume: c.volume(volume)}, nil
}

// source returns what a volume is filled from, and the bytes that it has to have.
func (c *controller) source(from *csi.VolumeContentSource) (store.Source, int64, error) {
	switch {
	case from == nil:
		return store.Source{}, leastBytes, nil
	case from.GetSnapshot() != nil && c.options.Claims[createSnapshot]:
		snapshot, err := c.store.Snapshots.Get(from.GetSnapshot().GetSnapshotId())
		return store.Source{SnapshotID: snapshot.ID}, snapshot.SizeBytes, err
	case from.GetVolume() != nil && c.options.Claims[cloneVolume]:
		volume, err := c.store.Volumes.Get(from.GetVolume().GetVolumeId())
		return store.Source{VolumeID: volume.ID}, volume.CapacityBytes, err
	default:
		return store.Source{}, 0, status.Error(codes.InvalidArgument, "this kind of volume_content_source is not claimed")
	}
}

// volume is how CSI shows a volume.
func (c *controller) volume(v store.Volume) *csi.Volume {
	shown := &csi.Volume{VolumeId: v.ID, CapacityBytes: v.CapacityBytes}
	switch {
	case v.Source.SnapshotID != "":
		snapshot := &csi.VolumeContentSource_SnapshotSource{SnapshotId: v.Source.SnapshotID}
		shown.ContentSource = &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{Snapshot: snapshot}}
	case v.Source.VolumeID != "":
		volume := &csi.VolumeContentSource_VolumeSource{VolumeId: v.Source.VolumeID}
		shown.ContentSource = &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Volume{Volume: volume}}
	}
	if v.Node != "" {
		shown.AccessibleTopology = []*csi.Topology{c.options.segment(v.Node)}
	}
	return shown
}

// DeleteVolume refuses a volume that a node may use.
func (c *controller) DeleteVolume(_ context.Context, req *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	nodes, err := c.store.Published(req.GetVolumeId())
	if err != nil {
		return nil, err
	}
	if len(nodes) > 0 {
		return nil, status.Errorf(codes.FailedPrecondition, "the volume is published to %q", nodes)
	}
	return &csi.DeleteVolumeResponse{}, c.store.Volumes.Delete(req.GetVolumeId())
}

func (c *controller) ControllerPublishVolume(_ context.Context, req *csi.ControllerPublishVolumeRequest) (*csi.ControllerPublishVolumeResponse, error) {
	id, node := req.GetVolumeId(), req.GetNodeId()
	if _, err := c.store.Volumes.Get(id); err != nil {
		return nil, err
	}
	if err := c.store.CheckNode(node); err != nil {
		return nil, err
	}
	nodes, err := c.store.Published(id)
	if err != nil {
		return nil, err
	}
	elsewhere := slices.ContainsFunc(nodes, func(n string) bool { return n != node })
	if mode := req.GetVolumeCapability().GetAccessMode().GetMode().String(); elsewhere && strings.HasPrefix(mode, "SINGLE_NODE_") {
		return nil, status.Errorf(codes.FailedPrecondition, "the volume is published to %q, which %s forbids", nodes, mode)
	}
	return &csi.ControllerPublishVolumeResponse{}, c.store.Publish(id, node)
}

func (c *controller) ControllerUnpublishVolume(_ context.Context, req *csi.ControllerUnpublishVolumeRequest) (*csi.ControllerUnpublishVolumeResponse, error) {
	return &csi.ControllerUnpublishVolumeResponse{}, c.store.Unpublish(req.GetVolumeId(), req.GetNodeId())
}

func (c *controller) ValidateVolumeCapabilities(_ context.Context, req *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if _, err := c.store.Volumes.Get(req.GetVolumeId()); err != nil {
		return nil, err
	}
	if !mountable(req.GetVolumeCapabilities()) {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: notMountable}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeContext:      req.GetVolumeContext(),
		VolumeCapabilities: req.GetVolumeCapabilities(),
		Parameters:         req.GetParameters(),
		MutableParameters:  req.GetMutableParameters(),
	}}, nil
}

const notMountable = "volume_capabilities must be of access type mount"

func mountable(all []*csi.VolumeCapability) bool {
	return !slices.ContainsFunc(all, func(c *csi.VolumeCapability) bool { return c.GetMount() == nil })
}

// ControllerExpandVolume records the size: nothing limits what a folder holds.
func (c *controller) ControllerExpandVolume(_ context.Context, req *csi.ControllerExpandVolumeRequest) (*csi.ControllerExpandVolumeResponse, error) {
	volume, err := c.store.Volumes.Update(req.GetVolumeId(), func(v *store.Volume) (err error) {
		v.CapacityBytes, err = capacity(req.GetCapacityRange(), v.CapacityBytes)
		return err
	})
	return &csi.ControllerExpandVolumeResponse{
		CapacityBytes:         volume.CapacityBytes,
		NodeExpansionRequired: c.options.Claims[nodeExpandVolume],
	}, err
}

// capacity is the smallest one in a range that is not below the least.
func capacity(r *csi.CapacityRange, least int64) (int64, error) {
	size := max(r.GetRequiredBytes(), least)
	if limit := r.GetLimitBytes(); limit > 0 && size > limit {
		return 0, status.Errorf(codes.OutOfRange, "%d bytes are more than limit_bytes %d", size, limit)
	}
	return size, nil
}

// ControllerModifyVolume records whatever it is told.
func (c *controller) ControllerModifyVolume(_ context.Context, req *csi.ControllerModifyVolumeRequest) (*csi.ControllerModifyVolumeResponse, error) {
	_, err := c.store.Volumes.Update(req.GetVolumeId(), func(v *store.Volume) error {
		if v.MutableParameters == nil {
			v.MutableParameters = map[string]string{}
		}
		maps.Copy(v.MutableParameters, req.GetMutableParameters())
		return nil
	})
	return &csi.ControllerModifyVolumeResponse{}, err
}

func (c *controller) GetCapacity(context.Context, *csi.GetCapacityRequest) (*csi.GetCapacityResponse, error) {
	return &csi.GetCapacityResponse{AvailableCapacity: c.options.CapacityBytes}, nil
}
