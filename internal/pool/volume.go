// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

// SectorSize is the logical block size, in bytes, that every image is attached
// and formatted with. Capacities are multiples of it.
const SectorSize = 4096

// AccessType is how a workload sees a volume. It is fixed at creation.
type AccessType string

// The access types. The values are those in the state files.
const (
	Filesystem AccessType = "Filesystem"
	Block      AccessType = "Block"
)

// The file systems that a Filesystem volume may carry.
const (
	Ext4 = "ext4"
	XFS  = "xfs"
)

// Volume is what the pool knows of one finished volume at one moment.
type Volume struct {
	// ID is random and never used again, not even for a volume of the same name.
	ID string
	// Name is what the volume was created with; unique within the pool.
	Name string
	// CapacityBytes is the size that the volume promises. The image is at least as
	// large, and larger while the volume grows or after that was given up: attach
	// CapacityBytes of it and no more.
	CapacityBytes int64
	AccessType    AccessType
	// FSType is Ext4 or XFS, and empty for Block.
	FSType string
	// SectorSize is the logical block size to attach the image with, in bytes.
	SectorSize int
	// ImagePath is the absolute path of the image, a regular file.
	ImagePath string
	// ImageGeneration counts the images this volume has had, from 1.
	ImageGeneration int64
	// Generation grows by one with every change of the volume.
	Generation int64
	// Formatted says that a file system was made in the image once, so that a
	// blank one has lost its data. See MarkFormatted.
	Formatted bool
	// Grant is nil while no node may use the volume.
	Grant *Grant
	// Staged is nil when no node can have the image open.
	Staged *StageMarker
}

// Grant is the right of one instance of a node to use a volume.
type Grant struct {
	Node     string `json:"node"`
	Instance string `json:"instance"` // as the node registered it
	ReadOnly bool   `json:"readOnly"`
}

// StageMarker says that an instance of a node may have the image open. It
// outlives the grant and a reboot: only that instance's Unstage clears it.
type StageMarker struct {
	Node     string `json:"node"`
	Instance string `json:"instance"`
}

// CreateRequest asks for a volume.
type CreateRequest struct {
	// Name makes the request idempotent: 1 to 1024 bytes of UTF-8.
	Name string
	// CapacityBytes is the least size; 0 means DefaultCapacity. It is rounded
	// up to the sector size, and to what the file system needs at least.
	CapacityBytes int64
	// LimitBytes is the largest acceptable size; 0 means no limit.
	LimitBytes int64
	AccessType AccessType
	// FSType is Ext4 or XFS for Filesystem, and empty for Block.
	FSType string
}
