// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"fmt"
	"regexp"

	"github.com/csi-operator/csi-operator/internal/pool"
)

// volumeIDPattern is a CSI volume id of this driver: the uuid of a pool and the id of
// a volume in it. Without the uuid, whoever looks into the wrong directory would
// take every volume for deleted. A match is also a safe file name.
var volumeIDPattern = regexp.MustCompile(`^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([a-z0-9][a-z0-9-]{0,62})$`)

// volumeID is the CSI volume id of a pool's volume.
func volumeID(p *pool.Pool, id string) string { return p.UUID() + "." + id }

// parseVolumeID returns the two parts; ok is false for what is nobody's id.
func parseVolumeID(volumeID string) (uuid, id string, ok bool) {
	parts := volumeIDPattern.FindStringSubmatch(volumeID)
	if parts == nil {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// find returns the pool and a volume's id in it. The error is pool.ErrInvalidID for
// what is nobody's id, and pool.ErrForeignPool for a volume of another pool.
func (s *source) find(volumeID string) (*pool.Pool, string, error) {
	p, err := s.get()
	if err != nil {
		return nil, "", err
	}
	uuid, id, ok := parseVolumeID(volumeID)
	if !ok {
		return nil, "", fmt.Errorf("volume %q: %w", volumeID, pool.ErrInvalidID)
	}
	if uuid != p.UUID() {
		return nil, "", fmt.Errorf("volume %q is in pool %s, but %q has pool %s: the shared file system is not mounted there: %w",
			volumeID, uuid, p.Path(), p.UUID(), pool.ErrForeignPool)
	}
	return p, id, nil
}

// volume returns a volume as it is in the pool now.
func (s *source) volume(volumeID string) (pool.Volume, error) {
	p, id, err := s.find(volumeID)
	if err != nil {
		return pool.Volume{}, err
	}
	return p.Get(id)
}
