// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"io/fs"
	"path"
)

// publish writes record under a temporary name and links it to name, which is
// done by exactly one of any number of processes. It returns false if another
// one was first.
func (s *store) publish(kind, name string, record any) (bool, error) {
	data, err := encode(record)
	if err != nil {
		return false, err
	}
	tmp := temporary(kind)
	defer s.discard(tmp)
	if err := s.fs.WriteNew(tmp, data); err != nil {
		return false, err
	}
	won, err := s.linkExclusive(tmp, name)
	if err != nil {
		return false, err
	}
	// Also for what another process linked: it may have died before its sync.
	return won, s.fs.Sync(path.Dir(name))
}

// replace writes record over the one at name, whoever wrote that meanwhile.
func (s *store) replace(kind, name string, record any) error {
	data, err := encode(record)
	if err != nil {
		return err
	}
	tmp := temporary(kind)
	defer s.discard(tmp)
	if err := s.fs.WriteNew(tmp, data); err != nil {
		return err
	}
	// Over NFS a repeated request answers "absent" for a rename that was made;
	// nobody else moves tmp before it is stale.
	if err := s.fs.Rename(tmp, name); ignoreAbsent(err) != nil {
		return err
	}
	return s.settle(path.Dir(name))
}

// settle makes a rename between dir and tmp/ durable, whoever did it.
func (s *store) settle(dir string) error {
	if err := s.fs.Sync(dir); err != nil {
		return err
	}
	return s.fs.Sync(tmpDir)
}

// linkExclusive links tmp to name and tells whether name is tmp now. What the
// call itself returns does not decide: over NFS a repeated request answers
// "exists" for a link that was made.
func (s *store) linkExclusive(tmp, name string) (bool, error) {
	linkErr := s.fs.Link(tmp, name)
	mine, err := s.fs.Lstat(tmp)
	if err != nil {
		return false, err
	}
	if mine.Links > 1 {
		return true, nil
	}
	there, err := s.fs.Lstat(name)
	switch {
	case err == nil:
		return there.Inode == mine.Inode, nil
	case errors.Is(err, fs.ErrNotExist) && errors.Is(linkErr, fs.ErrExist):
		return false, nil // another process had it, and removed it since
	case errors.Is(err, fs.ErrNotExist):
		return false, linkErr // nil: this one had it, and others removed it
	}
	return false, err
}

// discard removes a temporary file. If that fails, Init removes it later.
func (s *store) discard(tmp string) { _ = s.fs.Remove(tmp) }
