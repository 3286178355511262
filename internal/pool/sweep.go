// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"regexp"
	"strings"
	"time"
)

// staleAfter is far longer than any process needs a temporary file, and allows
// for clocks that differ.
const staleAfter = time.Hour

var temporaryName = regexp.MustCompile(`^(pool|claim|state|image|node)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// sweep removes what crashed processes left and nobody would ask for again. It
// goes on after an error and reports none: nothing depends on it, and the same
// error meets whoever uses the volume.
func (s *store) sweep(now time.Time) {
	names, err := s.fs.ReadDir(tmpDir)
	if err != nil {
		return
	}
	for _, name := range names {
		if id, ok := strings.CutPrefix(name, trashPrefix); ok && checkID(id) == nil {
			_ = s.emptyTrash(id)
		} else if temporaryName.MatchString(name) {
			s.sweepTemporary(tmpDir+"/"+name, now)
		}
	}
	ids, err := s.volumeIDs()
	if err != nil {
		return
	}
	for _, id := range ids {
		s.sweepVolume(id, now)
	}
}

func (s *store) sweepTemporary(name string, now time.Time) {
	info, err := s.fs.Lstat(name)
	if err == nil && info.Kind == regularKind && now.Sub(info.ModTime) > staleAfter {
		s.discard(name)
	}
}

// sweepVolume finishes an interrupted deletion, and removes a volume that was
// never finished and lost its name, or never begun.
func (s *store) sweepVolume(id string, now time.Time) {
	st, err := s.latest(id)
	if errors.Is(err, ErrNotFound) {
		s.sweepEmpty(id, now)
		return
	}
	if err != nil || !st.Creating && !st.Deleting {
		return
	}
	if !st.Deleting {
		if owner, err := s.claimant(st.Name); err != nil || owner == id {
			return
		}
	}
	_ = s.abandon(id)
}

// sweepEmpty removes the directory of a volume unless there is something in it,
// or somebody may be about to put it there.
func (s *store) sweepEmpty(id string, now time.Time) {
	info, err := s.fs.Lstat(volumeDir(id))
	if err == nil && now.Sub(info.ModTime) > staleAfter {
		_ = s.fs.RemoveDir(volumeDir(id))
	}
}
