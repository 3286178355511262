// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"fmt"
	"io/fs"
)

// RegisterNode records that node sees this pool, so that volumes can be granted
// to it. It may be called at every start.
func (p *Pool) RegisterNode(node string) error {
	if err := checkNode(node); err != nil {
		return err
	}
	s, err := p.enter()
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.registerNode(node); err != nil {
		return fmt.Errorf("registering node %q: %w", node, err)
	}
	return nil
}

func (s *store) registerNode(node string) error {
	record := nodeRecord{FormatVersion: formatVersion, Node: node}
	won, err := s.publish("node", nodeFile(node), record)
	if err != nil || won {
		return err
	}
	_, err = s.hasNode(node)
	return err
}

// HasNode tells whether node has ever registered.
func (p *Pool) HasNode(node string) (bool, error) {
	if err := checkNode(node); err != nil {
		return false, err
	}
	s, err := p.enter()
	if err != nil {
		return false, err
	}
	defer s.close()
	return s.hasNode(node)
}

func (s *store) hasNode(node string) (bool, error) {
	var found nodeRecord
	err := readRecord(s.fs, nodeFile(node), &found)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil && found.Node != node {
		err = damaged(nodeFile(node), "it registers another node")
	}
	return err == nil, err
}
