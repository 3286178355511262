// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Where an ext4 superblock lies and what it holds.
const (
	superOffset    = 1024
	superLength    = 1024
	superMagic     = 0xef53
	oldInodeSize   = 128
	oldDescSize    = 32
	maxLogBlock    = 6
	compatSparse2  = 0x200
	incompat64Bit  = 0x80
	roCompatSparse = 0x1
)

// spareBlocks is how much a last block group must hold beyond its own tables for
// mke2fs and resize2fs to make it.
const spareBlocks = 50

var errNotExt4 = errors.New("no ext4 superblock that makes sense")

// geometry is what an ext4 superblock says of sizes, in blocks where not told.
type geometry struct {
	blocks      uint64
	blockSize   uint64 // bytes
	firstBlock  uint64 // of the first group
	perGroup    uint64
	inodeTable  uint64 // of one group
	reserved    uint64 // for group descriptors to come
	descriptors uint64 // group descriptors that fit into one block
	wide        bool   // block numbers have 64 bits
	sparse      bool   // few groups hold backups
}

// readGeometry returns the geometry of a device's file system and the device's
// size in bytes. It may be mounted: the kernel keeps both in one cache.
func readGeometry(device string) (g geometry, size int64, err error) {
	f, err := os.Open(device)
	if err != nil {
		return geometry{}, 0, fmt.Errorf("reading a superblock: %w", err)
	}
	defer func() { _ = f.Close() }()
	raw := make([]byte, superLength)
	if _, err = f.ReadAt(raw, superOffset); err == nil {
		g, err = parseSuper(raw)
	}
	if err == nil {
		size, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return geometry{}, 0, fmt.Errorf("reading the superblock of %q: %w", device, err)
	}
	return g, size, nil
}

func parseSuper(raw []byte) (geometry, error) {
	half := func(at int) uint64 { return uint64(binary.LittleEndian.Uint16(raw[at:])) }
	word := func(at int) uint64 { return uint64(binary.LittleEndian.Uint32(raw[at:])) }
	logBlock := word(0x18)
	if half(0x38) != superMagic || logBlock > maxLogBlock {
		return geometry{}, errNotExt4
	}
	g := geometry{
		blocks:     word(0x4),
		blockSize:  1024 << logBlock,
		firstBlock: word(0x14),
		perGroup:   word(0x20),
		reserved:   half(0xce),
		wide:       word(0x60)&incompat64Bit != 0,
		sparse:     word(0x64)&roCompatSparse != 0 && word(0x5c)&compatSparse2 == 0,
	}
	inodeSize, descSize := uint64(oldInodeSize), uint64(oldDescSize)
	if word(0x4c) > 0 {
		inodeSize = half(0x58)
	}
	if g.wide {
		g.blocks |= word(0x150) << 32
		descSize = half(0xfe)
	}
	g.inodeTable = divideUp(word(0x28)*inodeSize, g.blockSize)
	if g.perGroup == 0 || g.inodeTable == 0 || descSize < oldDescSize || descSize > g.blockSize || g.blocks <= g.firstBlock {
		return geometry{}, errNotExt4
	}
	g.descriptors = g.blockSize / descSize
	return g, nil
}

// largest returns how many blocks resize2fs makes of a device of size bytes: all
// that are there, without a last group that would hold hardly more than itself.
func (g geometry) largest(size int64, pageSize int) uint64 {
	unit := max(g.blockSize, uint64(pageSize))
	blocks := uint64(size) / unit * unit / g.blockSize
	if !g.wide {
		blocks = min(blocks, 1<<32-1)
	}
	if blocks <= g.firstBlock {
		return blocks
	}
	groups, tail := g.groups(blocks), (blocks-g.firstBlock)%g.perGroup
	if groups > 1 && tail > 0 && tail < g.overhead(groups)+spareBlocks {
		blocks -= tail
	}
	return blocks
}

func (g geometry) groups(blocks uint64) uint64 { return divideUp(blocks-g.firstBlock, g.perGroup) }

// overhead is what the last of some groups needs for itself.
func (g geometry) overhead(groups uint64) uint64 {
	overhead := 2 + g.inodeTable
	if !g.sparse || backedUp(groups-1) {
		overhead += 1 + g.descriptorBlocks(groups) + g.reserved
	}
	return overhead
}

func (g geometry) descriptorBlocks(groups uint64) uint64 { return divideUp(groups, g.descriptors) }

// reaches tells whether the file system can grow to so many blocks without moving
// what it holds: about a thousand times the size that it was made with.
func (g geometry) reaches(blocks uint64) bool {
	return g.descriptorBlocks(g.groups(blocks)) <= g.descriptorBlocks(g.groups(g.blocks))+g.reserved
}

// backedUp tells whether a group holds a copy of the superblock where few do: 0, 1
// and the powers of 3, 5 and 7.
func backedUp(group uint64) bool {
	if group <= 1 {
		return true
	}
	for _, base := range []uint64{3, 5, 7} {
		power := base
		for power < group {
			power *= base
		}
		if power == group {
			return true
		}
	}
	return false
}

func divideUp(a, b uint64) uint64 { return (a + b - 1) / b }
