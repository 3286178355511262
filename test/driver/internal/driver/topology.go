// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"slices"

	"github.com/container-storage-interface/spec/lib/go/csi"
)

// segment is the topology of a node, which is a place of its own: the data would
// be everywhere, but tests want to see volumes that are not.
func (o Options) segment(node string) *csi.Topology {
	return &csi.Topology{Segments: map[string]string{o.topologyKey(): node}}
}

func (o Options) topologyKey() string { return o.DriverName + "/node" }

// place chooses the node of a new volume: the first that is asked for. It is
// empty if none is, or if topology is not claimed.
func (o Options) place(r *csi.TopologyRequirement) string {
	if !o.Claims[topology] {
		return ""
	}
	for _, t := range slices.Concat(r.GetPreferred(), r.GetRequisite()) {
		if node := t.GetSegments()[o.topologyKey()]; node != "" {
			return node
		}
	}
	return ""
}
