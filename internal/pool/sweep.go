// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"
)

// staleAfter is far longer than any process needs a temporary file, or waits
// before it repeats a request, and allows for clocks that differ.
const staleAfter = time.Hour

var (
	temporaryName = regexp.MustCompile(`^(pool|claim|state|image|node)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	claimName     = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Sweep removes what crashed processes left and nobody asked for again within an
// hour, and finishes deletions, as Init does. It looks at every volume. It goes
// on after an error and returns all of them: nothing depends on it, and the same
// error meets whoever uses the volume.
func (p *Pool) Sweep() error {
	s, err := p.enter()
	if err != nil {
		return err
	}
	defer s.close()
	return s.sweep(p.env.now())
}

func (s *store) sweep(now time.Time) error {
	return errors.Join(s.sweepTemporaries(now), s.sweepVolumes(now), s.sweepClaims(now))
}

func (s *store) sweepTemporaries(now time.Time) error {
	names, err := s.fs.ReadDir(tmpDir)
	if err != nil {
		return err
	}
	var problems []error
	for _, name := range names {
		if id, ok := strings.CutPrefix(name, trashPrefix); ok && checkID(id) == nil {
			problems = append(problems, s.emptyTrash(id))
		} else if temporaryName.MatchString(name) {
			problems = append(problems, s.sweepTemporary(tmpDir+"/"+name, now))
		}
	}
	return errors.Join(problems...)
}

func (s *store) sweepTemporary(name string, now time.Time) error {
	info, err := s.fs.Lstat(name)
	if err != nil || info.Kind != regularKind || now.Sub(info.ModTime) <= staleAfter {
		return ignoreAbsent(err)
	}
	return ignoreAbsent(s.fs.Remove(name))
}

func (s *store) sweepVolumes(now time.Time) error {
	ids, err := s.volumeIDs()
	if err != nil {
		return err
	}
	var problems []error
	for _, id := range ids {
		problems = append(problems, s.sweepVolume(id, now))
	}
	return errors.Join(problems...)
}

// sweepVolume finishes an interrupted deletion, takes an interrupted growth
// back, and removes a volume that was never finished, or never begun.
func (s *store) sweepVolume(id string, now time.Time) error {
	st, err := s.latest(id)
	switch {
	case errors.Is(err, ErrNotFound):
		return s.sweepEmpty(id, now)
	case err != nil:
		return err
	case st.Deleting:
		return s.giveUp(id)
	case st.Creating:
		return s.sweepCreation(st, now)
	case st.ReservedBytes != 0:
		return s.sweepReservation(st, now)
	}
	return nil
}

// sweepCreation removes a volume whose creation nobody repeats. Nobody can if it
// lost its name.
func (s *store) sweepCreation(st state, now time.Time) error {
	stale, err := s.stale(stateFile(st.ID, st.Generation), now)
	if err != nil {
		return err
	}
	if !stale {
		if owner, err := s.claimant(st.Name); err != nil || owner == st.ID {
			return err
		}
	}
	return s.giveUp(st.ID)
}

// giveUp is abandon for a volume that may be finished by now, which is as well.
func (s *store) giveUp(id string) error {
	if err := s.abandon(id); !errors.Is(err, errLost) {
		return err
	}
	return nil
}

// sweepReservation frees what a volume was to grow by. A process that grows it
// still finds that out, and reserves again.
func (s *store) sweepReservation(st state, now time.Time) error {
	stale, err := s.stale(stateFile(st.ID, st.Generation), now)
	if err != nil || !stale {
		return err
	}
	_, err = s.change(st.ID, live(func(current *state) (bool, error) {
		if current.Generation != st.Generation {
			return false, nil
		}
		current.ReservedBytes = 0
		return true, nil
	}))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// sweepEmpty removes the directory of a volume unless there is something in it,
// or somebody may be about to put it there.
func (s *store) sweepEmpty(id string, now time.Time) error {
	stale, err := s.stale(volumeDir(id), now)
	if err != nil || !stale {
		return err
	}
	err = s.fs.RemoveDir(volumeDir(id))
	if errors.Is(err, fs.ErrExist) {
		return nil // it is not empty
	}
	return ignoreAbsent(err)
}

// sweepClaims frees the names of volumes that were never begun.
func (s *store) sweepClaims(now time.Time) error {
	names, err := s.fs.ReadDir(namesDir)
	if err != nil {
		return err
	}
	ids, err := s.volumeIDs()
	if err != nil {
		return err
	}
	var problems []error
	for _, name := range names {
		if !claimName.MatchString(name) {
			continue
		}
		file := namesDir + "/" + name
		found, err := s.readClaim(file)
		if err == nil && claimFile(found.Name) != file {
			err = damaged(file, "it claims another name")
		}
		if _, exists := slices.BinarySearch(ids, found.ID); err == nil && !exists {
			err = s.sweepClaim(found, now)
		}
		problems = append(problems, ignoreAbsent(err))
	}
	return errors.Join(problems...)
}

// sweepClaim frees a name whose volume was not to be seen. As some process may
// be about to make the volume after all, it is made here, as one that is to be
// deleted: only one of the two can link its first state.
func (s *store) sweepClaim(c claim, now time.Time) error {
	stale, err := s.stale(claimFile(c.Name), now)
	if err != nil || !stale {
		return err
	}
	if err := s.fs.Mkdir(volumeDir(c.ID)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := s.fs.Sync(volumesDir); err != nil {
		return err
	}
	st := firstState(c)
	st.CapacityBytes, st.AccessType, st.Deleting = SectorSize, Block, true
	err = s.commit(st)
	if errors.Is(err, errLost) || errors.Is(err, ErrNotFound) {
		return nil // another process made it, or finished this deletion
	}
	if err != nil {
		return err
	}
	return s.finishDelete(st)
}

// stale reports whether a file is older than any process that may still be at
// work with it. What is gone is not.
func (s *store) stale(name string, now time.Time) (bool, error) {
	info, err := s.fs.Lstat(name)
	return err == nil && now.Sub(info.ModTime) > staleAfter, ignoreAbsent(err)
}
