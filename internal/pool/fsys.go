// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import "time"

// maxRecordBytes bounds what is read of a JSON file: records are far smaller,
// and whatever else lies in the pool must not fill the memory.
const maxRecordBytes = 64 << 10

// Modes of what the pool makes; volumes are nobody else's business.
const (
	privateDir  = 0o700
	privateFile = 0o600
)

// fsys is every call that the pool makes on the file system, relative to the
// pool's directory. Names use slashes and never contain "..". No implementation
// follows a symbolic link inside the pool. Errors answer to errors.Is with
// fs.ErrNotExist and fs.ErrExist, and wrap ErrCorrupt where a file of another
// kind stands in the way.
type fsys interface {
	// ReadDir returns the names in a directory, sorted.
	ReadDir(dir string) ([]string, error)
	// ReadFile returns a regular file of at most maxRecordBytes.
	ReadFile(name string) ([]byte, error)
	// Lstat never follows a link: a link is fileInfo.Kind otherKind.
	Lstat(name string) (fileInfo, error)
	// Space returns the bytes that an ordinary user may still write, and the size
	// of the whole file system.
	Space() (free, size int64, err error)

	Mkdir(name string) error
	// WriteNew creates a file, writes data and syncs it. It is not atomic: a
	// crash leaves a part. The name must not exist.
	WriteNew(name string, data []byte) error
	// MakeSparse is WriteNew for size bytes of hole.
	MakeSparse(name string, size int64) error
	// Grow makes a regular file at least size bytes long and syncs it. It never
	// shrinks a file, not even one that somebody else grows at the same time.
	Grow(name string, size int64) error
	Link(oldName, newName string) error
	Rename(oldName, newName string) error
	Remove(name string) error
	RemoveDir(name string) error
	// Sync makes the entries of a directory durable.
	Sync(dir string) error

	Close() error
}

type fileKind int

const (
	otherKind fileKind = iota
	regularKind
	directoryKind
)

type fileInfo struct {
	Kind      fileKind
	Inode     uint64
	Links     uint64
	Size      int64 // apparent, bytes
	Allocated int64 // bytes on disk
	ModTime   time.Time
}
