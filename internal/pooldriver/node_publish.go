// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// NodePublishVolume shows a staged volume at a target path: the file system as a
// bind mount on a directory, a raw block volume as its device node on a file.
func (n *node) NodePublishVolume(_ context.Context, req *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	id, target := req.GetVolumeId(), req.GetTargetPath()
	want, err := checkPublish(req)
	if err != nil {
		return nil, err
	}
	release, err := n.busy.acquire(id)
	if err != nil {
		return nil, err
	}
	defer release()
	rec, err := n.staged(id, req.GetStagingTargetPath())
	if err != nil {
		return nil, grpcError(err)
	}
	letGo, err := n.host.HoldLoop(rec.Loop, rec.Token)
	if err != nil {
		return nil, grpcError(err)
	}
	defer letGo()
	want.readOnly = want.readOnly || req.GetReadonly()
	if err := publishable(rec, want); err != nil {
		return nil, err
	}
	if err := n.publish(rec, target, want.readOnly || rec.ReadOnly); err != nil {
		return nil, grpcError(err)
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func checkPublish(req *csi.NodePublishVolumeRequest) (access, error) {
	err := first(checkVolumeID(req.GetVolumeId()), checkPath("target_path", req.GetTargetPath()))
	if err != nil {
		return access{}, err
	}
	want, err := parseCapability(req.GetVolumeCapability())
	if err != nil {
		return access{}, err
	}
	if req.GetStagingTargetPath() == "" {
		return access{}, precondition("staging_target_path is missing: volumes of this driver are staged first")
	}
	return want, checkPath("staging_target_path", req.GetStagingTargetPath())
}

// staged returns the record of a volume that is wholly staged at a path.
func (n *node) staged(id, path string) (*record, error) {
	rec, attached, err := n.current(id)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		return nil, n.notHere(id)
	}
	if !attached || rec.Staging != path || rec.Formatting {
		return nil, precondition("volume %q is not staged at %q; NodeStageVolume must come first", id, path)
	}
	if rec.Block {
		return rec, nil
	}
	info, err := n.host.MountAt(path)
	if err != nil {
		return nil, err
	}
	if !rec.mountedAs(info) {
		return nil, precondition("volume %q is not mounted, or not usable, at %q; stage it again", id, path)
	}
	return rec, nil
}

// notHere tells a volume that does not exist from one that is elsewhere.
func (n *node) notHere(id string) error {
	if _, err := n.pools.volume(id); err != nil {
		return err
	}
	return precondition("volume %q is not staged on node %q; NodeStageVolume must come first", id, n.name)
}

func publishable(rec *record, want access) error {
	switch {
	case want.block != rec.Block:
		return invalid("volume %q is staged with block access %t and cannot be published differently", rec.VolumeID, rec.Block)
	case want.fsType != "" && want.fsType != rec.FSType:
		return invalid("volume %q has file system %s, not %q", rec.VolumeID, rec.FSType, want.fsType)
	}
	return nil
}

// publish leaves a target alone that shows the volume already.
func (n *node) publish(rec *record, target string, readOnly bool) error {
	info, err := n.host.MountAt(target)
	if errors.Is(err, mount.ErrNotLoop) {
		return exists("target_path is in use: %v", err)
	}
	if err != nil {
		return err
	}
	if info != nil && !info.Healthy {
		if err := n.host.Abandon(target); err != nil {
			return err
		}
		info = nil
	}
	if info == nil {
		return n.bind(rec, target, readOnly)
	}
	if !rec.mountedAs(info) || !rec.Block && info.ReadOnly != readOnly {
		return exists("target_path %q shows loop device %d (block %t, read-only %t) already and cannot show volume %q (read-only %t)",
			target, info.Loop, info.Block, info.ReadOnly, rec.VolumeID, readOnly)
	}
	return nil
}

func (n *node) bind(rec *record, target string, readOnly bool) error {
	if err := makeTarget(target, rec.Block); err != nil {
		return err
	}
	source := rec.Staging
	if rec.Block {
		// A mount cannot make a device read-only. Whoever gives it to a container
		// can, and the kubelet does.
		source, readOnly = n.host.LoopPath(rec.Loop), false
	}
	if err := n.host.Bind(source, target, readOnly); err != nil {
		return err
	}
	return n.confirmMount(rec, target)
}

// makeTarget makes a directory or, for a device node, an empty file. The parent is
// the orchestrator's.
func makeTarget(target string, block bool) error {
	info, err := os.Lstat(target)
	switch {
	case err == nil && info.IsDir() != block && (info.IsDir() || info.Mode().IsRegular()):
		return nil
	case err == nil:
		return invalid("target_path %q exists and is a %s; remove it", target, info.Mode().Type())
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("looking at the target path: %w", err)
	case block:
		var f *os.File
		if f, err = os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640); err == nil {
			err = f.Close()
		}
	default:
		err = os.Mkdir(target, 0o750)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return precondition("the parent directory of target_path %q does not exist; the orchestrator has to make it", target)
	}
	if err != nil {
		return fmt.Errorf("making the target path: %w", err)
	}
	return nil
}

// NodeUnpublishVolume unmounts a target path and removes it, also when the volume
// is not known any more.
func (n *node) NodeUnpublishVolume(_ context.Context, req *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	id, target := req.GetVolumeId(), req.GetTargetPath()
	if err := first(checkVolumeID(id), checkPath("target_path", target)); err != nil {
		return nil, err
	}
	release, err := n.busy.acquire(id)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := n.host.Unmount(target); err != nil {
		return nil, grpcError(err)
	}
	if err := removeTarget(target); err != nil {
		return nil, grpcError(err)
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// removeTarget removes an empty directory or file and nothing else.
func removeTarget(target string) error {
	info, err := os.Lstat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at the target path: %w", err)
	}
	if !info.IsDir() && (!info.Mode().IsRegular() || info.Size() > 0) {
		return precondition("target_path %q is not what this driver made there; it is left alone", target)
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the target path: %w", err)
	}
	return nil
}
