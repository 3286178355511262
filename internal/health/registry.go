// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"slices"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/internal/desired"
)

// entry is what the CSINode of a node says of a driver.
type entry int

const (
	unlisted entry = iota
	listed
	// former is of a CSINode that belongs to an earlier node of that name: the garbage
	// collector will delete it.
	former
)

// registry is what all CSINodes say of one driver, by node.
type registry map[string]entry

func registryOf(driver string, o Observed) registry {
	r := registry{}
	for i := range o.CSINodes {
		n := &o.CSINodes[i]
		switch {
		case isGone(n.Name, o.NodeUIDs): // and so will its CSINode be
		case !slices.ContainsFunc(n.Spec.Drivers, func(d storagev1.CSINodeDriver) bool { return d.Name == driver }):
		case isOfFormer(n, o.NodeUIDs):
			r[n.Name] = former
		default:
			r[n.Name] = listed
		}
	}
	return r
}

// isGone tells whether a node was deleted; not where nodes are not known.
func isGone(node string, nodes map[string]types.UID) bool {
	_, exists := nodes[node]
	return nodes != nil && !exists
}

// isOfFormer tells whether a CSINode belongs to a node that was deleted, and another one of
// its name is there.
func isOfFormer(n *storagev1.CSINode, nodes map[string]types.UID) bool {
	uid, known := nodes[n.Name]
	return known && slices.ContainsFunc(n.OwnerReferences, func(o metav1.OwnerReference) bool {
		return o.Kind == "Node" && o.UID != uid
	})
}

// stale are the first nodes, by name, whose CSINode lists the driver although it has no pod
// there and is not about to get one. While any pod is replaced by another one, nothing can
// be told of further nodes.
func stale(components []desired.Component, pools []pool, o Observed, r registry) []string {
	if len(pools) == 0 || o.NodeUIDs == nil {
		return nil // somebody else registers it, or nodes are not known
	}
	all, inhabited := complete(pools), inhabitedOf(components, o)
	var nodes []string
	for node := range r {
		if !inhabited[node] && (all || slices.Contains(o.Stale, node)) {
			nodes = append(nodes, node)
		}
	}
	slices.Sort(nodes)
	return nodes[:min(len(nodes), maxNamed)]
}
