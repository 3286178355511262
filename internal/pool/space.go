// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
)

// What is never promised, so that records can be written and volumes be given
// back when all promises are used up: a share of the file system, which also
// covers its own metadata, and at least minReserve bytes.
const (
	minReserve   int64 = 64 << 20
	reserveShare int64 = 50 // one part in so many
)

// balance returns the bytes that can still be promised to volumes: what the file
// system has free beyond the reserve, and what images occupy already, less all
// that was promised. It is negative when more was promised than there is. Whoever
// else fills the file system takes from it.
//
// To promise, write the promise first and look at the balance then: of several
// processes that promise at once, the last one sees all promises. So there may
// be one refusal too many, and never one promise too many.
func (s *store) balance() (int64, error) {
	ids, err := s.volumeIDs()
	if err != nil {
		return 0, err
	}
	var missing int64
	for _, id := range ids {
		promised, allocated, err := s.footprint(id)
		if err != nil {
			return 0, fmt.Errorf("adding up volume %q: %w", id, err)
		}
		missing += promised - min(allocated, promised)
	}
	// Last, so that what is written meanwhile makes the result too small.
	free, size, err := s.fs.Space()
	return free - max(minReserve, size/reserveShare) - missing, err
}

// requireSpace returns ErrNoSpace if the promises exceed the pool; wanted is
// the promise, already written, that is to be justified.
func (s *store) requireSpace(wanted int64) error {
	left, err := s.balance()
	if err != nil || left >= 0 {
		return err
	}
	return fmt.Errorf("%d bytes are wanted, %d are available in %q: %w", wanted, max(left+wanted, 0), s.path, ErrNoSpace)
}

// footprint returns what a volume was promised and what its image occupies. A
// volume whose state cannot be read counts with the size of its images.
func (s *store) footprint(id string) (promised, allocated int64, err error) {
	st, err := s.latest(id)
	switch {
	case err == nil:
		image, err := s.image(imageFile(id, st.ImageGeneration))
		return st.promised(), image.Allocated, err
	case errors.Is(err, ErrNotFound):
		return 0, 0, nil
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrFormat):
		return s.imageSizes(id)
	}
	return 0, 0, err
}

func (s *store) imageSizes(id string) (size, allocated int64, err error) {
	names, err := s.fs.ReadDir(volumeDir(id))
	if errors.Is(err, ErrCorrupt) {
		return 0, 0, nil // no directory, so no images
	}
	if err != nil {
		return 0, 0, ignoreAbsent(err)
	}
	for _, name := range names {
		if _, ok := parseGeneration(imagePrefix, name); !ok {
			continue
		}
		image, err := s.image(volumeDir(id) + "/" + name)
		if err != nil {
			return 0, 0, err
		}
		size += image.Size
		allocated += image.Allocated
	}
	return size, allocated, nil
}

// image looks at an image; what is absent or no regular file has no size.
func (s *store) image(name string) (fileInfo, error) {
	info, err := s.fs.Lstat(name)
	if err != nil || info.Kind != regularKind {
		return fileInfo{}, ignoreAbsent(err)
	}
	return info, nil
}
