// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/bits"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const statBlock = 512 // bytes, the unit of st_blocks on every file system

// directory is the pool's directory, held open for one operation.
type directory struct {
	fd int
}

// openDirectory opens path, which may itself be or contain a symbolic link:
// that is the administrator's choice. Everything below it may not.
func openDirectory(path string) (fsys, error) {
	fd, err := openat(unix.AT_FDCWD, path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, pathError("open", path, err)
	}
	return &directory{fd: fd}, nil
}

func (d *directory) Close() error { return unix.Close(d.fd) }

func (d *directory) ReadDir(dir string) ([]string, error) {
	f, err := d.open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

func (d *directory) ReadFile(name string) ([]byte, error) {
	// O_NONBLOCK: opening a fifo must not wait for a writer.
	f, err := d.openRegular(name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecordBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxRecordBytes {
		return nil, fmt.Errorf("reading %q: more than %d bytes: %w", name, maxRecordBytes, ErrCorrupt)
	}
	return data, nil
}

func (d *directory) Lstat(name string) (fileInfo, error) {
	var st unix.Stat_t
	err := d.at("lstat", name, func(dir int, base string) error {
		return unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return fileInfo{}, err
	}
	return infoOf(&st), nil
}

func (d *directory) Space() (free, size int64, err error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(d.fd, &st) }); err != nil {
		return 0, 0, pathError("statfs", ".", err)
	}
	unit := st.Frsize
	if unit == 0 {
		unit = st.Bsize
	}
	return inBytes(st.Bavail, uint64(unit)), inBytes(st.Blocks, uint64(unit)), nil
}

// inBytes stops where elastic file systems report more than fits: half of the
// range keeps sums safe.
func inBytes(blocks, unit uint64) int64 {
	high, low := bits.Mul64(blocks, unit)
	if high != 0 || low > math.MaxInt64/2 {
		return math.MaxInt64 / 2
	}
	return int64(low)
}

func (d *directory) Mkdir(name string) error {
	return d.at("mkdir", name, func(dir int, base string) error { return unix.Mkdirat(dir, base, privateDir) })
}

func (d *directory) WriteNew(name string, data []byte) error {
	return d.create(name, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

func (d *directory) MakeSparse(name string, size int64) error {
	return d.create(name, func(f *os.File) error { return f.Truncate(size) })
}

func (d *directory) Grow(name string, size int64) error {
	f, err := d.openRegular(name, unix.O_RDWR|unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	if err := grow(f, size); err != nil {
		return errors.Join(pathError("grow", name, err), f.Close())
	}
	return syncAndClose(f)
}

func (d *directory) Link(oldName, newName string) error {
	return d.at("link", oldName, func(oldDir int, oldBase string) error {
		return d.at("link", newName, func(newDir int, newBase string) error {
			return unix.Linkat(oldDir, oldBase, newDir, newBase, 0)
		})
	})
}

func (d *directory) Rename(oldName, newName string) error {
	return d.at("rename", oldName, func(oldDir int, oldBase string) error {
		return d.at("rename", newName, func(newDir int, newBase string) error {
			return unix.Renameat(oldDir, oldBase, newDir, newBase)
		})
	})
}

func (d *directory) Remove(name string) error {
	return d.at("remove", name, func(dir int, base string) error { return unix.Unlinkat(dir, base, 0) })
}

func (d *directory) RemoveDir(name string) error {
	return d.at("rmdir", name, func(dir int, base string) error { return unix.Unlinkat(dir, base, unix.AT_REMOVEDIR) })
}

func (d *directory) Sync(dir string) error {
	f, err := d.open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return syncAndClose(f)
}

// create makes a new file, has it filled, and syncs it.
func (d *directory) create(name string, fill func(*os.File) error) error {
	f, err := d.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, privateFile)
	if err != nil {
		return err
	}
	if err := fill(f); err != nil {
		return errors.Join(pathError("write", name, err), f.Close())
	}
	return syncAndClose(f)
}

func (d *directory) openRegular(name string, flags int) (*os.File, error) {
	f, err := d.open(name, flags, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, errors.Join(pathError("stat", name, err), f.Close())
	}
	if infoOf(&st).Kind != regularKind {
		return nil, errors.Join(fmt.Errorf("opening %q: not a regular file: %w", name, ErrCorrupt), f.Close())
	}
	return f, nil
}

func (d *directory) open(name string, flags int, mode uint32) (*os.File, error) {
	var fd int
	err := d.at("open", name, func(dir int, base string) error {
		var err error
		fd, err = unix.Openat(dir, base, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// at walks to the directory of name, one component at a time and through real
// directories only, and calls do with it and the last component.
func (d *directory) at(op, name string, do func(dir int, base string) error) error {
	parts := strings.Split(name, "/")
	dir := d.fd
	defer func() { d.closeUnlessRoot(dir) }()
	for _, part := range parts[:len(parts)-1] {
		next, err := openat(dir, part, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
		if err != nil {
			return pathError(op, name, err)
		}
		d.closeUnlessRoot(dir)
		dir = next
	}
	return pathError(op, name, retry(func() error { return do(dir, parts[len(parts)-1]) }))
}

func (d *directory) closeUnlessRoot(fd int) {
	if fd != d.fd {
		_ = unix.Close(fd) // opened with O_PATH: nothing to lose
	}
}

// grow extends f by an allocation at the new end, which is the only way to
// extend a file that cannot shrink it.
func grow(f *os.File, size int64) error {
	fd := int(f.Fd())
	err := retry(func() error { return unix.Fallocate(fd, 0, size-SectorSize, SectorSize) })
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	return growLocked(f, size)
}

// growLocked is for file systems that cannot allocate, like older NFS: writers
// take turns by a lock that every process and host honours. Closing f ends it.
func growLocked(f *os.File, size int64) error {
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := retry(func() error { return unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &lock) }); err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	info, err := f.Stat()
	if err != nil || info.Size() >= size {
		return err
	}
	return f.Truncate(size)
}

func syncAndClose(f *os.File) error {
	return errors.Join(pathError("sync", f.Name(), f.Sync()), f.Close())
}

func infoOf(st *unix.Stat_t) fileInfo {
	kind := otherKind
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		kind = regularKind
	case unix.S_IFDIR:
		kind = directoryKind
	}
	return fileInfo{
		Kind:      kind,
		Inode:     st.Ino,
		Links:     uint64(st.Nlink), //nolint:unconvert // 32 bits on other architectures
		Size:      st.Size,
		Allocated: st.Blocks * statBlock,
		ModTime:   time.Unix(st.Mtim.Sec, st.Mtim.Nsec),
	}
}

func openat(dir int, name string, flags int) (int, error) {
	var fd int
	err := retry(func() error {
		var err error
		fd, err = unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// pathError says in the pool's words what an errno means.
func pathError(op, name string, err error) error {
	if err == nil || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNoSpace) || errors.Is(err, ErrRange) {
		return err
	}
	located, known := err, new(fs.PathError)
	if !errors.As(err, &known) {
		located = &fs.PathError{Op: op, Path: name, Err: err}
	}
	switch {
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%w: %w", located, ErrCorrupt)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%w: %w", located, ErrNoSpace)
	case errors.Is(err, unix.EFBIG):
		return fmt.Errorf("%w: %w", located, ErrRange)
	case errors.Is(err, unix.EOPNOTSUPP), op == "link" && errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (the pool needs a file system with hard links, like ext4, xfs or NFS)", located)
	}
	return located
}

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
