// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pool keeps volumes as image files in a directory that several
// processes, on several nodes, may write at the same time. It knows neither CSI
// nor Kubernetes. The format on disk, and why each step is safe, is described in
// docs/pool-format.md.
//
// Every exported method checks what it is given before it builds a path from it,
// is idempotent, and may be called again after any error, by the same or by
// another process: it finishes what was begun.
package pool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"time"
)

// Pool is one pool directory. It holds no file open: each method opens the
// directory and makes sure that it still is the pool it was, so that a file
// system that was unmounted or exchanged meanwhile gives ErrNoPool or
// ErrForeignPool and never a half-written volume. Any number of goroutines may
// use one Pool.
type Pool struct {
	path   string
	driver string
	uuid   string
	env    environment
}

// environment is what a pool needs of the world.
type environment struct {
	open func(path string) (fsys, error)
	now  func() time.Time
}

func system() environment {
	return environment{open: openDirectory, now: time.Now}
}

// store is the pool's directory, open for one method.
type store struct {
	fs   fsys
	path string
}

var validDriver = regexp.MustCompile(`^[A-Za-z0-9]([-.A-Za-z0-9]{0,61}[A-Za-z0-9])?$`)

// Open opens the pool of driver at path, an absolute clean path, and creates
// nothing. The error is ErrNoPool as long as there is no pool, ErrForeignPool if
// it is another driver's, ErrFormat if a newer release made it.
func Open(path, driver string) (*Pool, error) { return open(path, driver, system()) }

func open(path, driver string, env environment) (*Pool, error) {
	if err := checkPlace(path, driver); err != nil {
		return nil, err
	}
	p := &Pool{path: path, driver: driver, env: env}
	s, err := p.openStore()
	if err != nil {
		return nil, err
	}
	defer s.close()
	found, err := s.identity(driver)
	if err != nil {
		return nil, err
	}
	p.uuid = found.UUID
	return p, nil
}

// UUID identifies the pool wherever it is mounted.
func (p *Pool) UUID() string { return p.uuid }

// Path returns the pool's directory on this node.
func (p *Pool) Path() string { return p.path }

// enter opens the pool for one method. The caller closes the store.
func (p *Pool) enter() (*store, error) {
	s, err := p.openStore()
	if err != nil {
		return nil, err
	}
	found, err := s.identity(p.driver)
	if err == nil && found.UUID != p.uuid {
		err = fmt.Errorf("pool %q is %s now, and was %s: another file system is mounted there: %w", p.path, found.UUID, p.uuid, ErrForeignPool)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (p *Pool) openStore() (*store, error) {
	f, err := p.env.open(p.path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrCorrupt) {
		return nil, fmt.Errorf("pool directory %q does not exist, or is no directory; create or mount it: %w", p.path, ErrNoPool)
	}
	if err != nil {
		return nil, fmt.Errorf("opening pool directory %q: %w", p.path, err)
	}
	return &store{fs: f, path: p.path}, nil
}

// close ends a method. Nothing is written through the descriptor itself, so its
// error says nothing about the pool.
func (s *store) close() { _ = s.fs.Close() }

// identity reads pool.json and refuses a pool that is not driver's.
func (s *store) identity(driver string) (identity, error) {
	var found identity
	err := readRecord(s.fs, identityFile, &found)
	if errors.Is(err, fs.ErrNotExist) {
		return identity{}, fmt.Errorf("%q has no %s: the shared file system is not mounted there, or the driver's controller has not made the pool yet: %w",
			s.path, identityFile, ErrNoPool)
	}
	if err != nil {
		return identity{}, fmt.Errorf("opening pool %q: %w", s.path, err)
	}
	if !validID.MatchString(found.UUID) {
		return identity{}, fmt.Errorf("opening pool %q: %w", s.path, damaged(identityFile, "bad uuid"))
	}
	if found.Driver != driver {
		return identity{}, fmt.Errorf("pool %q belongs to driver %q, not to %q; give each driver a directory of its own: %w",
			s.path, shorten(found.Driver), driver, ErrForeignPool)
	}
	return found, nil
}

func checkPlace(path, driver string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" {
		return fmt.Errorf("pool path %q: want an absolute path without dots or double slashes, and not the root: %w", shorten(path), ErrInvalidRequest)
	}
	if !validDriver.MatchString(driver) {
		return fmt.Errorf("driver name %q: want 1 to 63 letters, digits, dots and dashes: %w", shorten(driver), ErrInvalidRequest)
	}
	return nil
}
