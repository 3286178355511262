// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
)

// Resize makes a volume at least bytes large, rounded up to the sector size,
// also while it is in use. It never shrinks: for less than it has it returns the
// volume as it is. The errors are ErrRange, ErrNoSpace and ErrNotFound, after
// which the volume is as it was.
func (p *Pool) Resize(id string, bytes int64) (Volume, error) {
	if err := checkID(id); err != nil {
		return Volume{}, err
	}
	if bytes > MaxCapacity {
		return Volume{}, fmt.Errorf("resizing volume %q: %d bytes, at most %d: %w", id, bytes, MaxCapacity, ErrRange)
	}
	s, err := p.enter()
	if err != nil {
		return Volume{}, err
	}
	defer s.close()
	v, err := s.resize(id, roundUp(max(bytes, 0)))
	if err != nil {
		return Volume{}, fmt.Errorf("resizing volume %q: %w", id, err)
	}
	return v, nil
}

func (s *store) resize(id string, size int64) (Volume, error) {
	for range maxAttempts {
		st, err := s.grow(id, size)
		if errors.Is(err, errLost) {
			continue
		}
		if err != nil {
			return Volume{}, err
		}
		return s.volume(st)
	}
	return Volume{}, ErrBusy
}

// grow reserves, looks whether that was too much, grows the image, and only
// then promises the new size. It replaces the reservation of another growth,
// which may have been given up long ago and be far more than there is; whoever
// is at work with that one loses, and tries again.
func (s *store) grow(id string, size int64) (state, error) {
	st, err := s.change(id, live(func(st *state) (bool, error) {
		if st.CapacityBytes >= size || st.ReservedBytes == size {
			return false, nil
		}
		st.ReservedBytes = size
		return true, nil
	}))
	if err != nil || st.CapacityBytes >= size {
		return st, err
	}
	st, err = s.growReserved(st, size)
	if errors.Is(err, ErrNoSpace) || errors.Is(err, ErrRange) {
		err = errors.Join(err, s.cancelGrowth(id, size))
	}
	return st, err
}

// growReserved does what was reserved. It loses if anything was changed since it
// looked at the space: the reservation may have gone, somebody else have got that
// space, and another process have reserved the same in vain. The image is longer
// than the volume then, and is attached without that.
func (s *store) growReserved(reserved state, size int64) (state, error) {
	if err := s.requireSpace(size - reserved.CapacityBytes); err != nil {
		return state{}, err
	}
	if err := s.checkImage(reserved); err != nil {
		return state{}, err
	}
	if err := s.fs.Grow(imageFile(reserved.ID, reserved.ImageGeneration), size); err != nil {
		return state{}, err
	}
	return s.change(reserved.ID, live(func(st *state) (bool, error) {
		if st.CapacityBytes >= size {
			return false, nil
		}
		if st.Generation != reserved.Generation {
			return false, errLost
		}
		st.CapacityBytes, st.ReservedBytes = size, 0
		return true, nil
	}))
}

// cancelGrowth takes a reservation back, unless it became another one.
func (s *store) cancelGrowth(id string, size int64) error {
	_, err := s.change(id, live(func(st *state) (bool, error) {
		if st.ReservedBytes != size {
			return false, nil
		}
		st.ReservedBytes = 0
		return true, nil
	}))
	return err
}
