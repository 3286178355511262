// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Linux is the Host that runs in the node plugin: privileged, with the tools of
// e2fsprogs, xfsprogs and util-linux in its path.
type Linux struct {
	devices string // directory of the device nodes
}

var _ Host = (*Linux)(nil)

// NewLinux returns the host of this process.
func NewLinux() *Linux { return &Linux{devices: "/dev"} }

// Identify refuses everything that is not a regular file.
func (l *Linux) Identify(image string) (File, error) {
	var stat unix.Stat_t
	if err := unix.Lstat(image, &stat); err != nil {
		return File{}, fmt.Errorf("reading image %q: %w", image, err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return File{}, fmt.Errorf("image %q is not a regular file", image)
	}
	return File{Inode: stat.Ino, Device: stat.Dev, Size: stat.Size}, nil
}

// Flush syncs the image's data and size.
func (l *Linux) Flush(image string) error {
	f, err := openImage(image, true)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("flushing image %q: %w", image, err)
	}
	return nil
}

// Blank punches a hole, or writes zeros where the file system cannot do that.
func (l *Linux) Blank(image string) error {
	f, err := openImage(image, false)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("emptying image %q: %w", image, err)
	}
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		err = zeroData(f, size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return fmt.Errorf("emptying image %q: %w", image, err)
	}
	return nil
}

// zeroData overwrites what is allocated below size bytes; file systems that do
// not know count as wholly allocated.
func zeroData(f *os.File, size int64) error {
	zero := make([]byte, 1<<20)
	for at := int64(0); at < size; {
		start, err := f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		end, err := f.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		for at = start; at < end; {
			n, err := f.WriteAt(zero[:min(int64(len(zero)), end-at)], at)
			if err != nil {
				return err
			}
			at += int64(n)
		}
	}
	return nil
}

// openImage never follows a link out of the pool.
func openImage(image string, readOnly bool) (*os.File, error) {
	mode := os.O_RDWR
	if readOnly {
		mode = os.O_RDONLY
	}
	f, err := os.OpenFile(image, mode|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening image: %w", err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("image %q is not a regular file", image), f.Close())
	}
	return f, nil
}
