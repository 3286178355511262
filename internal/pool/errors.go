// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
)

// What a caller may want to tell apart. Compare with errors.Is: every error of
// this package that has one of these causes wraps it and adds what it knows.
var (
	// ErrNoPool says that the directory is absent, or is no pool (yet): on a
	// node, that the shared file system is not mounted there.
	ErrNoPool = errors.New("no pool here")
	// ErrForeignPool says that the pool belongs to another driver, or that it is
	// not the pool any more that was opened.
	ErrForeignPool = errors.New("pool belongs to somebody else")
	// ErrFormat says that a newer release wrote what was read.
	ErrFormat = errors.New("written by a newer release")
	// ErrCorrupt says that something in the pool is not what this package wrote.
	// It never heals by itself and is never guessed around: an administrator has
	// to look at the named file.
	ErrCorrupt = errors.New("pool is damaged")

	// ErrInvalidID says that a volume id or node name cannot be one; nothing was
	// looked up.
	ErrInvalidID = errors.New("invalid id")
	// ErrInvalidRequest says that a CreateRequest can never be served.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrRange says that no capacity is possible within the asked limits.
	ErrRange = errors.New("capacity out of range")

	// ErrNotFound says that there is no such volume (deleted, or never finished).
	ErrNotFound = errors.New("volume not found")
	// ErrNodeUnknown says that the node never registered in this pool.
	ErrNodeUnknown = errors.New("node is not registered in this pool")
	// ErrConflict says that the thing exists already with other properties.
	ErrConflict = errors.New("exists with other properties")
	// ErrNoSpace says that the bytes cannot be promised.
	ErrNoSpace = errors.New("not enough space in the pool")
	// ErrBusy says that other processes changed the volume again and again
	// meanwhile. Nothing was done; try again.
	ErrBusy = errors.New("changed by others meanwhile")

	// In the following, a node that was replaced by a machine of the same name is
	// another node.

	// ErrGranted says that another node holds the grant. See HeldError.
	ErrGranted = errors.New("granted to another node")
	// ErrStaged says that the stage marker of another node stands. See HeldError.
	ErrStaged = errors.New("staged on another node")
	// ErrInUse says that a volume cannot be deleted while it is granted or
	// staged. See HeldError.
	ErrInUse = errors.New("volume is in use")
	// ErrNotGranted says that a node wants to stage what it was not granted.
	ErrNotGranted = errors.New("not granted to this node")
	// ErrNotStaged says that a node wants to change a volume without having
	// staged it.
	ErrNotStaged = errors.New("not staged on this node")
)

// HeldError names the node that stands in the way. It wraps ErrGranted,
// ErrStaged or ErrInUse.
type HeldError struct {
	// VolumeID is the volume that was asked for.
	VolumeID string
	// Node and Instance hold the grant or the stage marker. Node may be the one
	// that asked, if it is another instance now.
	Node, Instance string
	// Err is the sentinel error.
	Err error
}

// Error names the volume, the node and its instance.
func (e *HeldError) Error() string {
	return fmt.Sprintf("volume %q is held by node %q (instance %q): %v", e.VolumeID, e.Node, e.Instance, e.Err)
}

// Unwrap returns the sentinel error.
func (e *HeldError) Unwrap() error { return e.Err }
