// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// The functions of this file decide what of a kind is kept in memory, and
// therefore which changes of it wake the operator: a change of what is dropped
// is none.

func stripDeployment(d *appsv1.Deployment) *appsv1.Deployment {
	kept := &appsv1.Deployment{
		ObjectMeta: identity(d),
		Spec:       appsv1.DeploymentSpec{Replicas: d.Spec.Replicas},
		Status: appsv1.DeploymentStatus{
			ObservedGeneration: d.Status.ObservedGeneration,
			UpdatedReplicas:    d.Status.UpdatedReplicas,
			ReadyReplicas:      d.Status.ReadyReplicas,
		},
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure {
			kept.Status.Conditions = append(kept.Status.Conditions,
				appsv1.DeploymentCondition{Type: c.Type, Status: c.Status, Message: c.Message})
		}
	}
	return kept
}

func stripDaemonSet(d *appsv1.DaemonSet) *appsv1.DaemonSet {
	return &appsv1.DaemonSet{
		ObjectMeta: identity(d),
		Status: appsv1.DaemonSetStatus{
			ObservedGeneration:     d.Status.ObservedGeneration,
			DesiredNumberScheduled: d.Status.DesiredNumberScheduled,
			CurrentNumberScheduled: d.Status.CurrentNumberScheduled,
			UpdatedNumberScheduled: d.Status.UpdatedNumberScheduled,
			NumberReady:            d.Status.NumberReady,
		},
	}
}

func stripPod(p *corev1.Pod) *corev1.Pod {
	kept := &corev1.Pod{
		ObjectMeta: identity(p),
		Spec:       corev1.PodSpec{NodeName: p.Spec.NodeName},
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

func stripCSINode(n *storagev1.CSINode) *storagev1.CSINode {
	kept := &storagev1.CSINode{ObjectMeta: identity(n)}
	for _, d := range n.Spec.Drivers {
		kept.Spec.Drivers = append(kept.Spec.Drivers, storagev1.CSINodeDriver{Name: d.Name})
	}
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
