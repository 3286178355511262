// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"io/fs"
)

// Get returns a volume. The error is ErrInvalidID or ErrNotFound, or ErrCorrupt
// if its state or its image is not what it has to be.
func (p *Pool) Get(id string) (Volume, error) {
	if err := checkID(id); err != nil {
		return Volume{}, err
	}
	s, err := p.enter()
	if err != nil {
		return Volume{}, err
	}
	defer s.close()
	return s.get(id)
}

func (s *store) get(id string) (Volume, error) {
	st, err := s.latest(id)
	if err != nil {
		return Volume{}, err
	}
	if st.Creating || st.Deleting {
		return Volume{}, notFound(id)
	}
	return s.volume(st)
}

// volume makes sure of the image and returns what the caller may know.
func (s *store) volume(st state) (Volume, error) {
	if err := s.checkImage(st); err != nil {
		return Volume{}, err
	}
	return Volume{
		ID:              st.ID,
		Name:            st.Name,
		CapacityBytes:   st.CapacityBytes,
		AccessType:      st.AccessType,
		FSType:          st.FSType,
		SectorSize:      st.SectorSize,
		ImagePath:       s.path + "/" + imageFile(st.ID, st.ImageGeneration),
		ImageGeneration: st.ImageGeneration,
		Generation:      st.Generation,
		Formatted:       st.Formatted,
		Grant:           st.Grant,
		Staged:          st.Staged,
	}, nil
}

// checkImage keeps nodes from attaching what is not the image.
func (s *store) checkImage(st state) error {
	name := imageFile(st.ID, st.ImageGeneration)
	info, err := s.fs.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.explainMissing(st)
	case err != nil:
		return err
	case info.Kind != regularKind:
		return damaged(name, "the image is not a regular file")
	case info.Size < st.CapacityBytes:
		return damaged(name, fmt.Sprintf("the image has %d of %d bytes", info.Size, st.CapacityBytes))
	}
	return nil
}

// explainMissing tells a volume that was deleted since st was read from one
// that lost its image.
func (s *store) explainMissing(st state) error {
	current, err := s.latest(st.ID)
	if err != nil {
		return err
	}
	if current.Deleting {
		return notFound(st.ID)
	}
	return damaged(imageFile(st.ID, st.ImageGeneration), "the image is gone")
}

// volumeIDs returns the ids of all volumes in whatever condition; other names
// are ignored.
func (s *store) volumeIDs() ([]string, error) {
	names, err := s.fs.ReadDir(volumesDir)
	if err != nil {
		return nil, fmt.Errorf("listing pool %q: %w", s.path, err)
	}
	var ids []string
	for _, name := range names {
		if checkID(name) == nil {
			ids = append(ids, name)
		}
	}
	return ids, nil
}

// ignoreAbsent is for files that others may remove at any time.
func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
