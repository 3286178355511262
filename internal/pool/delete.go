// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Delete removes a volume and its data for ever. It returns nil if there is no
// such volume, and ErrInUse, having done nothing, while a grant or a stage
// marker stands.
func (p *Pool) Delete(id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	s, err := p.enter()
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.delete(id); err != nil {
		return fmt.Errorf("deleting volume %q: %w", id, err)
	}
	return nil
}

func (s *store) delete(id string) error {
	st, err := s.change(id, markDeleting)
	if errors.Is(err, ErrNotFound) {
		return s.settleDelete(id)
	}
	if err != nil {
		return err
	}
	return s.finishDelete(st)
}

func markDeleting(st *state) (bool, error) {
	switch {
	case st.Staged != nil:
		return false, st.Staged.held(st.ID, ErrInUse)
	case st.Grant != nil:
		return false, st.Grant.held(st.ID, ErrInUse)
	}
	edited := !st.Deleting
	st.Deleting = true
	return edited, nil
}

// finishDelete removes a volume whose state says deleting. Its directory leaves
// volumes/ whole, so that no slow process can add a state to what is half
// removed.
func (s *store) finishDelete(st state) error {
	if err := s.dropClaim(st.Name, st.ID); err != nil {
		return err
	}
	for range maxAttempts {
		if err := s.emptyTrash(st.ID); err != nil {
			return err
		}
		err := s.fs.Rename(volumeDir(st.ID), trashDir(st.ID))
		if errors.Is(err, fs.ErrExist) {
			continue // another process moved it, and a slow creation made it again
		}
		if ignoreAbsent(err) != nil {
			return err
		}
		return s.settleDelete(st.ID)
	}
	return ErrBusy
}

// settleDelete makes it durable that a volume's directory has left, which may
// be the work of a process that died, and removes what is left of it.
func (s *store) settleDelete(id string) error {
	if err := s.settle(volumesDir); err != nil {
		return err
	}
	return s.emptyTrash(id)
}

// emptyTrash removes what is left of a deleted volume. Files that are not the
// pool's are never removed.
func (s *store) emptyTrash(id string) error {
	dir := trashDir(id)
	names, err := s.fs.ReadDir(dir)
	if err != nil {
		return ignoreAbsent(err)
	}
	var foreign []string
	for _, name := range names {
		if !isVolumeFile(name) {
			foreign = append(foreign, name)
			continue
		}
		if err := s.fs.Remove(dir + "/" + name); ignoreAbsent(err) != nil {
			return err
		}
	}
	if len(foreign) > 0 {
		return fmt.Errorf("%q still holds files that are not the pool's (%s); move them away and delete again",
			s.path+"/"+dir, shorten(strings.Join(foreign, ", ")))
	}
	return ignoreAbsent(s.fs.RemoveDir(dir))
}

func isVolumeFile(name string) bool {
	_, isState := parseGeneration(statePrefix, name)
	_, isImage := parseGeneration(imagePrefix, name)
	return isState || isImage
}
