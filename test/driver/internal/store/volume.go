// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// What the folder of a volume holds beside its metadata; that of a snapshot holds
// data alone.
const (
	dataFolder      = "data"
	publishedFolder = "published"
)

// Volume is the metadata of a volume.
type Volume struct {
	Object
	CapacityBytes int64
	// Source is what the volume was filled from; zero if from nothing.
	Source Source
	// MutableParameters are those of the creation and of every change since.
	MutableParameters map[string]string
	// Node is the only node that can use the volume; empty: all nodes can.
	Node string
}

// Source is the id of a volume or of a snapshot.
type Source struct{ VolumeID, SnapshotID string }

// CreateVolume returns the volume of that name, which may be there already and
// differ.
func (s *Store) CreateVolume(want Volume) (Volume, error) {
	return s.Volumes.create(want.Name, func(o Object, folder string) (Volume, error) {
		want.Object = o
		if err := os.Mkdir(filepath.Join(folder, publishedFolder), 0o700); err != nil {
			return Volume{}, err
		}
		return want, s.fill(filepath.Join(folder, dataFolder), want.Source)
	})
}

// fill makes the data of a new volume. Pods of every user may write into an empty
// one.
func (s *Store) fill(data string, from Source) error {
	switch {
	case from.VolumeID != "":
		return copyTree(s.DataPath(from.VolumeID), data)
	case from.SnapshotID != "":
		return copyTree(filepath.Join(s.Snapshots.path(from.SnapshotID), dataFolder), data)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	return os.Chmod(data, 0o777) // the umask is of no matter
}

// DataPath is the folder that a pod sees.
func (s *Store) DataPath(id string) string { return filepath.Join(s.Volumes.path(id), dataFolder) }

func (s *Store) published(id string) string {
	return filepath.Join(s.Volumes.path(id), publishedFolder)
}

// Publish records that a node may use a volume. Both must be there.
func (s *Store) Publish(id, node string) error {
	if err := s.scratch.place(filepath.Join(s.published(id), node), nil, os.Rename); err != nil {
		return fmt.Errorf("publishing volume %q to node %q: %w", id, node, err)
	}
	return nil
}

// Published returns the nodes that may use a volume, sorted.
func (s *Store) Published(id string) ([]string, error) {
	entries, err := os.ReadDir(s.published(id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing the nodes of volume %q: %w", id, err)
	}
	var nodes []string
	for _, entry := range entries {
		nodes = append(nodes, entry.Name())
	}
	return nodes, nil
}

// Unpublish takes a volume from a node, or from all nodes if node is empty. It
// succeeds for what is not there.
func (s *Store) Unpublish(id, node string) error {
	nodes, err := s.Published(id)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if node != "" && node != n {
			continue
		}
		if err := os.Remove(filepath.Join(s.published(id), n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("unpublishing volume %q from node %q: %w", id, n, err)
		}
	}
	return nil
}
