// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"fmt"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// ensureMounted mounts the file system at the staging path, and makes it first if
// the image is blank.
func (s *staging) ensureMounted(ctx context.Context) error {
	if s.mounted {
		return nil
	}
	device := s.host.LoopPath(s.rec.Loop)
	if err := s.ensureFilesystem(ctx, device); err != nil {
		return err
	}
	if err := s.markFormatted(); err != nil {
		return err
	}
	// A device left by another call may have been attached for another request.
	s.rec.Staging, s.rec.Block, s.rec.ReadOnly, s.rec.Options = s.path, false, s.want.readOnly, s.want.options
	if err := s.records.save(s.rec); err != nil {
		return err
	}
	options := s.want.options
	if s.want.readOnly {
		options = append(options[:len(options):len(options)], "ro")
	}
	if err := s.host.Mount(device, s.path, s.volume.FSType, options); err != nil {
		return err
	}
	return s.confirmMount(s.rec, s.path)
}

// confirmMount looks again at what was just mounted by a device's number.
func (n *node) confirmMount(rec *record, path string) error {
	binding, err := n.host.LoopStatus(rec.Loop)
	if err == nil && !rec.holds(binding) {
		err = fmt.Errorf("mounting loop device %d at %q: %w", rec.Loop, path, mount.ErrReleased)
	}
	var info *mount.Info
	if err == nil {
		info, err = n.host.MountAt(path)
	}
	if err == nil && !rec.mountedAs(info) {
		err = fmt.Errorf("%q does not show loop device %d, which was mounted there a moment ago: %w", path, rec.Loop, mount.ErrReleased)
	}
	if err != nil {
		return errors.Join(err, n.host.Unmount(path))
	}
	return nil
}

// ensureFilesystem formats what is provably blank and nothing else; a file system
// that is there is checked, and grown if it cannot be once it is mounted.
func (s *staging) ensureFilesystem(ctx context.Context, device string) error {
	content, err := s.host.Inspect(ctx, device)
	if err != nil {
		return err
	}
	switch {
	case content.Blank && s.volume.Formatted:
		return precondition("volume %q held a %s file system, and the start and the end of its image %q are blank now: it is not formatted, to lose nothing more; restore the image, or repair it with e2fsck or xfs_repair, which know of copies of the superblock",
			s.id, s.volume.FSType, s.rec.Image)
	case content.Blank:
		return s.format(ctx, device)
	case content.Filesystem == s.volume.FSType:
		// Whether or not the caller still waits: each call would otherwise begin anew.
		if err := s.host.Check(context.WithoutCancel(ctx), device, s.volume.FSType, mount.Routine); err != nil {
			return err
		}
		return s.growUnmounted(ctx, device)
	case content.Filesystem == "":
		return precondition("volume %q is not blank and holds no known file system: it is not formatted, to lose nothing; look at its image %q", s.id, s.rec.Image)
	default:
		return precondition("volume %q holds %s instead of %s: it is not formatted, to lose nothing; look at its image %q", s.id, content.Filesystem, s.volume.FSType, s.rec.Image)
	}
}

// format leaves a note that stands as long as the image may be half-made.
func (s *staging) format(ctx context.Context, device string) error {
	s.rec.Formatting = true
	if err := s.records.save(s.rec); err != nil {
		return err
	}
	if err := s.host.Format(context.WithoutCancel(ctx), device, s.volume.FSType); err != nil {
		return err
	}
	s.rec.Formatting = false
	return s.records.save(s.rec)
}

// markFormatted keeps everybody from formatting the volume from now on, before
// anybody can write to it.
func (s *staging) markFormatted() error {
	if s.volume.Formatted {
		return nil
	}
	_, err := s.pool.MarkFormatted(s.volume.ID, s.name, s.instance)
	return err
}

// mountedAs tells whether the mount is one of the record's device.
func (r *record) mountedAs(info *mount.Info) bool {
	return info != nil && info.Healthy && info.Loop == r.Loop && info.Block == r.Block
}
