// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"unique"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// The functions of this file decide what of a kind is kept in memory, and
// therefore which changes of it wake the operator: a change of what is dropped
// is none.

// stripOwned leaves of an object that the operator applies all but what the plan
// and health do not look at; of one that carries no label of ours, who it is.
func stripOwned(u *unstructured.Unstructured) *unstructured.Unstructured {
	kept := &unstructured.Unstructured{Object: map[string]any{}}
	labelled := u.GetLabels()[v1alpha1.LabelDeployment] != ""
	if labelled {
		maps.Copy(kept.Object, u.Object)
		delete(kept.Object, "status")
		delete(kept.Object, "metadata")
		stripStatus(u, kept)
	}
	kept.SetGroupVersionKind(u.GroupVersionKind())
	m := identity(u)
	kept.SetName(m.Name)
	kept.SetNamespace(m.Namespace)
	kept.SetUID(m.UID)
	kept.SetResourceVersion(m.ResourceVersion)
	kept.SetGeneration(m.Generation)
	kept.SetDeletionTimestamp(m.DeletionTimestamp)
	kept.SetLabels(m.Labels)
	if labelled {
		kept.SetAnnotations(u.GetAnnotations())
		kept.SetManagedFields(slices.DeleteFunc(u.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool { return e.Subresource != "" }))
	}
	return kept
}

// workloadStatus is what health reads of a Deployment's or a DaemonSet's status.
func workloadStatus() []string {
	return []string{
		"observedGeneration", "replicas", "updatedReplicas", "readyReplicas",
		"desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberReady",
	}
}

func stripStatus(u, kept *unstructured.Unstructured) {
	all, _, err := unstructured.NestedMap(u.Object, "status")
	if err != nil || len(all) == 0 {
		return
	}
	status := map[string]any{}
	for _, field := range workloadStatus() {
		if v, exists := all[field]; exists {
			status[field] = v
		}
	}
	conditions, _ := all["conditions"].([]any)
	for _, c := range conditions {
		fields, _ := c.(map[string]any)
		if fields["type"] == string(appsv1.DeploymentReplicaFailure) {
			status["conditions"] = []any{map[string]any{"type": fields["type"], "status": fields["status"], "message": fields["message"]}}
		}
	}
	kept.Object["status"] = status
}

func stripPod(p *corev1.Pod) *corev1.Pod {
	kept := &corev1.Pod{
		ObjectMeta: identity(p),
		Spec:       corev1.PodSpec{NodeName: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork, Hostname: p.Spec.Hostname},
		Status: corev1.PodStatus{
			Phase:                 p.Status.Phase,
			Reason:                p.Status.Reason,
			Message:               p.Status.Message,
			ContainerStatuses:     stripContainers(p.Status.ContainerStatuses),
			InitContainerStatuses: stripContainers(p.Status.InitContainerStatuses),
		},
	}
	if p.Spec.NodeName == "" { // a daemon pod's affinity names the node that it waits for
		kept.Spec.Affinity = p.Spec.Affinity
	}
	for _, c := range p.Spec.Containers { // many pods have the same ones
		kept.Spec.Containers = append(kept.Spec.Containers, corev1.Container{
			Name: unique.Make(c.Name).Value(), Image: unique.Make(c.Image).Value(),
		})
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady || c.Type == corev1.ContainersReady || c.Type == corev1.PodScheduled {
			kept.Status.Conditions = append(kept.Status.Conditions,
				corev1.PodCondition{Type: c.Type, Status: c.Status, Reason: c.Reason, Message: c.Message})
		}
	}
	return kept
}

func stripContainers(all []corev1.ContainerStatus) []corev1.ContainerStatus {
	var kept []corev1.ContainerStatus
	for _, c := range all {
		kept = append(kept, corev1.ContainerStatus{
			Name:                 c.Name,
			Ready:                c.Ready,
			State:                stripState(c.State),
			LastTerminationState: stripState(c.LastTerminationState),
		})
	}
	return kept
}

// stripState drops times of beginning, ids, and the message of a back-off,
// which counts up.
func stripState(s corev1.ContainerState) corev1.ContainerState {
	var kept corev1.ContainerState
	switch {
	case s.Waiting != nil:
		kept.Waiting = &corev1.ContainerStateWaiting{Reason: s.Waiting.Reason, Message: s.Waiting.Message}
		if s.Waiting.Reason == "CrashLoopBackOff" {
			kept.Waiting.Message = ""
		}
	case s.Running != nil:
		kept.Running = &corev1.ContainerStateRunning{}
	case s.Terminated != nil:
		kept.Terminated = &corev1.ContainerStateTerminated{
			ExitCode:   s.Terminated.ExitCode,
			Reason:     s.Terminated.Reason,
			Message:    s.Terminated.Message,
			FinishedAt: s.Terminated.FinishedAt,
		}
	}
	return kept
}

// stripCSINode keeps whose it is: a node may be made anew under its name.
func stripCSINode(n *storagev1.CSINode) *storagev1.CSINode {
	kept := &storagev1.CSINode{ObjectMeta: identity(n)}
	kept.OwnerReferences = n.OwnerReferences
	for _, d := range n.Spec.Drivers {
		kept.Spec.Drivers = append(kept.Spec.Drivers, storagev1.CSINodeDriver{Name: d.Name})
	}
	return kept
}

// stripNode drops labels, of which nodes have many.
func stripNode(n *corev1.Node) *corev1.Node {
	kept := &corev1.Node{ObjectMeta: identity(n), Spec: corev1.NodeSpec{Taints: n.Spec.Taints}}
	kept.Labels = nil
	return kept
}

func stripVolume(v *corev1.PersistentVolume) *corev1.PersistentVolume {
	kept := &corev1.PersistentVolume{ObjectMeta: identity(v)}
	if v.Spec.CSI != nil {
		kept.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: v.Spec.CSI.Driver}
	}
	return kept
}

func stripAttachment(a *storagev1.VolumeAttachment) *storagev1.VolumeAttachment {
	return &storagev1.VolumeAttachment{
		ObjectMeta: identity(a),
		Spec:       storagev1.VolumeAttachmentSpec{Attacher: a.Spec.Attacher},
	}
}
