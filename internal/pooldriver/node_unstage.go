// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"context"
	"errors"
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
	known := rec != nil
	if !known {
		if rec, err = n.recoverRecord(id, path, info); err != nil {
			return err
		}
		attached = rec != nil
	}
	if err := n.unmountStaging(rec, attached, path, info); err != nil {
		return err
	}
	if rec != nil {
		if err := n.detach(ctx, rec, attached); err != nil {
			return err
		}
	}
	return n.unmark(id, path, known)
}

// unmark clears the stage marker. Without a record nobody knew how often the volume
// was attached: it must be nowhere now.
func (n *node) unmark(id, path string, known bool) error {
	if !known {
		rec, err := n.recoverRecord(id, path, nil)
		if err != nil {
			return err
		}
		if rec != nil {
			return precondition("volume %q is attached to loop device %d of node %q as well; unstage it again", id, rec.Loop, n.name)
		}
	}
	p, inPool, err := n.pools.find(id)
	if err == nil {
		err = p.Unstage(inPool, n.name, n.instance)
	}
	if err != nil && !absent(err) {
		return err
	}
	return nil
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
	if rec.Growing {
		if attached, err = n.mend(ctx, rec, attached); err != nil {
			return err
		}
	}
	if attached {
		if err := n.host.UnbindLoop(ctx, rec.Loop, rec.Token); err != nil {
			return err
		}
	}
	if rec.Formatting {
		if err := n.wipe(rec); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := n.host.Flush(rec.Image); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return n.records.remove(rec.VolumeID)
}
