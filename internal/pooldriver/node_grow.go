// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/go-logr/logr"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// growUnmounted fills the device before the mount if nobody here can do that after
// it: the volume may have been expanded while it was not staged. What has begun is
// finished, whether or not the caller still waits: on a large file system each call
// would otherwise begin anew, and an interrupted growth leaves damage.
func (s *staging) growUnmounted(ctx context.Context, device string) error {
	if s.want.readOnly {
		return nil
	}
	needs, err := s.host.NeedsGrowUnmounted(device, s.volume.FSType)
	if err != nil {
		s.staysSmall(ctx, err)
		return nil
	}
	if !needs {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if err := s.host.Check(ctx, device, s.volume.FSType, mount.Thorough); err != nil {
		return err
	}
	return s.growChecked(ctx, device)
}

// growChecked leaves a note that stands as long as the file system may be
// half-grown. It was whole before: all that is wrong then comes from growing.
func (s *staging) growChecked(ctx context.Context, device string) error {
	s.rec.Growing = true
	if err := s.records.save(s.rec); err != nil {
		return err
	}
	if err := s.host.GrowUnmounted(ctx, device, s.volume.FSType); err != nil {
		if mending := s.host.Check(ctx, device, s.volume.FSType, mount.Mending); mending != nil {
			return fmt.Errorf("%w; growing it had failed: %w", mending, err)
		}
		s.staysSmall(ctx, err)
	}
	s.rec.Growing = false
	return s.records.save(s.rec)
}

// grow fills the device after the mount. It does nothing if that is done already.
func (s *staging) grow(ctx context.Context) error {
	if s.want.readOnly {
		return nil
	}
	if err := s.host.Grow(ctx, s.host.LoopPath(s.rec.Loop), s.path, s.volume.FSType); err != nil {
		s.staysSmall(ctx, err)
	}
	return nil
}

// staysSmall only logs: a file system that does not grow is usable all the same,
// and NodeExpandVolume, which follows an expansion, tells its caller.
func (s *staging) staysSmall(ctx context.Context, err error) {
	logr.FromContextOrDiscard(ctx).Error(err, "Staging with a file system that may be smaller than the volume", keyVolume, s.id)
}

// mend makes a file system whole again whose growth never ended, and tells whether
// the volume is attached now. An image that is gone, or another file in its place,
// has nothing to be mended. Like growing, it does not stop half-way.
func (n *node) mend(ctx context.Context, rec *record, attached bool) (bool, error) {
	if !attached {
		there, err := n.hasImage(rec)
		if err != nil {
			return false, err
		}
		if !there {
			rec.Growing = false
			return false, n.records.save(rec)
		}
		volume, err := n.pools.volume(rec.VolumeID)
		if err != nil {
			return false, err
		}
		if err := n.attach(ctx, rec, volume.CapacityBytes); err != nil {
			return false, err
		}
	}
	letGo, err := n.host.HoldLoop(rec.Loop, rec.Token)
	if err != nil {
		return false, err
	}
	defer letGo()
	ctx = context.WithoutCancel(ctx)
	if err := n.host.Check(ctx, n.host.LoopPath(rec.Loop), rec.FSType, mount.Mending); err != nil {
		return true, fmt.Errorf("mending a file system whose growth was interrupted: %w", err)
	}
	rec.Growing = false
	return true, n.records.save(rec)
}

// hasImage is an error without the pool: nobody can tell then.
func (n *node) hasImage(rec *record) (bool, error) {
	if err := n.pools.check(); err != nil {
		return false, err
	}
	file, err := n.host.Identify(rec.Image)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && file.Inode == rec.Inode, err
}
