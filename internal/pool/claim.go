// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"io/fs"
)

// claimant returns the volume that name belongs to, or "" if it is free.
func (s *store) claimant(name string) (string, error) {
	found, err := s.readClaim(claimFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err == nil && found.Name != name {
		err = damaged(claimFile(name), "it claims another name")
	}
	if err != nil {
		return "", err
	}
	return found.ID, nil
}

func (s *store) readClaim(file string) (claim, error) {
	var found claim
	if err := readRecord(s.fs, file, &found); err != nil {
		return claim{}, err
	}
	if checkID(found.ID) != nil {
		return claim{}, damaged(file, "bad id")
	}
	return found, nil
}

// claim gives name to the volume id unless it belongs to one already, and
// returns the volume that it belongs to. The claim is durable then.
func (s *store) claim(name, id string) (string, error) {
	won, err := s.publish("claim", claimFile(name), claim{FormatVersion: formatVersion, Name: name, ID: id})
	if err != nil {
		return "", err
	}
	if won {
		return id, nil
	}
	owner, err := s.claimant(name)
	if err == nil && owner == "" {
		err = errLost
	}
	return owner, err
}

// dropClaim takes name away from the volume id, if it has it. Only a volume
// whose state says deleting loses its name. The claim is moved aside and looked
// at again, because another process may have dropped it, and a third one have
// claimed the name, since it was read.
func (s *store) dropClaim(name, id string) error {
	owner, err := s.claimant(name)
	if err == nil && owner == id {
		err = s.moveClaim(name, id)
	}
	if err != nil {
		return err
	}
	// Also for what another process dropped: were the claim to come back, it
	// would give the same id to a new volume.
	return s.fs.Sync(namesDir)
}

func (s *store) moveClaim(name, id string) error {
	aside := temporary("claim")
	if err := s.fs.Rename(claimFile(name), aside); err != nil {
		return ignoreAbsent(err)
	}
	defer s.discard(aside)
	moved, err := s.readClaim(aside)
	if err == nil && moved.ID != id {
		_, err = s.linkExclusive(aside, claimFile(name))
	}
	return err
}
