// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// maxNamed is how many nodes of one sort status names.
const maxNamed = 10

// pool is a workload that registers the driver on nodes, and how far that is.
type pool struct {
	view

	// nodes are all that have a pod, by name, and whether the driver works there.
	nodes      map[string]bool
	registered int32
	// missing are the nodes, by name, that have a pod and are not registered.
	missing []string
}

// poolOf counts a node as registered when its CSINode lists the driver
// and its pod is ready: kubelet keeps the entry of a driver that has died.
func poolOf(v view) pool {
	p := pool{view: v, nodes: map[string]bool{}}
	for i := range v.live {
		if node := nodeOf(v.live[i]); node != "" {
			p.nodes[node] = p.nodes[node] || v.serves(v.live[i])
		}
	}
	for _, node := range slices.Sorted(maps.Keys(p.nodes)) {
		if p.nodes[node] {
			p.registered++
		} else {
			p.missing = append(p.missing, node)
		}
	}
	return p
}

// serves tells whether the driver works on the node of a pod.
func (v view) serves(pod *corev1.Pod) bool {
	return v.registry[nodeOf(pod)] == listed && podReady(pod)
}

// status is what status tells of a pool.
func (p pool) status() v1alpha1.PoolStatus {
	s := v1alpha1.PoolStatus{Name: p.component, WorkloadStatus: workloadStatus(p.view), Registered: p.registered}
	s.Summary = fmt.Sprintf("%d/%d", s.Registered, s.Desired)
	return s
}

// unregistered are the first of the nodes that are not registered, with why.
func (p pool) unregistered() []v1alpha1.UnregisteredNode {
	var list []v1alpha1.UnregisteredNode
	for _, node := range p.missing[:min(len(p.missing), maxNamed)] {
		list = append(list, v1alpha1.UnregisteredNode{Name: node, Message: Cut(p.whyUnregistered(node))})
	}
	return list
}

// addUp is what status tells of all pools.
func addUp(pools []pool) v1alpha1.NodesStatus {
	var s v1alpha1.NodesStatus
	for _, p := range pools {
		one := p.status()
		s.Desired += one.Desired
		s.Updated += one.Updated
		s.Ready += one.Ready
		s.Registered += one.Registered
		s.Unregistered = append(s.Unregistered, p.unregistered()...)
		s.Pools = append(s.Pools, one)
	}
	byName := func(a, b v1alpha1.UnregisteredNode) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(s.Unregistered, byName)
	s.Unregistered = slices.CompactFunc(s.Unregistered, func(a, b v1alpha1.UnregisteredNode) bool { return a.Name == b.Name })
	s.Unregistered = s.Unregistered[:min(len(s.Unregistered), maxNamed)]
	s.Summary = fmt.Sprintf("%d/%d", s.Registered, s.Desired)
	return s
}

// whyUnregistered says what the pod of a node lacks.
func (p pool) whyUnregistered(node string) string {
	at := slices.IndexFunc(p.live, func(pod *corev1.Pod) bool { return nodeOf(pod) == node })
	pod := p.live[at]
	if isGone(node, p.uids) {
		return fmt.Sprintf("the node is gone; Kubernetes removes pod %s within a minute", pod.Name)
	}
	if !podReady(pod) {
		return p.whyNotReady(pod)
	}
	if p.registry[node] == former {
		return fmt.Sprintf("CSINode %s is of an earlier node of that name; kubelet makes it anew, restart pod %s if it does not", node, pod.Name)
	}
	f := judge(pod, sidecar.RegistrarContainer)
	f.judgeRegistration(pod, p.view)
	if f.verdict == failed {
		return describe(f.problem)
	}
	return fmt.Sprintf("pod %s is ready, but CSINode %s does not list %s", pod.Name, node, p.driver)
}

// whyNotReady names the container of a pod that is worst off.
func (p pool) whyNotReady(pod *corev1.Pod) string {
	var (
		worst     finding
		container string
	)
	for _, name := range p.containers {
		if f := p.judge(pod, name); f.verdict > worst.verdict {
			worst, container = f, name
		}
	}
	if worst.problem.Reason == "" {
		return fmt.Sprintf("pod %s is not ready", pod.Name)
	}
	return container + ": " + describe(worst.problem)
}

// faulty tells whether something is wrong on a node that is not registered, or with the
// workload: time alone will not register it.
func (p pool) faulty() bool {
	return p.obstacle() != "" || slices.ContainsFunc(p.live, func(pod *corev1.Pod) bool {
		_, missing := slices.BinarySearch(p.missing, nodeOf(pod))
		return missing && p.fails(pod)
	})
}

// fails tells whether a container of a pod has failed, or its node was lost.
func (v view) fails(pod *corev1.Pod) bool {
	return slices.ContainsFunc(v.containers, func(name string) bool { return v.judge(pod, name).verdict > starting })
}

// nodeOf is the node of a daemon pod. Before it is scheduled the DaemonSet's
// controller has bound it to its node by an affinity to the node's name.
func nodeOf(pod *corev1.Pod) string {
	if pod.Spec.NodeName != "" {
		return pod.Spec.NodeName
	}
	a := pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return ""
	}
	for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, f := range term.MatchFields {
			if f.Key == "metadata.name" && f.Operator == corev1.NodeSelectorOpIn && len(f.Values) == 1 {
				return f.Values[0]
			}
		}
	}
	return ""
}

func podReady(pod *corev1.Pod) bool {
	c := podCondition(pod, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}
