// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package store keeps volumes, snapshots and group snapshots in a directory that
// the processes of a driver share, on whatever nodes they run.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNotFound is returned for what is not there.
var ErrNotFound = errors.New("not found")

// Store is a directory. Processes need no lock: what is made gets its name by a
// link or a rename, which one of them wins.
type Store struct {
	Volumes   *Collection[Volume]
	Snapshots *Collection[Snapshot]
	Groups    *Collection[Group]
	nodes     string
	scratch   scratch
}

// Open makes what a directory lacks to be a store.
func Open(dir string) (*Store, error) {
	temporary := scratch(filepath.Join(dir, "tmp"))
	s := &Store{
		Volumes:   newCollection[Volume](dir, "volume", temporary),
		Snapshots: newCollection[Snapshot](dir, "snapshot", temporary),
		Groups:    newCollection[Group](dir, "group", temporary),
		nodes:     filepath.Join(dir, "nodes"),
		scratch:   temporary,
	}
	for _, folder := range []string{
		string(s.scratch), s.nodes, s.Volumes.folder, s.Volumes.names,
		s.Snapshots.folder, s.Snapshots.names, s.Groups.folder, s.Groups.names,
	} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, fmt.Errorf("making the store: %w", err)
		}
	}
	return s, nil
}

// AddNode makes a node known.
func (s *Store) AddNode(node string) error {
	if err := s.scratch.place(filepath.Join(s.nodes, node), nil, os.Rename); err != nil {
		return fmt.Errorf("adding node %q: %w", node, err)
	}
	return nil
}

// CheckNode returns ErrNotFound for a node that was never added.
func (s *Store) CheckNode(node string) error {
	_, err := os.Lstat(filepath.Join(s.nodes, filepath.Base(node)))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("node %q: %w", node, ErrNotFound)
	}
	return err
}
