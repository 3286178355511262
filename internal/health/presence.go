// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// Presence tells where a driver is. It knows nodes by their uid: one of the same name may
// take the place of another while somebody looks.
type Presence struct {
	served, inhabited map[types.UID]bool
	complete          bool
}

// Serves tells whether the driver works on a node: the CSINode of that very node lists it,
// and its pod there is ready.
func (p Presence) Serves(node types.UID) bool { return p.served[node] }

// Wants tells whether the driver should be on a node: a pod of it is there, be it one that
// ends, or it cannot be told yet whether one is to come.
func (p Presence) Wants(node types.UID) bool { return p.inhabited[node] || !p.complete }

func presenceOf(components []desired.Component, pools []pool, o Observed) Presence {
	p := Presence{served: map[types.UID]bool{}, inhabited: map[types.UID]bool{}, complete: complete(pools)}
	inhabited := inhabitedOf(components, o)
	for name, uid := range o.NodeUIDs {
		p.served[uid] = slices.ContainsFunc(pools, func(one pool) bool { return one.nodes[name] })
		p.inhabited[uid] = inhabited[name]
	}
	return p
}

// complete tells whether every pool has all its pods: a node that has none is not to have
// one. Without a pool, nothing can be told.
func complete(pools []pool) bool {
	return len(pools) > 0 && !slices.ContainsFunc(pools, func(p pool) bool { return !p.settled || len(p.live) < int(p.desired) })
}

// inhabitedOf are the nodes that have a pod which registers the driver, or did.
func inhabitedOf(components []desired.Component, o Observed) map[string]bool {
	inhabited := map[string]bool{}
	for i := range o.Pods {
		pod := &o.Pods[i]
		if slices.ContainsFunc(components, func(c desired.Component) bool { return c.Registers && c.Name == pod.Labels[v1alpha1.LabelComponent] }) {
			inhabited[nodeOf(pod)] = true
		}
	}
	return inhabited
}
