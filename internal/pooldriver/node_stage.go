// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/pool"
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
	p, err := n.pools.get()
	if err != nil {
		return nil, grpcError(err)
	}
	volume, err := p.Get(id)
	if err != nil {
		return nil, grpcError(err)
	}
	if err := first(want.fits(volume), n.checkStagingPath(path)); err != nil {
		return nil, grpcError(err)
	}
	volume, err = p.Stage(id, n.name) // durable, before anything touches the image
	if err != nil {
		return nil, grpcError(err)
	}
	want.readOnly = want.readOnly || volume.Grant != nil && volume.Grant.ReadOnly
	s := &staging{node: n, volume: volume, want: want, path: path}
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

// staging is one NodeStageVolume at work.
type staging struct {
	*node

	volume pool.Volume
	want   access
	path   string

	rec      *record
	attached bool
	mounted  bool
	keep     bool // something was in use before: a failure must not take it away
}

func (s *staging) run(ctx context.Context) error {
	steps := []func(context.Context) error{s.look, s.ensureAttached}
	if !s.want.block {
		steps = append(steps, s.ensureMounted, s.grow)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// undo returns the cause, or ABORTED, which makes the orchestrator unstage later.
func (s *staging) undo(ctx context.Context, cause error) error {
	if s.keep {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := s.unstage(ctx, s.volume.ID, s.path); err != nil {
		return status.Errorf(codes.Aborted, "%s; cleaning up failed too: %s", status.Convert(cause).Message(), status.Convert(grpcError(err)).Message())
	}
	return cause
}

// look finds out what stands already and refuses what contradicts the request.
func (s *staging) look(context.Context) (err error) {
	s.rec, s.attached, err = s.current(s.volume.ID)
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
	if !s.attached {
		return nil
	}
	return s.lookAttached()
}

func (s *staging) lookMounted(info *mount.Info) (err error) {
	s.keep = true
	if s.rec == nil {
		s.rec, err = s.adopt(s.volume, s.path, info, s.want.options)
		if err != nil {
			return err
		}
		s.attached = true
	}
	if !s.attached || s.rec.Loop != info.Loop || info.Block {
		return exists("%q is a mount of loop device %d, which is not volume %q", s.path, info.Loop, s.volume.ID)
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
		s.volume.ID, s.rec.Staging, s.rec.Block, s.rec.ReadOnly, s.rec.Options)
}

// ensureAttached also lets a device see that its image has grown.
func (s *staging) ensureAttached(ctx context.Context) (err error) {
	if s.rec != nil && s.rec.Growing {
		if s.attached, err = s.mend(ctx, s.rec, s.attached); err != nil {
			return err
		}
	}
	if s.attached && !s.rec.Formatting {
		if err := s.sameImage(); err != nil {
			return err
		}
		return s.host.RefreshLoop(s.rec.Loop, s.rec.Image)
	}
	if s.rec != nil && s.rec.Formatting {
		if err := s.wipe(ctx, s.rec, s.attached); err != nil {
			return err
		}
	}
	s.rec = s.newRecord()
	return s.attach(ctx, s.rec)
}

// sameImage refuses a device that shows a file which is not the volume's image any
// more, because somebody replaced it.
func (s *staging) sameImage() error {
	file, err := s.host.Identify(s.volume.ImagePath)
	if err != nil {
		return err
	}
	if s.rec.Image != s.volume.ImagePath || s.rec.Inode != file.Inode {
		return precondition("loop device %d shows a former image of volume %q; unstage the volume and stage it again", s.rec.Loop, s.volume.ID)
	}
	return nil
}

func (s *staging) newRecord() *record {
	return &record{
		VolumeID: s.volume.ID,
		Image:    s.volume.ImagePath,
		Staging:  s.path,
		Block:    s.want.block,
		FSType:   s.volume.FSType,
		ReadOnly: s.want.readOnly,
		Options:  slices.Clone(s.want.options),
	}
}

// adopt rebuilds a lost record from the mount at the volume's own staging path.
// Nobody knows the mount's options any more; they are taken on trust.
func (n *node) adopt(volume pool.Volume, path string, info *mount.Info, options []string) (*record, error) {
	binding, err := n.host.LoopStatus(info.Loop)
	if err != nil {
		return nil, err
	}
	file, err := n.host.Identify(volume.ImagePath)
	if err != nil {
		return nil, err
	}
	if binding == nil || binding.Token == "" || binding.Inode != file.Inode || binding.Device != file.Device {
		return nil, exists("%q is a mount of loop device %d, which is not volume %q", path, info.Loop, volume.ID)
	}
	rec := &record{
		VolumeID: volume.ID,
		Loop:     info.Loop,
		Token:    binding.Token,
		Image:    volume.ImagePath,
		Inode:    binding.Inode,
		Device:   binding.Device,
		Staging:  path,
		FSType:   info.FSType,
		ReadOnly: info.ReadOnly,
		Options:  options,
	}
	return rec, n.records.save(rec)
}

// wipe makes an image blank again that was blank when an mkfs began which never
// ended, and forgets the device. Another file in the image's place stays as it is.
func (n *node) wipe(ctx context.Context, rec *record, attached bool) error {
	if attached {
		if err := n.host.UnbindLoop(ctx, rec.Loop); err != nil {
			return err
		}
	}
	file, err := n.host.Identify(rec.Image)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && file.Inode == rec.Inode {
		if err := n.host.Blank(rec.Image); err != nil {
			return fmt.Errorf("wiping an unfinished file system: %w", err)
		}
	}
	return n.records.remove(rec.VolumeID)
}
