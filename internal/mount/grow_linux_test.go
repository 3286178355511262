// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const mib = 1 << 20

// newImage returns a file of some bytes with an ext4; the tools need no device.
func newImage(t *testing.T, size int64) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	resize(t, image, size)
	ok(t, must(t.Context(), "mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", image))
	return image
}

func resize(t *testing.T, image string, size int64) {
	t.Helper()
	f, err := os.OpenFile(image, os.O_CREATE|os.O_WRONLY, 0o600)
	ok(t, err)
	ok(t, errors.Join(f.Truncate(size), f.Close()))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLargest predicts what resize2fs does, at the edges where it leaves a last
// block group out: otherwise a file system would look too small for ever.
func TestLargest(t *testing.T) {
	for name, test := range map[string]struct {
		from, tail int64 // MiB, blocks of 4096 bytes
	}{
		"Same":            {64, 0},
		"OneBlock":        {64, 1},
		"FirstGroupFull":  {64, 64 * mib / 4096},
		"BackupOneShort":  {128, 2116},
		"Backup":          {128, 2117},
		"PlainOneShort":   {256, 2099},
		"Plain":           {256, 2100},
		"ThirdOneShort":   {384, 2148},
		"Third":           {384, 2149},
		"LargerPlain":     {1024, 564},
		"LargerOneShort":  {1024, 563},
		"NinthGroup":      {1152, 692},
		"NinthOneShort":   {1152, 691},
		"SeveralGroups":   {64, 100000},
		"MoreDescriptors": {64, 3 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			image := newImage(t, test.from*mib)
			resize(t, image, test.from*mib+test.tail*4096)
			before, size, err := readGeometry(image)
			ok(t, err)
			want := before.largest(size, os.Getpagesize())
			if !before.reaches(want) {
				t.Fatal("out of reach")
			}
			ok(t, checkExt4(t.Context(), image, "-f", "-p"))
			ok(t, must(t.Context(), "resize2fs", image))
			after, _, err := readGeometry(image)
			ok(t, err)
			if after.blocks != want {
				t.Errorf("resize2fs grew %d blocks to %d, predicted were %d", before.blocks, after.blocks, want)
			}
			if again := after.largest(size, os.Getpagesize()); again != after.blocks {
				t.Errorf("grown to %d blocks, it wants to grow to %d", after.blocks, again)
			}
			ok(t, checkExt4(t.Context(), image, "-f", "-p"))
		})
	}
}

// TestFreshFills makes file systems of sizes whose last group mke2fs leaves out.
func TestFreshFills(t *testing.T) {
	for _, size := range []int64{16 * mib, 128*mib + 4096, 129 * mib, 1024*mib + 500*4096, 1153 * mib} {
		if needs, err := growable(newImage(t, size)); needs || err != nil {
			t.Errorf("fresh on %d bytes: to be grown %t, %v", size, needs, err)
		}
	}
}

// TestOutOfReach leaves alone what resize2fs damages: it fails half-way when it has
// to move what the file system holds.
func TestOutOfReach(t *testing.T) {
	image := newImage(t, 32*mib)
	resize(t, image, 32<<30)
	if needs, err := growable(image); !needs || err != nil {
		t.Errorf("a thousandfold: to be grown %t, %v", needs, err)
	}
	resize(t, image, 33<<30)
	if needs, err := growable(image); needs || err == nil || !strings.Contains(err.Error(), "copy its files") {
		t.Errorf("more: to be grown %t, %v", needs, err)
	}
}

// TestParseSuper refuses what would divide by zero or read nonsense.
func TestParseSuper(t *testing.T) {
	f, err := os.Open(newImage(t, 16*mib))
	ok(t, err)
	defer func() { _ = f.Close() }()
	raw := make([]byte, superLength)
	_, err = f.ReadAt(raw, superOffset)
	ok(t, err)
	if g, err := parseSuper(raw); err != nil || g.blocks != 4096 || g.blockSize != 4096 {
		t.Fatalf("got %+v, %v", g, err)
	}
	for name, test := range map[string]struct {
		at    int
		value uint16
	}{
		"Magic":          {0x38, 0},
		"BlockSize":      {0x18, 7},
		"InodeSize":      {0x58, 0},
		"DescriptorSize": {0xfe, 0},
		"HugeDescriptor": {0xfe, 8192},
		"PerGroup":       {0x20, 0},
		"NoBlocks":       {0x4, 0},
		"FirstBlock":     {0x14, 5000},
	} {
		t.Run(name, func(t *testing.T) {
			bad := append([]byte(nil), raw...)
			binary.LittleEndian.PutUint16(bad[test.at:], test.value)
			if g, err := parseSuper(bad); !errors.Is(err, errNotExt4) {
				t.Errorf("took %+v, %v", g, err)
			}
		})
	}
	if _, _, err := readGeometry("/dev/null"); err == nil {
		t.Error("read a superblock where there is none")
	}
}

// FuzzParseSuper never panics on what a damaged disk holds.
func FuzzParseSuper(f *testing.F) {
	raw := make([]byte, superLength)
	for at, value := range map[int]uint32{0x4: 4096, 0x18: 2, 0x20: 32768, 0x28: 2048, 0x38: superMagic, 0x4c: 1, 0x58: 256} {
		binary.LittleEndian.PutUint32(raw[at:], value)
	}
	f.Add(raw, int64(64*mib))
	f.Fuzz(func(t *testing.T, raw []byte, size int64) {
		if len(raw) < superLength || size < 0 {
			t.Skip("no superblock")
		}
		g, err := parseSuper(raw)
		if err != nil {
			return
		}
		largest := g.largest(size, 4096)
		if largest > uint64(size)/g.blockSize {
			t.Errorf("%d blocks on %d bytes", largest, size)
		}
		if largest > g.blocks {
			_ = g.reaches(largest)
		}
	})
}
