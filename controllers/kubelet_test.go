// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// There is no controller manager, scheduler or kubelet beside the API server.
// The functions of this file do what they would do.

// healthy makes all pods of a driver run on two nodes of its own, which
// register it, and waits until it is Ready.
func healthy(t *testing.T, d *v1alpha1.CSIDriverDeployment) *v1alpha1.CSIDriverDeployment {
	t.Helper()
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	controller, nodes := deployment(t, d), daemonSet(t, d)
	for _, node := range nodesOf(d) {
		runPod(t, d, controller.Spec.Template, v1alpha1.ComponentController, node)
		runPod(t, d, nodes.Spec.Template, v1alpha1.DefaultNodePool, node)
		register(t, node, d.Name)
	}
	lead(t, d, v1alpha1.ComponentController+"-"+nodesOf(d)[0])
	controller.Status = appsv1.DeploymentStatus{
		ObservedGeneration: controller.Generation, Replicas: 2, UpdatedReplicas: 2, ReadyReplicas: 2, AvailableReplicas: 2,
	}
	updateStatus(t, controller)
	nodes.Status = appsv1.DaemonSetStatus{
		ObservedGeneration: nodes.Generation, DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberReady: 2,
	}
	updateStatus(t, nodes)
	awaitCondition(t, d, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	return refresh(t, d)
}

// lead has a pod hold all Leases of a driver, which last as long as any test.
func lead(t *testing.T, d *v1alpha1.CSIDriverDeployment, pod string) {
	t.Helper()
	for _, name := range desired.Leases(d.Name) {
		create(t, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: desired.Namespace(d, facts), Name: name},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: new(pod), LeaseDurationSeconds: new(int32(3600)), RenewTime: new(metav1.NowMicro()),
			},
		})
	}
}

func nodesOf(d *v1alpha1.CSIDriverDeployment) []string { return []string{d.Name + "-a", d.Name + "-b"} }

func deployment(t *testing.T, d *v1alpha1.CSIDriverDeployment) *appsv1.Deployment {
	t.Helper()
	o := &appsv1.Deployment{}
	read(t, client.ObjectKey{Namespace: desired.Namespace(d, facts), Name: desired.NamesOf(d.Name).Controller}, o)
	return o
}

func daemonSet(t *testing.T, d *v1alpha1.CSIDriverDeployment) *appsv1.DaemonSet {
	t.Helper()
	o := &appsv1.DaemonSet{}
	read(t, client.ObjectKey{Namespace: desired.Namespace(d, facts), Name: desired.NamesOf(d.Name).Node}, o)
	return o
}

func read(t *testing.T, key client.ObjectKey, o client.Object) {
	t.Helper()
	if err := cluster.Get(t.Context(), key, o); err != nil {
		t.Fatalf("reading %T %s: %v", o, key, err)
	}
}

func updateStatus(t *testing.T, o client.Object) {
	t.Helper()
	if err := cluster.Status().Update(t.Context(), o); err != nil {
		t.Fatalf("updating the status of %T %s: %v", o, o.GetName(), err)
	}
}

// runPod makes a pod of a workload, with every container ready.
func runPod(t *testing.T, d *v1alpha1.CSIDriverDeployment, template corev1.PodTemplateSpec, component, node string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.Spec.Namespace, Name: component + "-" + node, Labels: template.Labels},
		Spec:       *template.Spec.DeepCopy(),
	}
	pod.Spec.NodeName = node
	create(t, pod)
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
		{Type: corev1.PodReady, Status: corev1.ConditionTrue},
		{Type: corev1.ContainersReady, Status: corev1.ConditionTrue},
	}}
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, Ready: true,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		})
	}
	updateStatus(t, pod)
	return pod
}

// endPods removes the pods of a component as kubelet does when all is stopped.
func endPods(t *testing.T, d *v1alpha1.CSIDriverDeployment, component string) {
	t.Helper()
	pods := &corev1.PodList{}
	if err := cluster.List(t.Context(), pods, client.MatchingLabels(desired.Selector(d.Name))); err != nil {
		t.Fatal(err)
	}
	for i := range pods.Items {
		if pods.Items[i].Labels[v1alpha1.LabelComponent] != component {
			continue
		}
		if err := cluster.Delete(t.Context(), &pods.Items[i], client.GracePeriodSeconds(0)); err != nil {
			t.Fatal(err)
		}
	}
}

// register makes a node, if there is none, and its CSINode, which lists a driver after
// another one.
func register(t *testing.T, node, driver string) {
	t.Helper()
	if err := cluster.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	create(t, &storagev1.CSINode{
		ObjectMeta: metav1.ObjectMeta{Name: node},
		Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{
			{Name: "other.example.com", NodeID: node},
			{Name: driver, NodeID: node},
		}},
	})
}

// deregister makes the CSINode of a node no longer list a driver.
func deregister(t *testing.T, node string) {
	t.Helper()
	n := &storagev1.CSINode{}
	read(t, client.ObjectKey{Name: node}, n)
	n.Spec.Drivers = n.Spec.Drivers[:1]
	if err := cluster.Update(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}
