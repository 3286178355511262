// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// window is how far apart two writes of a status are that tell of nothing but health: when
// a hundred pods fail at once, they do so in as many events.
const window = time.Second

// pace knows when the status of each driver was written last.
type pace struct {
	mu   sync.Mutex
	last map[types.UID]time.Time
	now  func() time.Time
}

func newPace() *pace { return &pace{last: map[types.UID]time.Time{}, now: time.Now} }

// wait is how long a write has to wait; 0 for one that may be made at once.
func (p *pace) wait(before *v1alpha1.CSIDriverDeploymentStatus, d *v1alpha1.CSIDriverDeployment) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := window - p.now().Sub(p.last[d.UID])
	if left <= 0 || !onlyHealth(before, &d.Status) {
		return 0
	}
	return left
}

// wrote notes a write.
func (p *pace) wrote(uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[uid] = p.now()
}

// forget ends what is known of a driver that is gone.
func (p *pace) forget(uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.last, uid)
}

// onlyHealth tells whether two statuses differ in what health decides, and in nothing else.
func onlyHealth(a, b *v1alpha1.CSIDriverDeploymentStatus) bool {
	return equality.Semantic.DeepEqual(withoutHealth(a), withoutHealth(b))
}

func withoutHealth(s *v1alpha1.CSIDriverDeploymentStatus) *v1alpha1.CSIDriverDeploymentStatus {
	s = s.DeepCopy()
	s.Controller, s.Nodes = v1alpha1.WorkloadStatus{}, v1alpha1.NodesStatus{}
	s.Sidecars, s.SidecarSummary = nil, ""
	for _, kind := range []string{
		v1alpha1.ConditionControllerAvailable, v1alpha1.ConditionNodesRegistered, v1alpha1.ConditionSidecarsHealthy, v1alpha1.ConditionReady,
		v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled,
	} {
		meta.RemoveStatusCondition(&s.Conditions, kind)
	}
	return s
}
