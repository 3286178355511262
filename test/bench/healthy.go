// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/test/bench/cluster"
)

// The functions of this file do what the controller manager, the scheduler and
// kubelets would do for a driver.

// workloads are the names of a driver's Deployment and DaemonSet.
type workloads struct{ controller, node string }

func workloadsOf(name string) workloads {
	n := desired.NamesOf(name)
	return workloads{controller: n.Controller, node: n.Node}
}

// steadyNodes are those that the driver's pods run on.
func steadyNodes() []string { return []string{"bench-a", "bench-b"} }

// makeHealthy makes all pods run and register, and waits for Ready.
func (s *steady) makeHealthy(ctx context.Context) error {
	deployment, daemonSet := s.deployment(), s.daemonSet()
	for _, o := range []client.Object{deployment, daemonSet} {
		if err := s.cluster.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return fmt.Errorf("reading a workload: %w", err)
		}
	}
	for _, node := range steadyNodes() {
		if err := s.cluster.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}); err != nil {
			return fmt.Errorf("making a node: %w", err)
		}
		n := csiNode(node)
		n.Spec.Drivers = []storagev1.CSINodeDriver{{Name: s.name, NodeID: node}}
		if err := s.cluster.Create(ctx, n); err != nil {
			return fmt.Errorf("registering the driver: %w", err)
		}
		for name, template := range map[string]corev1.PodTemplateSpec{
			deployment.Name: deployment.Spec.Template, daemonSet.Name: daemonSet.Spec.Template,
		} {
			if err := s.run(ctx, s.pod(name, node), template); err != nil {
				return err
			}
		}
	}
	if err := s.lead(ctx, s.pod(deployment.Name, steadyNodes()[0]).Name); err != nil {
		return err
	}
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: 2, UpdatedReplicas: 2, ReadyReplicas: 2, AvailableReplicas: 2,
	}
	daemonSet.Status = appsv1.DaemonSetStatus{
		ObservedGeneration: daemonSet.Generation, DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberReady: 2,
	}
	for _, o := range []client.Object{deployment, daemonSet} {
		if err := s.cluster.Status().Update(ctx, o); err != nil {
			return fmt.Errorf("telling that a workload is ready: %w", err)
		}
	}
	return await(ctx, s.name+" is Ready", func() error { return s.ready(ctx) })
}

// lead has a pod hold all Leases of the driver, for longer than any run.
func (s *steady) lead(ctx context.Context, pod string) error {
	for _, name := range desired.Leases(s.name) {
		err := s.cluster.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace, Name: name},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: new(pod), LeaseDurationSeconds: new(int32(24 * 3600)), RenewTime: new(metav1.NowMicro()),
			},
		})
		if err != nil {
			return fmt.Errorf("making Lease %s: %w", name, err)
		}
	}
	return nil
}

func (s *steady) ready(ctx context.Context) error {
	d := driver(s.name)
	if err := s.cluster.Get(ctx, client.ObjectKeyFromObject(d), d); err != nil {
		return err
	}
	if c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionReady); c == nil || c.Status != metav1.ConditionTrue {
		return fmt.Errorf("condition is %+v", c)
	}
	return nil
}

// run makes a pod of a workload whose containers are all ready.
func (s *steady) run(ctx context.Context, pod *corev1.Pod, template corev1.PodTemplateSpec) error {
	node := pod.Spec.NodeName
	pod.Labels, pod.Spec = template.Labels, *template.Spec.DeepCopy()
	pod.Spec.NodeName = node
	if err := s.cluster.Create(ctx, pod); err != nil {
		return fmt.Errorf("making a pod: %w", err)
	}
	return s.setReady(ctx, pod, true)
}

// setReady tells what the kubelet would tell when all containers of a pod become
// ready or stop being it.
func (s *steady) setReady(ctx context.Context, pod *corev1.Pod, ready bool) error {
	condition := corev1.ConditionFalse
	if ready {
		condition = corev1.ConditionTrue
	}
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
		{Type: corev1.PodReady, Status: condition},
		{Type: corev1.ContainersReady, Status: condition},
	}}
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, Ready: ready, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		})
	}
	if err := s.cluster.Status().Update(ctx, pod); err != nil {
		return fmt.Errorf("writing the status of a pod: %w", err)
	}
	return nil
}

// owned are the objects of the driver, as they are.
func (s *steady) owned(ctx context.Context) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, kind := range desired.Kinds() {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := s.cluster.List(ctx, list, client.MatchingLabels(desired.Selector(s.name)))
		if meta.IsNoMatchError(err) { // one that the cluster does not have
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing every %s: %w", kind.Kind, err)
		}
		for i := range list.Items {
			all = append(all, &list.Items[i])
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there is no object of " + s.name)
	}
	return all, nil
}

func (s *steady) deployment() *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace, Name: s.names.controller}}
}

func (s *steady) daemonSet() *appsv1.DaemonSet {
	return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace, Name: s.names.node}}
}

// pod is the pod of a workload on a node.
func (s *steady) pod(workload, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace, Name: workload + "-" + node},
		Spec:       corev1.PodSpec{NodeName: node},
	}
}

func csiNode(name string) *storagev1.CSINode {
	return &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: name}}
}
