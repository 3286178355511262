// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/go-logr/logr"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// undoTimeout is what cleaning up behind a failed NodeStageVolume may take, after
// the call's own time is over.
const undoTimeout = 30 * time.Second

// NodeStageVolume attaches a volume and, unless it is raw block, mounts it at the
// staging path. Each step looks first whether it is done, so that a second call
// finishes what a crash interrupted.
//
// A call that fails cleans up behind itself: the orchestrator does not unstage
// what never was staged, and the stage marker would bind the volume to this node.
func (n *node) NodeStageVolume(ctx context.Context, req *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	id, path := req.GetVolumeId(), req.GetStagingTargetPath()
	want, err := checkStage(req)
	if err != nil {
		return nil, err
	}
	release, err := n.busy.acquire(id)
	if err != nil {
		return nil, err
	}
	defer release()
	s, err := n.newStaging(id, path, want)
	if err != nil {
		return nil, err
	}
	if err := s.mark(ctx); err != nil {
		return nil, err
	}
	if err := s.run(ctx); err != nil {
		return nil, s.undo(ctx, grpcError(err))
	}
	return &csi.NodeStageVolumeResponse{}, nil
}

func checkStage(req *csi.NodeStageVolumeRequest) (access, error) {
	err := first(checkVolumeID(req.GetVolumeId()), checkPath("staging_target_path", req.GetStagingTargetPath()))
	if err != nil {
		return access{}, err
	}
	return parseCapability(req.GetVolumeCapability())
}

// checkStagingPath insists on the directory that the orchestrator has to make, and
// on nobody else having mounted something there. A directory that cannot be read
// may be a broken mount of ours.
func (n *node) checkStagingPath(path string) error {
	info, err := os.Lstat(path)
	if os.IsNotExist(err) {
		return precondition("staging_target_path %q does not exist; the orchestrator has to make it", path)
	}
	if err == nil && !info.IsDir() {
		return invalid("staging_target_path %q is not a directory", path)
	}
	_, err = n.host.MountAt(path)
	return err
}

// look finds out what stands already and refuses what contradicts the request.
func (s *staging) look(context.Context) (err error) {
	s.rec, s.attached, err = s.current(s.id)
	if err != nil {
		s.keep = true
		return err
	}
	info, err := s.host.MountAt(s.path)
	if err != nil {
		return err
	}
	if info != nil {
		return s.lookMounted(info)
	}
	if s.rec == nil && s.marked {
		if s.rec, err = s.lost(s.id, s.volume, s.path); err != nil {
			s.keep = true
			return err
		}
		s.attached = s.rec != nil
	}
	if !s.attached {
		return nil
	}
	return s.lookAttached()
}

func (s *staging) lookMounted(info *mount.Info) (err error) {
	s.keep = true
	if s.rec == nil {
		s.rec, err = s.adopt(s.id, s.volume, s.path, info, s.want.options)
		if err != nil {
			return err
		}
		s.attached = true
	}
	if !s.attached || s.rec.Loop != info.Loop || info.Block {
		return exists("%q is a mount of loop device %d, which is not volume %q", s.path, info.Loop, s.id)
	}
	if !info.Healthy {
		return s.host.Abandon(s.path)
	}
	s.mounted = true
	return s.compatible()
}

// lookAttached judges a device that is not mounted at the staging path: raw block,
// staged at another path, or left by a call that did not finish.
func (s *staging) lookAttached() error {
	paths, err := s.host.MountsOf(s.rec.Loop)
	if err != nil {
		return err
	}
	if len(paths) > 0 || s.want.block && s.rec.Block {
		s.keep = true
		return s.compatible()
	}
	return nil
}

// compatible is ALREADY_EXISTS unless the record says what the request says.
func (s *staging) compatible() error {
	same := s.rec.Staging == s.path && s.rec.ReadOnly == s.want.readOnly && s.rec.Block == s.want.block &&
		slices.Equal(s.rec.Options, s.want.options)
	if same {
		return nil
	}
	return exists("volume %q is staged at %q (block %t, read-only %t, mount options %q) and cannot be staged differently at the same time",
		s.id, s.rec.Staging, s.rec.Block, s.rec.ReadOnly, s.rec.Options)
}

// ensureAttached also lets a device see that its volume has grown. From here on the
// device is held.
func (s *staging) ensureAttached(ctx context.Context) (err error) {
	if s.rec != nil {
		if err := s.finishLast(ctx); err != nil {
			return err
		}
	}
	if !s.attached {
		s.rec = s.newRecord()
		if err := s.attach(ctx, s.rec, s.volume.CapacityBytes); err != nil {
			return err
		}
	}
	if s.letGo, err = s.host.HoldLoop(s.rec.Loop, s.rec.Token); err != nil || !s.attached {
		return err
	}
	if err := s.sameImage(); err != nil {
		return err
	}
	err = s.host.ResizeLoop(s.rec.Loop, s.rec.Image, s.volume.CapacityBytes)
	if errors.Is(err, mount.ErrBusy) {
		logr.FromContextOrDiscard(ctx).Error(err, "Staging with a device that keeps its size while it is in use", keyVolume, s.id)
		return nil
	}
	return err
}

// finishLast ends what an earlier call began on the image and did not end.
func (s *staging) finishLast(ctx context.Context) (err error) {
	switch {
	case s.rec.Growing:
		s.attached, err = s.mend(ctx, s.rec, s.attached)
	case s.rec.Formatting && s.volume.Formatted:
		s.rec.Formatting = false
		err = s.records.save(s.rec)
	case s.rec.Formatting:
		err = s.detach(ctx, s.rec, s.attached)
		s.attached = false
	}
	return err
}

// sameImage refuses a device that shows a file which is not the volume's image any
// more, because somebody replaced it.
func (s *staging) sameImage() error {
	file, err := s.host.Identify(s.volume.ImagePath)
	if err != nil {
		return err
	}
	if s.rec.Image != s.volume.ImagePath || s.rec.Inode != file.Inode {
		return precondition("loop device %d shows a former image of volume %q; unstage the volume and stage it again", s.rec.Loop, s.id)
	}
	return nil
}

func (s *staging) newRecord() *record {
	return &record{
		VolumeID: s.id,
		Image:    s.volume.ImagePath,
		Staging:  s.path,
		Block:    s.want.block,
		FSType:   s.volume.FSType,
		ReadOnly: s.want.readOnly,
		Options:  slices.Clone(s.want.options),
	}
}

// wipe makes an image blank again that was blank when an mkfs began which never
// ended. A file system that was finished, or another file in the image's place, stays
// as it is.
func (n *node) wipe(rec *record) error {
	volume, err := n.pools.volume(rec.VolumeID)
	if absent(err) || err == nil && volume.Formatted {
		return nil
	}
	if err != nil {
		return err
	}
	file, err := n.host.Identify(rec.Image)
	if err != nil || file.Inode != rec.Inode {
		return err
	}
	if err := n.host.Blank(rec.Image); err != nil {
		return fmt.Errorf("wiping an unfinished file system: %w", err)
	}
	return nil
}
