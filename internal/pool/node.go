// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"io/fs"
)

// RegisterNode records that node, being this instance, sees this pool, so that
// volumes can be granted to it. It may be called at every start. The last
// instance that registers under a name has it: grants go to no other one.
func (p *Pool) RegisterNode(node, instance string) error {
	if err := checkHolder(node, instance); err != nil {
		return err
	}
	s, err := p.enter()
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.registerNode(node, instance); err != nil {
		return fmt.Errorf("registering node %q: %w", node, err)
	}
	return nil
}

func (s *store) registerNode(node, instance string) error {
	for range maxAttempts {
		found, err := s.node(node)
		switch {
		case errors.Is(err, ErrNodeUnknown):
			record := nodeRecord{FormatVersion: formatVersion, Node: node, Instance: instance}
			if won, err := s.publish("node", nodeFile(node), record); err != nil || won {
				return err
			}
			continue
		case err != nil:
			return err
		case found.Instance != instance:
			found.Instance = instance
			return s.replace("node", nodeFile(node), found)
		}
		// Whoever wrote it may have died before its sync.
		return s.settle(nodesDir)
	}
	return ErrBusy
}

// node returns the record of a node, or ErrNodeUnknown.
func (s *store) node(node string) (nodeRecord, error) {
	var found nodeRecord
	err := readRecord(s.fs, nodeFile(node), &found)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nodeRecord{}, ErrNodeUnknown
	case err != nil:
		return nodeRecord{}, err
	case found.Node != node:
		return nodeRecord{}, damaged(nodeFile(node), "it registers another node")
	case checkHolder(found.Node, found.Instance) != nil:
		return nodeRecord{}, damaged(nodeFile(node), "bad instance")
	}
	return found, nil
}
