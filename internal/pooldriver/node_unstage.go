// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/csi-operator/csi-operator/internal/mount"
)

// NodeUnstageVolume unmounts and detaches a volume. The stage marker goes last:
// another node may have the volume only when nothing of it is left here.
func (n *node) NodeUnstageVolume(ctx context.Context, req *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	id, path := req.GetVolumeId(), req.GetStagingTargetPath()
	if err := first(checkVolumeID(id), checkPath("staging_target_path", path)); err != nil {
		return nil, err
	}
	release, err := n.busy.acquire(id)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := n.unstage(ctx, id, path); err != nil {
		return nil, grpcError(err)
	}
	return &csi.NodeUnstageVolumeResponse{}, nil
}

// unstage may be interrupted anywhere and called again. The pool is needed at the
// end only: what is mounted goes away also when the pool has gone first.
func (n *node) unstage(ctx context.Context, id, path string) error {
	rec, attached, err := n.current(id)
	if err != nil {
		return err
	}
	info, err := n.host.MountAt(path)
	if err != nil {
		return err
	}
	if rec == nil && info != nil {
		rec, err = n.adoptByID(id, path, info)
		if err != nil {
			return err
		}
		attached = true
	}
	if err := n.unmountStaging(rec, attached, path, info); err != nil {
		return err
	}
	if rec != nil {
		if err := n.detach(ctx, rec, attached); err != nil {
			return err
		}
	}
	p, err := n.pools.get()
	if err != nil {
		return err
	}
	if err := p.Unstage(id, n.name); err != nil && !absent(err) {
		return err
	}
	return nil
}

func (n *node) adoptByID(id, path string, info *mount.Info) (*record, error) {
	p, err := n.pools.get()
	if err != nil {
		return nil, err
	}
	volume, err := p.Get(id)
	if err != nil {
		return nil, fmt.Errorf("%q is a mount of loop device %d: %w", path, info.Loop, err)
	}
	return n.adopt(volume, path, info, nil)
}

// unmountStaging refuses while the volume is published: the kernel would keep the
// file system alive and this node would go on writing to it.
func (n *node) unmountStaging(rec *record, attached bool, path string, info *mount.Info) error {
	if info != nil && (!attached || info.Loop != rec.Loop) {
		return precondition("%q is a mount of loop device %d, which is not the volume's; unmount it by hand", path, info.Loop)
	}
	if attached {
		paths, err := n.host.MountsOf(rec.Loop)
		if err != nil {
			return err
		}
		resolved := mount.Resolve(path)
		others := slices.DeleteFunc(paths, func(p string) bool { return p == resolved })
		if len(others) > 0 {
			return precondition("volume %q is still mounted at %s; unpublish it there first", rec.VolumeID, strings.Join(others, ", "))
		}
	}
	return n.host.Unmount(path)
}

// detach makes what was written durable for every node and forgets the volume.
func (n *node) detach(ctx context.Context, rec *record, attached bool) (err error) {
	if rec.Formatting {
		return n.wipe(ctx, rec, attached)
	}
	if rec.Growing {
		if attached, err = n.mend(ctx, rec, attached); err != nil {
			return err
		}
	}
	if attached {
		if err := n.host.UnbindLoop(ctx, rec.Loop); err != nil {
			return err
		}
	}
	if err := n.host.Flush(rec.Image); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return n.records.remove(rec.VolumeID)
}
