// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import "fmt"

// state is volumes/<id>/state.<generation>: all that is known of a volume.
type state struct {
	FormatVersion int    `json:"formatVersion"`
	Generation    int64  `json:"generation"`
	ID            string `json:"id"`
	Name          string `json:"name"`
	CapacityBytes int64  `json:"capacityBytes"`
	// ReservedBytes is what the volume is growing to, 0 if it is not.
	ReservedBytes   int64      `json:"reservedBytes,omitempty"`
	AccessType      AccessType `json:"accessType"`
	FSType          string     `json:"fsType,omitempty"`
	SectorSize      int        `json:"sectorSize"`
	ImageGeneration int64      `json:"imageGeneration"`
	// Creating: the image may not be there yet, nobody was told of the volume.
	Creating bool `json:"creating,omitempty"`
	// Deleting: the volume only waits to be removed. There is no way back.
	Deleting bool `json:"deleting,omitempty"`
	// Formatted: there was a file system in the image; it is never made again.
	Formatted  bool         `json:"formatted,omitempty"`
	Grant      *Grant       `json:"grant,omitempty"`
	Staged     *StageMarker `json:"staged,omitempty"`
	Extensions extensions   `json:"extensions,omitempty"`
}

// promised is what the volume counts against the pool, in bytes.
func (st state) promised() int64 { return max(st.CapacityBytes, st.ReservedBytes) }

// validate returns what is wrong with a state found in generation gen of
// volume id, or "".
func (st state) validate(id string, gen int64) string {
	switch {
	case st.ID != id:
		return fmt.Sprintf("it belongs to volume %q", shorten(st.ID))
	case st.Generation != gen:
		return fmt.Sprintf("it is generation %d", st.Generation)
	case checkVolumeName(st.Name) != nil:
		return "bad name"
	case !isSize(st.CapacityBytes) || st.ReservedBytes != 0 && !isSize(st.ReservedBytes):
		return fmt.Sprintf("bad capacity %d or reservation %d", st.CapacityBytes, st.ReservedBytes)
	case !isFormat(st.AccessType, st.FSType):
		return fmt.Sprintf("access type %q with file system %q", shorten(string(st.AccessType)), shorten(st.FSType))
	case st.SectorSize != SectorSize:
		return fmt.Sprintf("sector size %d", st.SectorSize)
	case st.ImageGeneration < 1:
		return fmt.Sprintf("image generation %d", st.ImageGeneration)
	}
	return st.validateHolders()
}

func (st state) validateHolders() string {
	switch {
	case st.Grant != nil && checkHolder(st.Grant.Node, st.Grant.Instance) != nil:
		return fmt.Sprintf("granted to node %q, instance %q", shorten(st.Grant.Node), shorten(st.Grant.Instance))
	case st.Staged != nil && checkHolder(st.Staged.Node, st.Staged.Instance) != nil:
		return fmt.Sprintf("staged on node %q, instance %q", shorten(st.Staged.Node), shorten(st.Staged.Instance))
	case st.Formatted && (st.Creating || st.AccessType != Filesystem):
		return "formatted, and can have no file system"
	case (st.Creating || st.Deleting) && (st.Grant != nil || st.Staged != nil):
		return "in use while it is created or deleted"
	}
	return ""
}

func isSize(bytes int64) bool {
	return bytes > 0 && bytes <= MaxCapacity && bytes%SectorSize == 0
}

func isFormat(access AccessType, fsType string) bool {
	switch access {
	case Filesystem:
		return fsType == Ext4 || fsType == XFS
	case Block:
		return fsType == ""
	}
	return false
}
