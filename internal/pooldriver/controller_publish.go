// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/csi-operator/csi-operator/internal/pool"
)

// ControllerPublishVolume grants a volume to a node. One node holds the grant, and
// no node gets it while another may still have the volume mounted.
func (c *controller) ControllerPublishVolume(_ context.Context, req *csi.ControllerPublishVolumeRequest) (*csi.ControllerPublishVolumeResponse, error) {
	node := req.GetNodeId()
	if err := first(checkVolumeID(req.GetVolumeId()), checkNodeID(node)); err != nil {
		return nil, err
	}
	want, err := parseCapability(req.GetVolumeCapability())
	if err != nil {
		return nil, err
	}
	p, id, release, err := c.begin(req.GetVolumeId())
	if err != nil {
		return nil, grpcError(err)
	}
	defer release()
	volume, err := p.Get(id)
	if err != nil {
		return nil, grpcError(err)
	}
	if err := want.fits(volume); err != nil {
		return nil, err
	}
	if _, err := p.Grant(id, node, req.GetReadonly() || want.readOnly); err != nil {
		return nil, grpcError(err)
	}
	return &csi.ControllerPublishVolumeResponse{}, nil
}

// ControllerUnpublishVolume takes the grant back, also from a node that does not
// answer; its stage marker stays. Without a node it takes back whatever is granted.
func (c *controller) ControllerUnpublishVolume(_ context.Context, req *csi.ControllerUnpublishVolumeRequest) (*csi.ControllerUnpublishVolumeResponse, error) {
	node := req.GetNodeId()
	if node != "" {
		if err := checkNodeID(node); err != nil {
			return nil, err
		}
	}
	p, id, release, err := c.begin(req.GetVolumeId())
	if absent(err) {
		return &csi.ControllerUnpublishVolumeResponse{}, nil
	}
	if err != nil {
		return nil, grpcError(err)
	}
	defer release()
	if err := p.Revoke(id, node); err != nil && !absent(err) {
		return nil, grpcError(err)
	}
	return &csi.ControllerUnpublishVolumeResponse{}, nil
}

// ControllerExpandVolume grows the image. The node always has work left: its loop
// device does not see the new size by itself.
func (c *controller) ControllerExpandVolume(_ context.Context, req *csi.ControllerExpandVolumeRequest) (*csi.ControllerExpandVolumeResponse, error) {
	if err := first(checkVolumeID(req.GetVolumeId()), checkExpand(req)); err != nil {
		return nil, err
	}
	p, id, release, err := c.begin(req.GetVolumeId())
	if err != nil {
		return nil, grpcError(err)
	}
	defer release()
	volume, err := p.Get(id)
	if err != nil {
		return nil, grpcError(err)
	}
	if err := checkGrowth(volume, req); err != nil {
		return nil, err
	}
	volume, err = p.Resize(id, req.GetCapacityRange().GetRequiredBytes())
	if err != nil {
		return nil, grpcError(err)
	}
	return &csi.ControllerExpandVolumeResponse{CapacityBytes: volume.CapacityBytes, NodeExpansionRequired: true}, nil
}

// checkGrowth refuses what this volume cannot become.
func checkGrowth(volume pool.Volume, req *csi.ControllerExpandVolumeRequest) error {
	if capability := req.GetVolumeCapability(); capability != nil {
		want, err := parseCapability(capability)
		if err := first(err, want.fits(volume)); err != nil {
			return err
		}
	}
	required, limit := req.GetCapacityRange().GetRequiredBytes(), req.GetCapacityRange().GetLimitBytes()
	if required > pool.MaxCapacity {
		return outOfRange("capacity_range.required_bytes %d is above the largest size, %d", required, pool.MaxCapacity)
	}
	rounded := (required + pool.SectorSize - 1) / pool.SectorSize * pool.SectorSize
	if limit > 0 && max(rounded, volume.CapacityBytes) > limit {
		return outOfRange("volume %q would have %d bytes, more than capacity_range.limit_bytes %d; it never shrinks and sizes are multiples of %d",
			volume.ID, max(rounded, volume.CapacityBytes), limit, pool.SectorSize)
	}
	return nil
}

func checkExpand(req *csi.ControllerExpandVolumeRequest) error {
	if err := checkRange(req.GetCapacityRange()); err != nil {
		return err
	}
	if req.GetCapacityRange().GetRequiredBytes() == 0 {
		return invalid("capacity_range.required_bytes is missing")
	}
	return nil
}
