// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mount is everything that a node does to turn an image file into a
// mounted file system or a block device: loop devices, file systems, mounts.
// It knows neither CSI nor the pool. Linux is the implementation; package
// mounttest has one in memory.
package mount

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
)

// SectorSize is the logical block size, in bytes, of every loop device.
const SectorSize = 4096

// The file systems that can be made, checked and grown.
const (
	Ext4 = "ext4"
	XFS  = "xfs"
)

var (
	// ErrLoopTaken tells that another process bound the loop device first; the
	// caller asks for another number.
	ErrLoopTaken = errors.New("loop device was taken by another process")
	// ErrReleased tells that a loop device is not bound any more to what the caller
	// bound it to: the last process that had it open closed it meanwhile.
	ErrReleased = errors.New("loop device was released meanwhile")
	// ErrBusy tells that something still uses a device or a mount point.
	ErrBusy = errors.New("in use")
	// ErrOption tells that a mount option is unknown or not allowed.
	ErrOption = errors.New("mount option not allowed")
	// ErrUnclean tells that a file system has errors which are not repaired
	// without an administrator.
	ErrUnclean = errors.New("file system needs repair by hand")
	// ErrNotBlank tells that a device holds data that must not be overwritten.
	ErrNotBlank = errors.New("device is not blank")
	// ErrNotLoop tells that a mount is not one of a loop device, hence none that
	// this package made.
	ErrNotLoop = errors.New("not a mount of a loop device")
)

// File identifies the content of a path as the kernel sees it.
type File struct {
	Inode  uint64
	Device uint64 // st_dev of the file system that holds the file
	Size   int64  // bytes
}

// Binding is what a loop device is bound to.
type Binding struct {
	Token    string // at most MaxToken bytes, chosen by the caller, returned by LoopStatus
	ReadOnly bool   // also for whoever opens the device
	Direct   bool   // result only: whether the device bypasses the page cache of the image
	// Autoclear is a result only: the kernel releases the device when the last one
	// who has it open, or mounted, closes it.
	Autoclear bool
	Inode     uint64 // result only: of the image
	Device    uint64 // result only: of the image
}

// MaxToken is the longest token, in bytes, that the kernel keeps for a loop device.
const MaxToken = 63

// Loops binds images to loop devices. A device is named by its number.
type Loops interface {
	// FreeLoop returns the number of a device that was unbound a moment ago.
	// Anybody may take it before BindLoop does.
	FreeLoop() (int, error)
	// BindLoop lets a device show the first size bytes of an image, which must have
	// them, in sectors of SectorSize bytes, with direct I/O if the image's file
	// system can do it. The error is ErrLoopTaken if the device is bound already.
	BindLoop(number int, image string, size int64, b Binding) error
	// LoopStatus tells what a device is bound to; nil if to nothing.
	LoopStatus(number int) (*Binding, error)
	// HoldLoop keeps a device that carries a token from being released until letGo
	// is called, so that its number cannot come to mean another image. It takes
	// back a release that only waits for the last one who has the device open. The
	// error is ErrReleased if the device does not carry the token.
	HoldLoop(number int, token string) (letGo func(), err error)
	// LoopsOf returns the numbers, ascending, of the devices that show an image and
	// whose tokens have a prefix. It asks the file system of every image that any
	// device shows, and waits for one that hangs.
	LoopsOf(image File, tokenPrefix string) ([]int, error)
	// UnbindLoop releases a device that carries a token and waits until it is gone;
	// one that does not is gone already. The error is ErrBusy while somebody has it
	// mounted, which leaves it bound, or open, after which the kernel may release it
	// as soon as they close it.
	UnbindLoop(ctx context.Context, number int, token string) error
	// ResizeLoop lets a device show the first size bytes of its image, which must have
	// them, and no more. A mounted one grows, and never shrinks: the error is ErrBusy
	// then, and where the kernel does not change the device while it is in use.
	ResizeLoop(number int, image string, size int64) error
	// LoopPath is the path of the device node; it need not exist before BindLoop.
	LoopPath(number int) string
}

// Images looks after image files.
type Images interface {
	// Identify tells which file an image is. Symbolic links are refused.
	Identify(image string) (File, error)
	// Flush makes all that was written to an image durable, for other nodes too.
	Flush(image string) error
	// Blank removes an image's content and never changes its size. It must not be
	// bound.
	Blank(image string) error
}

// Content is what a device holds. The zero value is a device that is not blank
// and holds nothing known.
type Content struct {
	Blank      bool   // provably: nothing found, and first and last MiB are zero
	Filesystem string // for example ext4; a partition table is "<kind> partition table"
}

// Depth is how far a check goes.
type Depth int

const (
	// Routine believes a file system that says it is clean and repairs what is
	// safe to repair.
	Routine Depth = iota
	// Thorough looks at everything, which takes long on a large file system, and
	// repairs what is safe to repair.
	Thorough
	// Mending looks at everything and repairs at any price. It is for the traces of
	// an interrupted GrowUnmounted, which harm no file, and for nothing else.
	Mending
)

// Filesystems makes and looks after file systems on devices.
type Filesystems interface {
	// Inspect tells what a device holds; it never writes.
	Inspect(ctx context.Context, device string) (Content, error)
	// Format makes a file system. The error is ErrNotBlank if the device holds
	// anything.
	Format(ctx context.Context, device, fsType string) error
	// Check repairs as much as depth allows; the error is ErrUnclean for the rest.
	// The device must not be mounted: ErrBusy.
	Check(ctx context.Context, device, fsType string, depth Depth) error
	// NeedsGrowUnmounted tells whether a file system is smaller than its device and
	// this process cannot grow it once it is mounted. It never writes.
	NeedsGrowUnmounted(device, fsType string) (bool, error)
	// GrowUnmounted lets a file system that is not mounted fill its device. A
	// Thorough check must have come first, without errors. If it fails or is
	// interrupted, by its context too, the file system is damaged until a Mending
	// check.
	GrowUnmounted(ctx context.Context, device, fsType string) error
	// Grow lets a mounted file system fill its device; it may fill it already.
	Grow(ctx context.Context, device, target, fsType string) error
	// Usage tells how full the file system at a path is.
	Usage(path string) (Usage, error)
	// DeviceSize returns a block device's size in bytes.
	DeviceSize(device string) (int64, error)
}

// Usage is how full a file system is.
type Usage struct {
	TotalBytes, UsedBytes, AvailableBytes    int64
	TotalInodes, UsedInodes, AvailableInodes int64
}

// Info is one entry of the mount table.
type Info struct {
	Loop     int // number of the loop device mounted, or whose node is bound, here
	Block    bool
	FSType   string
	ReadOnly bool // this mount; its file system may be mounted read-write elsewhere
	Healthy  bool // false if the file system does not answer: it must be unmounted
}

// Mounts mounts and unmounts. Paths are absolute and clean.
type Mounts interface {
	// MountAt returns what is mounted exactly at a path; nil if nothing is. The
	// error is ErrNotLoop for a mount that is not of a loop device.
	MountAt(path string) (*Info, error)
	// MountsOf returns the resolved paths, sorted, at which a loop device is mounted or its
	// node is bound, as far as this mount namespace tells.
	MountsOf(number int) ([]string, error)
	// Mount mounts a device. Options are checked by CheckOptions before.
	Mount(device, target, fsType string, options []string) error
	// Bind lets target show source, a directory or a device node, in one step:
	// nobody ever sees a read-only one writable. A device node stays writable.
	Bind(source, target string, readOnly bool) error
	// Unmount removes every mount at a path. None is no error; ErrBusy if in use.
	Unmount(path string) error
	// Abandon unmounts a file system that does not answer, without waiting.
	Abandon(path string) error
}

// Host is all of it.
type Host interface {
	Loops
	Images
	Filesystems
	Mounts
}

// SupportedFilesystem tells whether fsType can be made on this host.
func SupportedFilesystem(fsType string) bool {
	return slices.Contains([]string{Ext4, XFS}, fsType)
}

// Resolve returns a path as the mount table has it, without symbolic links. The
// last element stays as it is: a broken mount cannot be looked at, and links there
// are never followed.
func Resolve(path string) string {
	parent, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return path
	}
	return filepath.Join(parent, filepath.Base(path))
}
