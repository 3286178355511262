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
	"github.com/csi-operator/csi-operator/internal/pool"
)

// NodeExpandVolume lets the device and the file system have the size that
// ControllerExpandVolume gave the volume, while they are in use.
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
	if errors.Is(err, pool.ErrForeignPool) {
		return nil, grpcError(err)
	}
	if err != nil {
		return nil, retryable(err)
	}
	if !rec.Block && rec.ReadOnly {
		return nil, precondition("volume %q is mounted read-only and its file system cannot grow; stage it read-write", rec.VolumeID)
	}
	size, err := n.expand(ctx, rec, req.GetCapacityRange())
	if err != nil {
		return nil, retryable(err)
	}
	return &csi.NodeExpandVolumeResponse{CapacityBytes: size}, nil
}

// retryable is UNAVAILABLE where FAILED_PRECONDITION stood: that means to a kubelet
// that this call can never succeed on this node while the volume is in use.
func retryable(err error) error {
	known := status.Convert(grpcError(err))
	if known.Code() == codes.FailedPrecondition {
		return status.Error(codes.Unavailable, known.Message())
	}
	return known.Err()
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

// expand believes the pool alone: the image may be longer than the volume, when a
// growth was given up.
func (n *node) expand(ctx context.Context, rec *record, wanted *csi.CapacityRange) (int64, error) {
	letGo, err := n.host.HoldLoop(rec.Loop, rec.Token)
	if err != nil {
		return 0, err
	}
	defer letGo()
	volume, err := n.pools.volume(rec.VolumeID)
	if err != nil {
		return 0, err
	}
	size := volume.CapacityBytes
	if err := n.host.ResizeLoop(rec.Loop, rec.Image, size); err != nil {
		return 0, err
	}
	if size < wanted.GetRequiredBytes() {
		return 0, precondition("volume %q has %d bytes, capacity_range.required_bytes is %d; ControllerExpandVolume must come first", rec.VolumeID, size, wanted.GetRequiredBytes())
	}
	if limit := wanted.GetLimitBytes(); limit > 0 && size > limit {
		return 0, outOfRange("volume %q has %d bytes already, more than capacity_range.limit_bytes %d", rec.VolumeID, size, limit)
	}
	if !rec.Block {
		if err := n.host.Grow(ctx, n.host.LoopPath(rec.Loop), rec.Staging, rec.FSType); err != nil {
			return 0, err
		}
	}
	return size, nil
}

// NodeGetVolumeStats is called often, and waits if the server of the pool's file
// system does not answer: the kernel asks it for the image behind the device. So one
// call at a time waits for a volume, the others are ABORTED.
func (n *node) NodeGetVolumeStats(_ context.Context, req *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	id, path := req.GetVolumeId(), req.GetVolumePath()
	if err := checkVolumeID(id); err != nil {
		return nil, err
	}
	if path == "" {
		return nil, invalid("volume_path is missing")
	}
	release, err := n.stats.acquire(id)
	if err != nil {
		return nil, err
	}
	defer release()
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
	if rec == nil {
		if _, _, err := n.pools.find(id); err != nil && !absent(err) {
			return nil, err
		}
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
