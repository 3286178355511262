// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
)

// Stage records durably that node may have the image open. Nothing may touch
// the image before it returns nil. The errors are ErrNotGranted unless node has
// the grant, ErrStaged while another node's marker stands, and ErrNotFound.
func (p *Pool) Stage(id, node string) (Volume, error) {
	s, err := p.enterFor(id, node)
	if err != nil {
		return Volume{}, err
	}
	defer s.close()
	v, err := s.stage(id, node)
	if err != nil {
		return Volume{}, fmt.Errorf("staging volume %q on node %q: %w", id, node, err)
	}
	return v, nil
}

func (s *store) stage(id, node string) (Volume, error) {
	if _, err := s.get(id); err != nil {
		return Volume{}, err
	}
	marked := false
	st, err := s.change(id, live(func(st *state) (bool, error) {
		mine := st.Staged != nil && st.Staged.Node == node
		switch {
		case marked && mine:
			// This call set it, and another process revoked the grant right after.
			// An error would leave a marker that nobody clears.
			return false, nil
		case st.Grant == nil || st.Grant.Node != node:
			return false, ErrNotGranted
		case st.Staged == nil:
			st.Staged, marked = &StageMarker{Node: node}, true
			return true, nil
		case !mine:
			return false, &HeldError{VolumeID: st.ID, Node: st.Staged.Node, Err: ErrStaged}
		}
		return false, nil
	}))
	if err != nil {
		return Volume{}, err
	}
	return s.volume(st)
}

// Unstage clears the stage marker of node, which must have closed the image. It
// returns nil if there is no such volume, or no marker of this node.
func (p *Pool) Unstage(id, node string) error {
	if err := checkNode(node); err != nil {
		return err
	}
	return p.release(id, node, "unstaging", func(st *state) (bool, error) {
		if st.Staged == nil || st.Staged.Node != node {
			return false, nil
		}
		st.Staged = nil
		return true, nil
	})
}

// release makes a change that is done already where there is no volume. node
// may be "".
func (p *Pool) release(id, node, doing string, decide func(*state) (bool, error)) error {
	if err := checkID(id); err != nil {
		return err
	}
	if node != "" {
		if err := checkNode(node); err != nil {
			return err
		}
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

// enterFor is enter for a method that is given a volume and a node.
func (p *Pool) enterFor(id, node string) (*store, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if err := checkNode(node); err != nil {
		return nil, err
	}
	return p.enter()
}
