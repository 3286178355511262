// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/health"
	"github.com/csi-operator/csi-operator/internal/taint"
)

// retaintAfter is how long a driver may be away from a node before the node gets its
// startup taint back: a pod that is replaced in a rollout causes nothing.
const retaintAfter = 60 * time.Second

// tainted is what this process knows of the startup taints of all drivers, by the uid of
// the deployment.
type tainted struct {
	mu      sync.Mutex
	drivers map[types.UID]*taintMemory
	now     func() time.Time
}

func newTainted() *tainted {
	return &tainted{drivers: map[types.UID]*taintMemory{}, now: time.Now}
}

// of is what is known of one driver.
func (t *tainted) of(driver types.UID) *taintMemory {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.drivers[driver] == nil {
		t.drivers[driver] = &taintMemory{now: t.now, patience: retaintAfter}
	}
	return t.drivers[driver]
}

// forget ends the account of a driver that is gone, or has no startup taint any more.
func (t *tainted) forget(driver types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.drivers, driver)
}

// taintMemory is what this process knows of the nodes of one driver and no object tells.
// Who uses it holds the lock. All maps are by the uid of the node.
type taintMemory struct {
	mu       sync.Mutex
	now      func() time.Time
	patience time.Duration // with a driver that is away from a node
	// absent are the nodes on which the driver has worked, and since when it has not; the
	// zero time while it does.
	absent map[types.UID]time.Time
	// written are the answers to patches that the cache may not show yet.
	written map[types.UID]writtenNode
	// refused is what the API server does not let be done, and for no node under the
	// empty uid.
	refused map[types.UID]refusedPatch
}

type writtenNode struct {
	node *corev1.Node
	at   time.Time
}

type refusedPatch struct {
	err error
	at  time.Time
}

// decide says what is to be done with the taints of nodes. It returns when there will be
// more to do although nothing happens; 0 for never.
func (m *taintMemory) decide(key string, nodes []*corev1.Node, p health.Presence, retaint bool) (patches []nodePatch, again time.Duration) {
	for _, n := range nodes {
		known := taint.Node{UID: n.UID, Taints: n.Spec.Taints, Served: p.Serves(n.UID), Wanted: p.Wants(n.UID)}
		if retaint {
			left := m.patienceWith(known)
			known.Lost = left == 0
			again = sooner(again, max(left, 0))
		}
		if patch := taint.Decide(key, known); patch != nil {
			patches = append(patches, nodePatch{n, patch})
		}
	}
	return patches, again
}

// patienceWith is how long the driver may still be away from a node; 0 where that is over,
// and negative where it is not away, has never been there, or is not to come back.
func (m *taintMemory) patienceWith(n taint.Node) time.Duration {
	const endless = -1
	since, worked := m.absent[n.UID]
	switch {
	case n.Served:
		m.away(n.UID, time.Time{})
		return endless
	case !n.Wanted:
		delete(m.absent, n.UID)
		return endless
	case !worked:
		return endless
	case since.IsZero():
		since = m.now()
		m.away(n.UID, since)
	}
	return max(m.patience-m.now().Sub(since), 0)
}

func (m *taintMemory) away(node types.UID, since time.Time) {
	if m.absent == nil {
		m.absent = map[types.UID]time.Time{}
	}
	m.absent[node] = since
}

// wrote keeps the answer to a patch.
func (m *taintMemory) wrote(node *corev1.Node) {
	if m.written == nil {
		m.written = map[types.UID]writtenNode{}
	}
	m.written[node.UID] = writtenNode{node: node, at: m.now()}
	delete(m.refused, node.UID)
}

// newest is a node as the cache shows it, or as it was answered where that is newer and
// recent enough to be believed.
func (m *taintMemory) newest(cached *corev1.Node) *corev1.Node {
	w, known := m.written[cached.UID]
	if !known {
		return cached
	}
	if m.now().Sub(w.at) <= settle && !shows(cached, w.node) {
		return w.node
	}
	delete(m.written, cached.UID)
	return cached
}

// keepOnly forgets the nodes that are gone.
func (m *taintMemory) keepOnly(nodes []*corev1.Node) {
	there := map[types.UID]bool{"": true}
	for _, n := range nodes {
		there[n.UID] = true
	}
	maps.DeleteFunc(m.absent, func(uid types.UID, _ time.Time) bool { return !there[uid] })
	maps.DeleteFunc(m.written, func(uid types.UID, _ writtenNode) bool { return !there[uid] })
	maps.DeleteFunc(m.refused, func(uid types.UID, _ refusedPatch) bool { return !there[uid] })
}

// wasRefused keeps what the API server will not let be done before somebody changes
// something, of which nothing tells. A right that lacks for one node lacks for all.
func (m *taintMemory) wasRefused(node types.UID, err error) {
	switch reasonOf(err) {
	case v1alpha1.ReasonRBACDenied:
		node = ""
	case v1alpha1.ReasonApplyRefused:
	default:
		return
	}
	if m.refused == nil {
		m.refused = map[types.UID]refusedPatch{}
	}
	m.refused[node] = refusedPatch{err: err, at: m.now()}
}

// refusedLately is why a node is not patched now; nil if it is.
func (m *taintMemory) refusedLately(node types.UID) error {
	for _, uid := range []types.UID{"", node} {
		if r, known := m.refused[uid]; known && m.now().Sub(r.at) < afterRefusal {
			return r.err
		}
	}
	return nil
}
