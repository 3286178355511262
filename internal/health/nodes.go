// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// maxUnregistered is how many nodes status names.
const maxUnregistered = 10

// pool is a workload that registers the driver on nodes, and how far that is.
type pool struct {
	view

	nodes v1alpha1.NodesStatus
}

// nodesOf counts a node as registered when its CSINode lists the driver
// and its pod is ready: kubelet keeps the entry of a driver that has died.
func nodesOf(v view) v1alpha1.NodesStatus {
	s := v1alpha1.NodesStatus{WorkloadStatus: workloadStatus(v)}
	seen := map[string]bool{} // node name: registered
	for i := range v.live {
		node := nodeOf(&v.live[i])
		if node != "" {
			seen[node] = seen[node] || v.listed[node] && podReady(&v.live[i])
		}
	}
	for node, registered := range seen {
		if registered {
			s.Registered++
		} else {
			s.Unregistered = append(s.Unregistered, node)
		}
	}
	slices.Sort(s.Unregistered)
	return s
}

// addUp is what status tells of all pools.
func addUp(pools []pool) v1alpha1.NodesStatus {
	var s v1alpha1.NodesStatus
	for _, p := range pools {
		s.Desired += p.nodes.Desired
		s.Updated += p.nodes.Updated
		s.Ready += p.nodes.Ready
		s.Registered += p.nodes.Registered
		s.Unregistered = append(s.Unregistered, p.nodes.Unregistered...)
	}
	slices.Sort(s.Unregistered)
	s.Unregistered = s.Unregistered[:min(len(s.Unregistered), maxUnregistered)]
	s.Summary = fmt.Sprintf("%d/%d", s.Registered, s.Desired)
	return s
}

func nodesListing(driver string, csiNodes []storagev1.CSINode) map[string]bool {
	listed := make(map[string]bool, len(csiNodes))
	for i := range csiNodes {
		listed[csiNodes[i].Name] = slices.ContainsFunc(csiNodes[i].Spec.Drivers,
			func(d storagev1.CSINodeDriver) bool { return d.Name == driver })
	}
	return listed
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
