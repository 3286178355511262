// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/internal/desired"
)

// maxPuzzles is how many objects are asked about at once: a row names one pod.
const maxPuzzles = 4

// Hint is what Kubernetes tells of an object by an event only.
type Hint struct {
	Reason, Message string
	// Container is which one of a pod it is about; empty for the pod as a whole.
	Container string
}

// Puzzles are the objects of which only events tell what is wrong, workloads first: those
// that lack pods without a word, and pods whose containers are not created or do not become
// ready.
func Puzzles(components []desired.Component, o Observed) []types.UID {
	var workloads, pods []types.UID
	views, _ := viewsOf("", components, nil, Observed{Controller: o.Controller, StatefulSet: o.StatefulSet, Nodes: o.Nodes, Pods: o.Pods})
	for _, c := range components {
		v := views[c.Name]
		if v.known && v.trouble == "" && len(v.live) < int(v.desired) && v.uid != "" {
			workloads = append(workloads, v.uid)
		}
		for i := range v.live {
			if uncreated(v.live[i]) || unready(v.live[i]) {
				pods = append(pods, v.live[i].UID)
			}
		}
	}
	all := append(workloads, pods...)
	return all[:min(len(all), maxPuzzles)]
}

// uncreated tells whether a node has a pod and has created none of its containers.
func uncreated(pod *corev1.Pod) bool {
	if pod.Spec.NodeName == "" || pod.Status.Phase != corev1.PodPending {
		return false
	}
	for _, s := range pod.Status.ContainerStatuses {
		if w := s.State.Waiting; w == nil || !awaitsCreation(w.Reason) {
			return false
		}
	}
	return true
}

// unready tells whether a container of a pod runs and has not become ready yet, or ended
// without saying that it failed.
func unready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, isSilent)
}

func isSilent(s corev1.ContainerStatus) bool {
	ended := s.State.Terminated != nil && s.State.Terminated.ExitCode == 0
	return !s.Ready && (s.State.Running != nil || ended)
}

// awaitsCreation is true for the reasons of a container that was not created yet, whatever
// is in the way.
func awaitsCreation(reason string) bool {
	return reason == "" || reason == "ContainerCreating" || reason == "PodInitializing"
}
