// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
)

// Create makes a volume with a blank image, or returns the one of that name if
// it is what the request asks for (else ErrConflict). The other errors are
// ErrInvalidRequest, ErrRange and ErrNoSpace, after which nothing is left, and
// ErrBusy.
func (p *Pool) Create(req CreateRequest) (Volume, error) {
	if err := req.check(); err != nil {
		return Volume{}, err
	}
	capacity, err := req.capacity()
	if err != nil {
		return Volume{}, fmt.Errorf("creating volume %q: %w", shorten(req.Name), err)
	}
	s, err := p.enter()
	if err != nil {
		return Volume{}, err
	}
	defer s.close()
	for range maxAttempts {
		v, err := s.create(req, capacity)
		if errors.Is(err, errLost) || errors.Is(err, ErrNotFound) {
			continue // what was begun is gone: begin again
		}
		if err != nil {
			return Volume{}, fmt.Errorf("creating volume %q: %w", shorten(req.Name), err)
		}
		return v, nil
	}
	return Volume{}, fmt.Errorf("creating volume %q: %w", shorten(req.Name), ErrBusy)
}

// create takes the volume of that name as far as it can: claim the name, promise
// the capacity in a first state, make the image, call it finished.
func (s *store) create(req CreateRequest, capacity int64) (Volume, error) {
	id, err := s.claimVolume(req.Name, capacity)
	if err != nil {
		return Volume{}, err
	}
	st, err := s.latest(id)
	if errors.Is(err, ErrNotFound) {
		st, err = s.begin(req, id, capacity)
	}
	if err != nil {
		return Volume{}, err
	}
	if st.Deleting {
		return Volume{}, cmp.Or(s.finishDelete(st), errLost)
	}
	if err := req.accepts(st); err != nil {
		return Volume{}, err
	}
	if st.Creating {
		st, err = s.finishCreate(st)
	} else {
		err = s.syncVolume(id)
	}
	if err != nil {
		return Volume{}, err
	}
	return s.volume(st)
}

// claimVolume returns the id that name belongs to, if need be a new one. A
// request that cannot fit is refused before it leaves a trace.
func (s *store) claimVolume(name string, capacity int64) (string, error) {
	id, err := s.claimant(name)
	if err != nil {
		return "", err
	}
	if id != "" {
		return id, s.fs.Sync(namesDir)
	}
	left, err := s.balance()
	if err != nil {
		return "", err
	}
	if left < capacity {
		return "", fmt.Errorf("%d bytes are wanted, %d are available in %q: %w", capacity, max(left, 0), s.path, ErrNoSpace)
	}
	return s.claim(name, newUUID())
}

// begin writes the first state of a volume that has a claim and nothing else.
func (s *store) begin(req CreateRequest, id string, capacity int64) (state, error) {
	// The volume may be absent because it was deleted since the claim was read.
	if owner, err := s.claimant(req.Name); err != nil || owner != id {
		return state{}, cmp.Or(err, errLost)
	}
	if err := s.fs.Mkdir(volumeDir(id)); err != nil && !errors.Is(err, fs.ErrExist) {
		return state{}, err
	}
	if err := s.fs.Sync(volumesDir); err != nil {
		return state{}, err
	}
	st := firstState(claim{Name: req.Name, ID: id})
	st.CapacityBytes, st.AccessType, st.FSType = capacity, req.AccessType, req.FSType
	return st, s.commit(st)
}

func firstState(c claim) state {
	return state{
		FormatVersion:   formatVersion,
		Generation:      1,
		ID:              c.ID,
		Name:            c.Name,
		SectorSize:      SectorSize,
		ImageGeneration: 1,
		Creating:        true,
	}
}

// finishCreate gives a promised volume its image and its name. What does not
// fit after all is removed again.
func (s *store) finishCreate(st state) (state, error) {
	err := s.requireSpace(st.CapacityBytes)
	if err == nil {
		err = s.makeImage(st)
	}
	if errors.Is(err, ErrNoSpace) || errors.Is(err, ErrRange) {
		return state{}, errors.Join(err, s.abandon(st.ID))
	}
	if err != nil {
		return state{}, err
	}
	if err := s.confirmClaim(st); err != nil {
		return state{}, err
	}
	return s.change(st.ID, func(st *state) (bool, error) {
		if st.Deleting {
			return false, errLost
		}
		edited := st.Creating
		st.Creating = false
		return edited, nil
	})
}

// makeImage links a blank image into place, unless one is there. It is never
// made or resized in place: a slow process could hit an image that is in use.
func (s *store) makeImage(st state) error {
	name := imageFile(st.ID, st.ImageGeneration)
	_, err := s.fs.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		tmp := temporary("image")
		defer s.discard(tmp)
		if err := s.fs.MakeSparse(tmp, st.CapacityBytes); err != nil {
			return err
		}
		_, err = s.linkExclusive(tmp, name)
	}
	if err != nil {
		return s.lostIfGone(st.ID, err)
	}
	if err := s.checkImage(st); err != nil {
		return err
	}
	return s.syncVolume(st.ID)
}

// confirmClaim makes sure that the name still is this volume's; otherwise the
// volume goes, before anybody was told of it.
func (s *store) confirmClaim(st state) error {
	owner, err := s.claimant(st.Name)
	if err == nil && owner == "" {
		owner, err = s.claim(st.Name, st.ID)
	}
	if err != nil || owner == st.ID {
		return err
	}
	return cmp.Or(s.abandon(st.ID), errLost)
}

// abandon removes a volume that nobody was told of. One that another process
// finished meanwhile stays.
func (s *store) abandon(id string) error {
	st, err := s.change(id, func(st *state) (bool, error) {
		if !st.Creating && !st.Deleting {
			return false, errLost
		}
		edited := !st.Deleting
		st.Deleting = true
		return edited, nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.finishDelete(st)
}
