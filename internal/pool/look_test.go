// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import "errors"

// list returns all volumes, by id. Where some cannot be read, it returns the
// others together with an error that names each of those.
func (p *Pool) list() ([]Volume, error) {
	s, err := p.enter()
	if err != nil {
		return nil, err
	}
	defer s.close()
	ids, err := s.volumeIDs()
	if err != nil {
		return nil, err
	}
	var volumes []Volume
	var problems []error
	for _, id := range ids {
		switch v, err := s.get(id); {
		case err == nil:
			volumes = append(volumes, v)
		case !errors.Is(err, ErrNotFound):
			problems = append(problems, err)
		}
	}
	return volumes, errors.Join(problems...)
}

// knows tells whether node has ever registered.
func (p *Pool) knows(node string) (bool, error) {
	s, err := p.enter()
	if err != nil {
		return false, err
	}
	defer s.close()
	_, err = s.node(node)
	if errors.Is(err, ErrNodeUnknown) {
		return false, nil
	}
	return err == nil, err
}
