// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import "fmt"

// Grant gives one node, as the instance that registered last, the right to use
// a volume; it returns the volume with the grant. A grant of an earlier instance
// of the node is renewed. The errors are ErrGranted while another node has it,
// ErrStaged while another node or instance may still have the image open,
// ErrConflict if this node has it with another readOnly, ErrNodeUnknown and
// ErrNotFound.
func (p *Pool) Grant(id, node string, readOnly bool) (Volume, error) {
	if err := checkID(id); err != nil {
		return Volume{}, err
	}
	if err := checkNode(node); err != nil {
		return Volume{}, err
	}
	s, err := p.enter()
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
	st, err := s.change(id, live(func(st *state) (bool, error) {
		registered, err := s.node(wanted.Node)
		if err != nil {
			return false, err
		}
		wanted.Instance = registered.Instance
		return wanted.take(st)
	}))
	if err != nil {
		return Volume{}, err
	}
	return s.volume(st)
}

func (g Grant) take(st *state) (bool, error) {
	switch {
	case st.Staged != nil && !st.Staged.by(g.Node, g.Instance):
		return false, st.Staged.held(st.ID, ErrStaged)
	case st.Grant == nil:
		st.Grant = &g
		return true, nil
	case st.Grant.Node != g.Node:
		return false, st.Grant.held(st.ID, ErrGranted)
	case st.Grant.Instance != g.Instance:
		// The marker says that the earlier instance has not got the image open, and
		// without the grant it cannot open it any more.
		st.Grant = &g
		return true, nil
	case st.Grant.ReadOnly != g.ReadOnly:
		return false, fmt.Errorf("it has the grant with readOnly %t: %w", st.Grant.ReadOnly, ErrConflict)
	}
	return false, nil
}

func (g *Grant) to(node, instance string) bool {
	return g != nil && g.Node == node && g.Instance == instance
}

func (g *Grant) held(id string, err error) *HeldError {
	return &HeldError{VolumeID: id, Node: g.Node, Instance: g.Instance, Err: err}
}

// Revoke takes the grant back from node, or from whichever node has it if node
// is "". It returns nil if there is no such volume or grant. The stage marker
// stays, as the node may still have the image open.
func (p *Pool) Revoke(id, node string) error {
	if node != "" {
		if err := checkNode(node); err != nil {
			return err
		}
	}
	return p.release(id, "revoking the grant of", func(st *state) (bool, error) {
		if st.Grant == nil || node != "" && st.Grant.Node != node {
			return false, nil
		}
		st.Grant = nil
		return true, nil
	})
}
