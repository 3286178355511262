// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/csi-operator/csi-operator/internal/mount"
	"github.com/csi-operator/csi-operator/internal/pool"
)

// access is how a volume is wanted.
type access struct {
	block    bool
	fsType   string // empty: as the volume was created
	options  []string
	readOnly bool // for everybody: by access mode or mount option
}

// wellFormed refuses a capability with holes in it.
func wellFormed(c *csi.VolumeCapability) error {
	switch {
	case c == nil:
		return invalid("volume_capability is missing")
	case c.GetAccessMode().GetMode() == csi.VolumeCapability_AccessMode_UNKNOWN:
		return invalid("volume_capability.access_mode is missing")
	case c.GetMount() == nil && c.GetBlock() == nil:
		return invalid("volume_capability.access_type is missing or unknown: mount and block are supported")
	}
	return nil
}

// parseCapability refuses what this driver cannot do.
func parseCapability(c *csi.VolumeCapability) (access, error) {
	if err := wellFormed(c); err != nil {
		return access{}, err
	}
	want := access{block: c.GetBlock() != nil}
	switch mode := c.GetAccessMode().GetMode(); mode {
	case csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER:
	case csi.VolumeCapability_AccessMode_SINGLE_NODE_READER_ONLY:
		want.readOnly = true
	default:
		return access{}, invalid("access mode %s is not supported: a volume is for one node, SINGLE_NODE_WRITER or SINGLE_NODE_READER_ONLY", mode)
	}
	if want.block {
		return want, nil
	}
	want.fsType = c.GetMount().GetFsType()
	if want.fsType != "" && !mount.SupportedFilesystem(want.fsType) {
		return access{}, invalid("fs_type %q is not supported: choose %s or %s", want.fsType, mount.Ext4, mount.XFS)
	}
	if c.GetMount().GetVolumeMountGroup() != "" {
		return access{}, invalid("volume_mount_group is not supported")
	}
	want.options = c.GetMount().GetMountFlags()
	if err := mount.CheckOptions(want.options); err != nil {
		return access{}, invalid("mount_flags: %v", err)
	}
	want.readOnly = want.readOnly || mount.ReadOnly(want.options)
	return want, nil
}

// combine returns what all capabilities of a new volume want together.
func combine(capabilities []*csi.VolumeCapability) (access, error) {
	if len(capabilities) == 0 {
		return access{}, invalid("volume_capabilities is missing")
	}
	var all access
	for i, c := range capabilities {
		one, err := parseCapability(c)
		if err != nil {
			return access{}, err
		}
		if i > 0 && (one.block != all.block || one.fsType != all.fsType) {
			return access{}, invalid("volume_capabilities contradict each other: one access type and one fs_type is possible")
		}
		all = one
	}
	return all, nil
}

// fits refuses a capability that the volume was not created for.
func (a access) fits(v pool.Volume) error {
	if a.block != (v.AccessType == pool.Block) {
		return invalid("volume %q was created with access type %s and cannot be used with another", v.ID, v.AccessType)
	}
	if a.fsType != "" && a.fsType != v.FSType {
		return invalid("volume %q was created for file system %s, not %q", v.ID, v.FSType, a.fsType)
	}
	return nil
}
