// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"fmt"
	"sync"

	"github.com/csi-operator/csi-operator/internal/pool"
)

// source opens the pool when it is first there. It never makes a second pool:
// once opened, a directory without it is an error of every call on the pool.
type source struct {
	path, driver string
	create       bool // the controller makes the pool, a node only opens it

	mu     sync.Mutex
	opened *pool.Pool
}

// get returns the pool, or why there is none.
func (s *source) get() (*pool.Pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened != nil {
		return s.opened, nil
	}
	open := pool.Open
	if s.create {
		open = pool.Init
	}
	opened, err := open(s.path, s.driver)
	if err != nil {
		return nil, fmt.Errorf("opening the pool: %w", err)
	}
	s.opened = opened
	return opened, nil
}

// check tells whether the pool is there now, and still the same one.
func (s *source) check() error {
	p, err := s.get()
	if err != nil {
		return err
	}
	now, err := pool.Open(s.path, s.driver)
	if err != nil {
		return fmt.Errorf("opening the pool: %w", err)
	}
	if now.UUID() != p.UUID() {
		return fmt.Errorf("%q had pool %s and has pool %s now: %w", s.path, p.UUID(), now.UUID(), pool.ErrForeignPool)
	}
	return nil
}
