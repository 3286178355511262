// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import "fmt"

// Grant gives one node the right to use a volume; it returns the volume with
// the grant. The errors are ErrGranted while another node has it, ErrStaged
// while another node may still have the image open, ErrConflict if this node has
// it with another readOnly, ErrNodeUnknown and ErrNotFound.
func (p *Pool) Grant(id, node string, readOnly bool) (Volume, error) {
	s, err := p.enterFor(id, node)
	if err != nil {
		return Volume{}, err
	}
	defer s.close()
	v, err := s.grant(id, Grant{Node: node, ReadOnly: readOnly})
	if err != nil {
		return Volume{}, fmt.Errorf("granting volume %q to node %q: %w", id, node, err)
	}
	return v, nil
}

func (s *store) grant(id string, wanted Grant) (Volume, error) {
	if _, err := s.get(id); err != nil {
		return Volume{}, err
	}
	known, err := s.hasNode(wanted.Node)
	if err != nil {
		return Volume{}, err
	}
	if !known {
		return Volume{}, ErrNodeUnknown
	}
	st, err := s.change(id, live(wanted.take))
	if err != nil {
		return Volume{}, err
	}
	return s.volume(st)
}

func (g Grant) take(st *state) (bool, error) {
	switch {
	case st.Staged != nil && st.Staged.Node != g.Node:
		return false, &HeldError{VolumeID: st.ID, Node: st.Staged.Node, Err: ErrStaged}
	case st.Grant == nil:
		st.Grant = &g
		return true, nil
	case st.Grant.Node != g.Node:
		return false, &HeldError{VolumeID: st.ID, Node: st.Grant.Node, Err: ErrGranted}
	case st.Grant.ReadOnly != g.ReadOnly:
		return false, fmt.Errorf("it has the grant with readOnly %t: %w", st.Grant.ReadOnly, ErrConflict)
	}
	return false, nil
}

// Revoke takes the grant back from node, or from whichever node has it if node
// is "". It returns nil if there is no such volume or grant. The stage marker
// stays, as the node may still have the image open.
func (p *Pool) Revoke(id, node string) error {
	return p.release(id, node, "revoking the grant of", func(st *state) (bool, error) {
		if st.Grant == nil || node != "" && st.Grant.Node != node {
			return false, nil
		}
		st.Grant = nil
		return true, nil
	})
}
