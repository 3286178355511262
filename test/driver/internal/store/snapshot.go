// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"path/filepath"
	"time"
)

// Snapshot is the metadata of a snapshot.
type Snapshot struct {
	Object
	SourceVolumeID string
	// GroupID is the group snapshot that it is part of; empty if of none.
	GroupID string
	// SizeBytes is the capacity that the volume had.
	SizeBytes int64
	Created   time.Time
}

// Group is the metadata of a group snapshot.
type Group struct {
	Object
	SourceVolumeIDs []string
	SnapshotIDs     []string
	Created         time.Time
}

// CreateSnapshot copies a volume, for a group if there is an id of one. It returns
// the snapshot of that name, which may be there already and be of another volume.
func (s *Store) CreateSnapshot(name, volumeID, groupID string) (Snapshot, error) {
	return s.Snapshots.create(name, func(o Object, folder string) (Snapshot, error) {
		volume, err := s.Volumes.Get(volumeID)
		if err != nil {
			return Snapshot{}, err
		}
		made := Snapshot{Object: o, SourceVolumeID: volumeID, GroupID: groupID, SizeBytes: volume.CapacityBytes, Created: time.Now()}
		return made, copyTree(s.DataPath(volumeID), filepath.Join(folder, dataFolder))
	})
}

// CreateGroup copies volumes one after the other: only those that nobody writes to
// agree with each other. It returns the group of that name, which may be there
// already and be of other volumes.
func (s *Store) CreateGroup(name string, volumeIDs []string) (Group, error) {
	return s.Groups.create(name, func(o Object, _ string) (Group, error) {
		for _, id := range volumeIDs { // all or none
			if _, err := s.Volumes.Get(id); err != nil {
				return Group{}, err
			}
		}
		made := Group{Object: o, SourceVolumeIDs: volumeIDs, Created: time.Now()}
		for _, id := range volumeIDs {
			// By this name, a repeated call finds what an interrupted one made.
			member, err := s.CreateSnapshot(o.ID+"/"+id, id, o.ID)
			if err != nil {
				return Group{}, err
			}
			made.SnapshotIDs = append(made.SnapshotIDs, member.ID)
		}
		return made, nil
	})
}
