// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
)

// Stage records durably that this instance of node may have the image open.
// Nothing may touch the image before it returns nil. The errors are ErrStaged
// while the marker of another node or instance stands, ErrNotGranted unless this
// instance has the grant, and ErrNotFound.
func (p *Pool) Stage(id, node, instance string) (Volume, error) {
	s, err := p.enterFor(id, node, instance)
	if err != nil {
		return Volume{}, err
	}
	defer s.close()
	v, err := s.stage(id, StageMarker{Node: node, Instance: instance})
	if err != nil {
		return Volume{}, fmt.Errorf("staging volume %q on node %q: %w", id, node, err)
	}
	return v, nil
}

func (s *store) stage(id string, marker StageMarker) (Volume, error) {
	if _, err := s.get(id); err != nil {
		return Volume{}, err
	}
	marked := false
	st, err := s.change(id, live(func(st *state) (bool, error) {
		mine := st.Staged.by(marker.Node, marker.Instance)
		switch {
		case marked && mine:
			// This call set it, and another process revoked the grant right after.
			// An error would leave a marker that nobody clears.
			return false, nil
		case st.Staged != nil && !mine:
			return false, st.Staged.held(st.ID, ErrStaged)
		case !st.Grant.to(marker.Node, marker.Instance):
			return false, ErrNotGranted
		case st.Staged == nil:
			st.Staged, marked = &marker, true
			return true, nil
		}
		return false, nil
	}))
	if err != nil {
		return Volume{}, err
	}
	return s.volume(st)
}

// MarkFormatted records durably that there is a file system in the image, after
// which nothing may make one there again, however blank the image looks. There
// is no way back. The errors are ErrNotStaged without the stage marker of this
// instance of node, ErrStaged while that of another instance stands,
// ErrInvalidRequest for a raw block volume, and ErrNotFound.
func (p *Pool) MarkFormatted(id, node, instance string) (Volume, error) {
	s, err := p.enterFor(id, node, instance)
	if err != nil {
		return Volume{}, err
	}
	defer s.close()
	st, err := s.change(id, live(func(st *state) (bool, error) {
		switch {
		case st.Staged == nil:
			return false, ErrNotStaged
		case !st.Staged.by(node, instance):
			return false, st.Staged.held(st.ID, ErrStaged)
		case st.AccessType != Filesystem:
			return false, fmt.Errorf("it is a raw block volume: %w", ErrInvalidRequest)
		}
		edited := !st.Formatted
		st.Formatted = true
		return edited, nil
	}))
	if err != nil {
		return Volume{}, fmt.Errorf("recording that volume %q is formatted: %w", id, err)
	}
	return s.volume(st)
}

// Unstage clears the stage marker of this instance of node, which must have
// closed the image. It returns nil if there is no such volume, or no marker of
// this node, and ErrStaged if the marker is that of another instance of it.
func (p *Pool) Unstage(id, node, instance string) error {
	if err := checkHolder(node, instance); err != nil {
		return err
	}
	return p.release(id, "unstaging", func(st *state) (bool, error) {
		switch {
		case st.Staged == nil || st.Staged.Node != node:
			return false, nil
		case st.Staged.Instance != instance:
			return false, st.Staged.held(st.ID, ErrStaged)
		}
		st.Staged = nil
		return true, nil
	})
}

func (m *StageMarker) by(node, instance string) bool {
	return m != nil && m.Node == node && m.Instance == instance
}

func (m *StageMarker) held(id string, err error) *HeldError {
	return &HeldError{VolumeID: id, Node: m.Node, Instance: m.Instance, Err: err}
}

// release makes a change that is done already where there is no volume.
func (p *Pool) release(id, doing string, decide func(*state) (bool, error)) error {
	if err := checkID(id); err != nil {
		return err
	}
	s, err := p.enter()
	if err != nil {
		return err
	}
	defer s.close()
	if _, err := s.change(id, live(decide)); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%s volume %q: %w", doing, id, err)
	}
	return nil
}

// enterFor is enter for a method that is given a volume and who wants it.
func (p *Pool) enterFor(id, node, instance string) (*store, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if err := checkHolder(node, instance); err != nil {
		return nil, err
	}
	return p.enter()
}
