// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// maxAttempts bounds how often a decision is taken again because another
// process changed what it was taken on.
const maxAttempts = 32

// errLost says that another process was faster: read again, decide again.
var errLost = errors.New("lost a race")

// change reads the state of a volume, has decide edit it, and makes it the next
// generation. decide returns false if there is nothing to do, and may be called
// several times; its error ends the change. The returned state is durable.
func (s *store) change(id string, decide func(*state) (bool, error)) (state, error) {
	for range maxAttempts {
		current, err := s.latest(id)
		if err != nil {
			return state{}, err
		}
		next := current
		edited, err := decide(&next)
		if err != nil {
			return current, err
		}
		if !edited {
			// Whoever wrote this generation may have died before its sync.
			return current, s.syncVolume(id)
		}
		next.Generation++
		err = s.commit(next)
		if errors.Is(err, errLost) {
			continue
		}
		return next, err
	}
	return state{}, fmt.Errorf("changing volume %q: %w", id, ErrBusy)
}

// live keeps decide from volumes that are not finished, or finished with.
func live(decide func(*state) (bool, error)) func(*state) (bool, error) {
	return func(st *state) (bool, error) {
		if st.Creating || st.Deleting {
			return false, notFound(st.ID)
		}
		return decide(st)
	}
}

// latest returns the state with the highest generation. A damaged one is an
// error; falling back to the one before could forget a grant.
func (s *store) latest(id string) (state, error) {
	for range maxAttempts {
		found, err := s.generations(id)
		if err != nil {
			return state{}, err
		}
		if len(found) == 0 {
			return state{}, notFound(id)
		}
		st, err := s.readState(id, found[len(found)-1])
		if errors.Is(err, fs.ErrNotExist) {
			continue // others have gone on by two generations since we looked
		}
		return st, err
	}
	return state{}, fmt.Errorf("reading volume %q: %w", id, ErrBusy)
}

func (s *store) readState(id string, gen int64) (state, error) {
	var st state
	name := stateFile(id, gen)
	if err := readRecord(s.fs, name, &st); err != nil {
		return state{}, err
	}
	if reason := st.validate(id, gen); reason != "" {
		return state{}, damaged(name, reason)
	}
	return st, nil
}

// generations returns the generations of state of a volume, ascending; other
// files are ignored.
func (s *store) generations(id string) ([]int64, error) {
	names, err := s.fs.ReadDir(volumeDir(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound(id)
	}
	if err != nil {
		return nil, err
	}
	var found []int64
	for _, name := range names {
		if n, ok := parseGeneration(statePrefix, name); ok {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return found, nil
}

// commit makes next the current state, or returns errLost.
func (s *store) commit(next state) error {
	won, err := s.publish("state", stateFile(next.ID, next.Generation), next)
	if err != nil {
		return s.lostIfGone(next.ID, err)
	}
	if !won {
		return errLost
	}
	found, err := s.generations(next.ID)
	if err != nil {
		return err
	}
	if len(found) == 0 || found[len(found)-1] != next.Generation {
		return errLost
	}
	if err := s.checkBase(next); err != nil {
		return err
	}
	s.prune(next.ID, found)
	return nil
}

// checkBase makes sure that next was not linked to a name that faster writers
// had used and removed already: as they remove in ascending order, the state it
// was decided on would be gone then.
func (s *store) checkBase(next state) error {
	if next.Generation == 1 {
		return nil
	}
	_, err := s.fs.Lstat(stateFile(next.ID, next.Generation-1))
	if errors.Is(err, fs.ErrNotExist) {
		return errLost
	}
	return err
}

// prune removes all generations but the last two, in ascending order. What it
// cannot remove, the next change removes.
func (s *store) prune(id string, found []int64) {
	for _, gen := range found {
		if gen >= found[len(found)-1]-1 {
			return
		}
		if err := s.fs.Remove(stateFile(id, gen)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
}

// lostIfGone replaces the error of a step that failed because the volume was
// deleted by another process.
func (s *store) lostIfGone(id string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, statErr := s.fs.Lstat(volumeDir(id)); errors.Is(statErr, fs.ErrNotExist) {
		return errLost
	}
	return err
}

func (s *store) syncVolume(id string) error {
	err := s.fs.Sync(volumeDir(id))
	if errors.Is(err, fs.ErrNotExist) {
		return notFound(id)
	}
	return err
}

func notFound(id string) error { return fmt.Errorf("volume %q: %w", id, ErrNotFound) }
