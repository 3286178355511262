// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import "fmt"

// Capacities in bytes.
const (
	// DefaultCapacity is what a request without a size gets.
	DefaultCapacity int64 = 1 << 30
	// MinCapacity is the least that a volume can have.
	MinCapacity int64 = 16 << 20
	// MinXFSCapacity is the least that mkfs.xfs accepts.
	MinXFSCapacity int64 = 300 << 20
	// MaxCapacity is the most that a volume can have; the file system that the
	// pool lies on may allow less.
	MaxCapacity int64 = 16 << 40
)

// check returns what can never be served, whatever the pool holds.
func (r CreateRequest) check() error {
	if err := checkVolumeName(r.Name); err != nil {
		return err
	}
	if !isFormat(r.AccessType, r.FSType) {
		return fmt.Errorf("access type %q with file system %q: want %s with %s or %s, or %s with none: %w",
			shorten(string(r.AccessType)), shorten(r.FSType), Filesystem, Ext4, XFS, Block, ErrInvalidRequest)
	}
	return nil
}

// capacity returns the size of a new volume.
func (r CreateRequest) capacity() (int64, error) {
	limit := MaxCapacity
	if r.LimitBytes > 0 {
		limit = min(limit, r.LimitBytes)
	}
	limit -= limit % SectorSize
	if r.CapacityBytes < 0 || r.LimitBytes < 0 || r.CapacityBytes > limit {
		return 0, fmt.Errorf("required %d bytes, limit %d: want a multiple of %d between them, at most %d: %w",
			r.CapacityBytes, r.LimitBytes, SectorSize, MaxCapacity, ErrRange)
	}
	size := roundUp(r.CapacityBytes)
	if size == 0 {
		size = min(DefaultCapacity, limit)
	}
	least := leastCapacity(r.FSType)
	if limit < least {
		return 0, fmt.Errorf("limit %d bytes: %s needs at least %d: %w", r.LimitBytes, describe(r.AccessType, r.FSType), least, ErrRange)
	}
	return max(size, least), nil
}

// accepts returns ErrConflict unless st is what r asks for.
func (r CreateRequest) accepts(st state) error {
	switch {
	case st.AccessType != r.AccessType || st.FSType != r.FSType:
		return fmt.Errorf("volume name %q: exists as %s, asked for %s: %w",
			r.Name, describe(st.AccessType, st.FSType), describe(r.AccessType, r.FSType), ErrConflict)
	case st.CapacityBytes < r.CapacityBytes || r.LimitBytes > 0 && st.CapacityBytes > r.LimitBytes:
		return fmt.Errorf("volume name %q: exists with %d bytes, asked for at least %d, limit %d: %w",
			r.Name, st.CapacityBytes, r.CapacityBytes, r.LimitBytes, ErrConflict)
	}
	return nil
}

func leastCapacity(fsType string) int64 {
	if fsType == XFS {
		return MinXFSCapacity
	}
	return MinCapacity
}

func describe(access AccessType, fsType string) string {
	if access == Block {
		return "raw block"
	}
	return fsType
}

// roundUp returns the next multiple of the sector size; bytes is at most
// MaxCapacity.
func roundUp(bytes int64) int64 {
	return (bytes + SectorSize - 1) / SectorSize * SectorSize
}
