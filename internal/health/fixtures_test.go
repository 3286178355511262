// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

const driver = "pool.example.com"

var finished = metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

// both are the components of a usual driver.
func both() []desired.Component {
	return []desired.Component{
		{Name: v1alpha1.ComponentController, Kind: "Deployment"},
		{Name: v1alpha1.DefaultNodePool, Kind: "DaemonSet", Registers: true},
	}
}

// pool1 has the workload of the usual pool.
func pool1(d *appsv1.DaemonSet) map[string]*appsv1.DaemonSet {
	return map[string]*appsv1.DaemonSet{v1alpha1.DefaultNodePool: d}
}

type podEdit func(*corev1.Pod)

func pod(name, component, node string, edits ...podEdit) corev1.Pod {
	p := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelComponent: component}},
		Spec:       corev1.PodSpec{NodeName: node},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func with(c corev1.ContainerStatus) podEdit {
	return func(p *corev1.Pod) { p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, c) }
}

func having(t corev1.PodConditionType, s corev1.ConditionStatus, reason, message string) podEdit {
	return func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions,
			corev1.PodCondition{Type: t, Status: s, Reason: reason, Message: message})
	}
}

func wholeReady(p *corev1.Pod) { having(corev1.PodReady, corev1.ConditionTrue, "", "")(p) }

func deleted(p *corev1.Pod) { p.DeletionTimestamp = &finished }

func phase(ph corev1.PodPhase, reason, message string) podEdit {
	return func(p *corev1.Pod) {
		p.Status.Phase, p.Status.Reason, p.Status.Message = ph, reason, message
	}
}

func well(name string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, Ready: true, State: running()}
}

func running() corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
}

func ended(code int32, reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, Message: message, FinishedAt: finished,
	}}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func deployment(replicas, readyReplicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "pool-controller", Generation: 1},
		Spec:       appsv1.DeploymentSpec{Replicas: new(replicas)},
		Status: appsv1.DeploymentStatus{
			ObservedGeneration: 1, Replicas: replicas, UpdatedReplicas: replicas, ReadyReplicas: readyReplicas,
		},
	}
}

func daemonSet(desired, numberReady int32) *appsv1.DaemonSet {
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "pool-node", Generation: 1},
		Status: appsv1.DaemonSetStatus{
			ObservedGeneration: 1, DesiredNumberScheduled: desired, CurrentNumberScheduled: desired, UpdatedNumberScheduled: desired,
			NumberReady: numberReady,
		},
	}
}

func csiNode(name string, drivers ...string) storagev1.CSINode {
	n := storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, d := range drivers {
		n.Spec.Drivers = append(n.Spec.Drivers, storagev1.CSINodeDriver{Name: d, NodeID: name})
	}
	return n
}

func boundTo(node string) podEdit {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
			}}},
		}}
	}
}
