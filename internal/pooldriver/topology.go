// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/csi-operator/csi-operator/internal/pool"
)

// topology is where the volumes of a pool can be used: on the nodes that see the
// same pool.
func topology(driver string, p *pool.Pool) *csi.Topology {
	return &csi.Topology{Segments: map[string]string{topologyKey(driver): p.UUID()}}
}

func topologyKey(driver string) string { return driver + "/pool" }

// checkTopology refuses requirements that only nodes without this pool meet.
func checkTopology(driver string, p *pool.Pool, r *csi.TopologyRequirement) error {
	wanted := r.GetRequisite()
	if len(wanted) == 0 {
		wanted = r.GetPreferred()
	}
	if len(wanted) == 0 {
		return nil
	}
	var seen []string
	for _, t := range wanted {
		uuid, ok := t.GetSegments()[topologyKey(driver)]
		if ok && uuid == p.UUID() {
			return nil
		}
		if !ok {
			uuid = "none"
		}
		seen = append(seen, uuid)
	}
	return status.Errorf(codes.ResourceExhausted,
		"the volume would be in pool %s at %q, but the nodes to choose from have pool %s: the shared file system is not mounted on those nodes at this path",
		p.UUID(), p.Path(), strings.Join(seen, ", "))
}
