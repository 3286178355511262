// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// scratch is the folder where things are made before they get their names, and
// where they lose them before they are deleted.
type scratch string

// place makes a file that is whole and on the disk when it gets its name: by
// os.Link if there must be none, by os.Rename if it may replace one.
func (s scratch) place(path string, data []byte, name func(from, to string) error) error {
	f, err := os.CreateTemp(string(s), "")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // a rename has moved it away
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := name(f.Name(), path); err != nil {
		return err
	}
	return flush(filepath.Dir(path))
}

// discard deletes a folder: first for everybody else, then its content.
func (s scratch) discard(path string) error {
	bin, err := os.MkdirTemp(string(s), "")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(bin) }()
	if err := os.Rename(path, filepath.Join(bin, filepath.Base(path))); err != nil {
		return err
	}
	return flush(filepath.Dir(path))
}

// flush makes the content of a file, or the names in a folder, last.
func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("flushing %q: %w", path, err)
	}
	return nil
}
