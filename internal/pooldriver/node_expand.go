// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// NodeExpandVolume lets the device and the file system have the size that
// ControllerExpandVolume gave the image, while they are in use.
func (n *node) NodeExpandVolume(ctx context.Context, req *csi.NodeExpandVolumeRequest) (*csi.NodeExpandVolumeResponse, error) {
	id := req.GetVolumeId()
	if err := checkNodeExpand(req); err != nil {
		return nil, err
	}
	release, err := n.busy.acquire(id)
	if err != nil {
		return nil, err
	}
	defer release()
	rec, err := n.shown(id, req.GetVolumePath())
	if err != nil {
		return nil, grpcError(err)
	}
	size, err := n.expand(ctx, rec, req.GetCapacityRange())
	if err != nil {
		return nil, grpcError(err)
	}
	return &csi.NodeExpandVolumeResponse{CapacityBytes: size}, nil
}

func checkNodeExpand(req *csi.NodeExpandVolumeRequest) error {
	if err := first(checkVolumeID(req.GetVolumeId()), checkRange(req.GetCapacityRange())); err != nil {
		return err
	}
	if req.GetVolumePath() == "" {
		return invalid("volume_path is missing")
	}
	if req.GetVolumeCapability() == nil {
		return nil
	}
	_, err := parseCapability(req.GetVolumeCapability())
	return err
}

func (n *node) expand(ctx context.Context, rec *record, wanted *csi.CapacityRange) (int64, error) {
	file, err := n.host.Identify(rec.Image)
	if err != nil {
		return 0, err
	}
	if file.Size < wanted.GetRequiredBytes() {
		return 0, precondition("volume %q has %d bytes, capacity_range.required_bytes is %d; ControllerExpandVolume must come first", rec.VolumeID, file.Size, wanted.GetRequiredBytes())
	}
	if limit := wanted.GetLimitBytes(); limit > 0 && file.Size > limit {
		return 0, outOfRange("volume %q has %d bytes already, more than capacity_range.limit_bytes %d", rec.VolumeID, file.Size, limit)
	}
	if !rec.Block && rec.ReadOnly {
		return 0, precondition("volume %q is mounted read-only and its file system cannot grow; stage it read-write", rec.VolumeID)
	}
	if err := n.host.RefreshLoop(rec.Loop, rec.Image); err != nil {
		return 0, err
	}
	device := n.host.LoopPath(rec.Loop)
	if !rec.Block {
		if err := n.host.Grow(ctx, device, rec.Staging, rec.FSType); err != nil {
			return 0, err
		}
	}
	return n.host.DeviceSize(device)
}

// NodeGetVolumeStats asks the mount only, never the pool: kubelets call it often.
func (n *node) NodeGetVolumeStats(_ context.Context, req *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	id, path := req.GetVolumeId(), req.GetVolumePath()
	if err := checkVolumeID(id); err != nil {
		return nil, err
	}
	if path == "" {
		return nil, invalid("volume_path is missing")
	}
	rec, err := n.shown(id, path)
	if err != nil {
		return nil, grpcError(err)
	}
	if rec.Block {
		size, err := n.host.DeviceSize(n.host.LoopPath(rec.Loop))
		if err != nil {
			return nil, grpcError(err)
		}
		return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{{Unit: csi.VolumeUsage_BYTES, Total: size}}}, nil
	}
	usage, err := n.host.Usage(path)
	if err != nil {
		return nil, grpcError(err)
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: volumeUsage(usage)}, nil
}

func volumeUsage(u mount.Usage) []*csi.VolumeUsage {
	return []*csi.VolumeUsage{
		{Unit: csi.VolumeUsage_BYTES, Total: u.TotalBytes, Used: u.UsedBytes, Available: u.AvailableBytes},
		{Unit: csi.VolumeUsage_INODES, Total: u.TotalInodes, Used: u.UsedInodes, Available: u.AvailableInodes},
	}
}

// shown returns the record of a volume that is attached and visible at a path:
// where it is staged or published. Everything else is NOT_FOUND.
func (n *node) shown(id, path string) (*record, error) {
	rec, attached, err := n.current(id)
	if err != nil {
		return nil, err
	}
	if rec == nil || !attached {
		return nil, status.Errorf(codes.NotFound, "volume %q is not staged on node %q", id, n.name)
	}
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return nil, notShown(id, path)
	}
	if rec.Block && path == rec.Staging {
		return rec, nil
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, notShown(id, path)
	}
	info, err := n.host.MountAt(path)
	if errors.Is(err, mount.ErrNotLoop) || err == nil && !rec.mountedAs(info) {
		return nil, notShown(id, path)
	}
	return rec, err
}

func notShown(id, path string) error {
	return status.Errorf(codes.NotFound, "volume_path %q does not show volume %q", path, id)
}
