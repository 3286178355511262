// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// lostAndFound is in every fresh ext4 file system.
const lostAndFound = "lost+found"

// Init opens the pool of driver at path, or makes one there if the directory is
// empty, and clears away what crashed processes left behind. Any number of
// processes may do so at once; all get the same pool. The errors are those of
// Open, and ErrForeignPool for a directory that holds something else.
func Init(path, driver string) (*Pool, error) { return initialize(path, driver, system()) }

func initialize(path, driver string, env environment) (*Pool, error) {
	p, err := open(path, driver, env)
	if errors.Is(err, ErrNoPool) {
		if err := makePool(path, driver, env); err != nil {
			return nil, err
		}
		p, err = open(path, driver, env)
	}
	if err != nil {
		return nil, err
	}
	s, err := p.enter()
	if err != nil {
		return nil, err
	}
	defer s.close()
	// The process that made the pool may have died before its sync.
	if err := s.fs.Sync("."); err != nil {
		return nil, fmt.Errorf("opening pool %q: %w", path, err)
	}
	_ = s.sweep(env.now()) // the pool is usable, whatever is left in it
	return p, nil
}

// makePool makes a pool unless another process was faster. pool.json comes last:
// where it is, the pool is whole.
func makePool(path, driver string, env environment) error {
	s, err := (&Pool{path: path, env: env}).openStore()
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.checkVacant(); err != nil {
		return err
	}
	for _, dir := range []string{tmpDir, namesDir, volumesDir, nodesDir} {
		if err := s.fs.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making pool %q: %w", path, err)
		}
	}
	record := identity{FormatVersion: formatVersion, UUID: newUUID(), Driver: driver, CreatedAt: env.now().UTC().Truncate(time.Second)}
	if _, err := s.publish("pool", identityFile, record); err != nil {
		return fmt.Errorf("making pool %q: %w", path, err)
	}
	return nil
}

// checkVacant refuses a directory that holds more than an interrupted Init
// leaves. Volumes without a pool.json are somebody's data, so they count.
func (s *store) checkVacant() error {
	foreign, err := s.foreignEntry()
	if err != nil || foreign == "" {
		return err
	}
	if _, err := s.fs.Lstat(identityFile); err == nil {
		return nil // made by another process since we looked
	}
	return fmt.Errorf("directory %q is not empty (it holds %q) and has no %s; give the driver an empty directory, or restore that file: %w",
		s.path, foreign, identityFile, ErrForeignPool)
}

func (s *store) foreignEntry() (string, error) {
	names, err := s.fs.ReadDir(".")
	if err != nil {
		return "", fmt.Errorf("reading pool directory %q: %w", s.path, err)
	}
	for _, name := range names {
		if name == lostAndFound {
			continue
		}
		if !slices.Contains([]string{tmpDir, namesDir, volumesDir, nodesDir}, name) {
			return name, nil
		}
		inside, err := s.fs.ReadDir(name)
		if errors.Is(err, ErrCorrupt) {
			return name, nil // of our name, but no directory
		}
		if err != nil {
			return "", fmt.Errorf("reading pool directory %q: %w", s.path, err)
		}
		if i := slices.IndexFunc(inside, func(file string) bool { return name != tmpDir || !strings.HasPrefix(file, "pool-") }); i >= 0 {
			return name + "/" + inside[i], nil
		}
	}
	return "", nil
}
