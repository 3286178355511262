// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// alike has what is equal in many objects exist once: the pods of one workload differ in
// little but names, as do CSINodes, and there is one for each node. What the cache holds is
// only read.
type alike struct {
	labels     recent[map[string]string]
	containers recent[[]corev1.Container]
	statuses   recent[[]corev1.ContainerStatus]
	conditions recent[[]corev1.PodCondition]
	drivers    recent[[]storagev1.CSINodeDriver]
	taints     recent[[]corev1.Taint]
}

// pod replaces parts of a pod by equal ones of others.
func (a *alike) pod(p *corev1.Pod) *corev1.Pod {
	p.Labels = a.labels.one(p.Labels)
	p.Spec.Containers = a.containers.one(p.Spec.Containers)
	p.Status.ContainerStatuses = a.statuses.one(p.Status.ContainerStatuses)
	p.Status.InitContainerStatuses = a.statuses.one(p.Status.InitContainerStatuses)
	p.Status.Conditions = a.conditions.one(p.Status.Conditions)
	return p
}

func (a *alike) csiNode(n *storagev1.CSINode) *storagev1.CSINode {
	n.Spec.Drivers = a.drivers.one(n.Spec.Drivers)
	return n
}

func (a *alike) node(n *corev1.Node) *corev1.Node {
	n.Spec.Taints = a.taints.one(n.Spec.Taints)
	return n
}

// remembered is how many values are known at a time: a few workloads, in a few states.
const remembered = 16

// recent knows the values that were seen last.
type recent[T any] struct {
	mu     sync.Mutex
	values []T // the newest first
}

// one is a value that is equal to the given one.
func (r *recent[T]) one(v T) T {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := 0
	for at < len(r.values) && !equality.Semantic.DeepEqual(r.values[at], v) {
		at++
	}
	switch {
	case at < len(r.values):
		v = r.values[at]
	case at < remembered:
		r.values = append(r.values, v)
	default:
		at-- // the oldest one is forgotten
	}
	copy(r.values[1:at+1], r.values[:at])
	r.values[0] = v
	return v
}
