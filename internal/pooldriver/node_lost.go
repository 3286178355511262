// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"fmt"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/pool"
)

// marked tells whether the volume's stage marker is this node's.
func (n *node) marked(v pool.Volume) bool {
	return v.Staged != nil && v.Staged.Node == n.name && v.Staged.Instance == n.instance
}

// recoverRecord rebuilds the record of a volume that is still attached here although
// no record says so; nil if it is not. Only then may its stage marker go.
func (n *node) recoverRecord(id, path string, info *mount.Info) (*record, error) {
	volume, err := n.pools.volume(id)
	switch {
	case absent(err) && info == nil:
		return nil, nil
	case err != nil && info != nil:
		return nil, fmt.Errorf("%q is a mount of loop device %d: %w", path, info.Loop, err)
	case err != nil:
		return nil, err
	case info != nil:
		return n.adopt(id, volume, path, info, nil)
	case !n.marked(volume):
		return nil, nil
	}
	return n.lost(id, volume, path)
}

// lost finds a device of this node that shows a volume's image: a raw block volume,
// which has no staging mount, or a file system whose staging mount is gone while a
// pod has it.
func (n *node) lost(id string, volume pool.Volume, path string) (*record, error) {
	file, err := n.host.Identify(volume.ImagePath)
	if err != nil {
		return nil, err
	}
	numbers, err := n.host.LoopsOf(file, n.ownTokens())
	if err != nil || len(numbers) == 0 {
		return nil, err
	}
	binding, err := n.host.LoopStatus(numbers[0])
	if err != nil || binding == nil {
		return nil, err
	}
	rec := recovered(id, volume, path, numbers[0], binding)
	rec.ReadOnly = binding.ReadOnly
	return rec, n.records.save(rec)
}

// adopt rebuilds a lost record from the mount at the volume's own staging path.
// Nobody knows the mount's options any more; they are taken on trust.
func (n *node) adopt(id string, volume pool.Volume, path string, info *mount.Info, options []string) (*record, error) {
	binding, err := n.host.LoopStatus(info.Loop)
	if err != nil {
		return nil, err
	}
	file, err := n.host.Identify(volume.ImagePath)
	if err != nil {
		return nil, err
	}
	if binding == nil || binding.Token == "" || binding.Inode != file.Inode || binding.Device != file.Device {
		return nil, exists("%q is a mount of loop device %d, which is not volume %q", path, info.Loop, id)
	}
	rec := recovered(id, volume, path, info.Loop, binding)
	rec.ReadOnly, rec.Options = info.ReadOnly, options
	return rec, n.records.save(rec)
}

func recovered(id string, volume pool.Volume, path string, number int, binding *mount.Binding) *record {
	return &record{
		VolumeID: id,
		Loop:     number,
		Token:    binding.Token,
		Image:    volume.ImagePath,
		Inode:    binding.Inode,
		Device:   binding.Device,
		Staging:  path,
		Block:    volume.AccessType == pool.Block,
		FSType:   volume.FSType,
	}
}
