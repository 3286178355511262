// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func TestCrashingContainer(t *testing.T) {
	t.Parallel()
	d := healthy(t, installed(t))
	pod := &corev1.Pod{}
	read(t, client.ObjectKey{Namespace: d.Spec.Namespace, Name: "controller-" + nodesOf(d)[1]}, pod)
	well := pod.DeepCopy()
	c := &pod.Status.ContainerStatuses[1]
	finished := metav1.Now().Rfc3339Copy()
	c.Ready = false
	c.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 20s"}}
	c.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: 1, Reason: "Error", Message: "Lost connection to CSI driver, exiting", FinishedAt: finished,
	}}
	updateStatus(t, pod)

	awaitCondition(t, d, v1alpha1.ConditionSidecarsHealthy, metav1.ConditionFalse, v1alpha1.ReasonUnhealthy)
	awaitCondition(t, d, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNotReady)
	now := refresh(t, d)
	var got v1alpha1.SidecarStatus
	for _, row := range now.Status.Sidecars {
		if row.Component == v1alpha1.ComponentController && row.Name == c.Name {
			got = row
		}
	}
	want := v1alpha1.SidecarStatus{
		Component: v1alpha1.ComponentController, Name: c.Name, Image: got.Image, Version: got.Version, Desired: 2, Ready: 1,
		Lease: got.Lease, Leader: v1alpha1.ComponentController + "-" + nodesOf(d)[0],
		State:   v1alpha1.SidecarDegraded,
		Message: fmt.Sprintf("1 of 2 ready; pod %s on %s: CrashLoopBackOff (exit code 1)", pod.Name, pod.Spec.NodeName),
		Worst: &v1alpha1.ContainerProblem{
			Pod: pod.Name, Node: pod.Spec.NodeName, Reason: "CrashLoopBackOff", ExitCode: new(int32(1)),
			LastMessage: "Lost connection to CSI driver, exiting", FinishedAt: &finished,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("row: -want, +got:\n%s", diff)
	}

	// A longer back-off and one more restart are no news.
	awaitCalm(t, cluster.operator, d)
	before := versions(t, d)
	c.RestartCount++
	c.State.Waiting.Message = "back-off 40s"
	updateStatus(t, pod)
	wake(t, cluster.operator, d)
	if diff := cmp.Diff(before, versions(t, d)); diff != "" {
		t.Errorf("a counter caused a write: -before, +after:\n%s", diff)
	}

	well.ResourceVersion = ""
	read(t, client.ObjectKeyFromObject(pod), pod)
	pod.Status = well.Status
	updateStatus(t, pod)
	awaitCondition(t, d, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// TestRolloutIsNotReady: pods of the old template say nothing about a new spec.
func TestRolloutIsNotReady(t *testing.T) {
	t.Parallel()
	d := healthy(t, installed(t))
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) {
		s.Controller.Sidecars.Attacher = &v1alpha1.SidecarSpec{Version: "v4.11.0"}
	})
	message := awaitCondition(t, d, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNotReady)
	if !strings.Contains(message, "2 of 2 ready; rolling out, 0 of 2 updated") {
		t.Errorf("message: %s", message)
	}
	for _, row := range refresh(t, d).Status.Sidecars {
		var want []v1alpha1.RunningImage
		if row.Name == "csi-attacher" {
			want = []v1alpha1.RunningImage{{Image: "registry.k8s.io/sig-storage/csi-attacher:v4.12.0", Version: "v4.12.0", Containers: 2}}
		}
		if diff := cmp.Diff(want, row.Running); diff != "" {
			t.Errorf("images of %s: -want, +got:\n%s", row.Name, diff)
		}
	}
	controller := deployment(t, d)
	controller.Status.ObservedGeneration = controller.Generation
	updateStatus(t, controller)
	awaitCondition(t, d, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// TestGenerationOfTheLastApply counts: the cache may be behind it, and others may
// cause later ones.
func TestGenerationOfTheLastApply(t *testing.T) {
	applied := func(generation int64) []v1alpha1.ObjectStatus {
		return []v1alpha1.ObjectStatus{{Kind: "Role", UID: "b", Generation: 7}, {Kind: "Deployment", UID: "a", Generation: generation}}
	}
	cases := map[string]struct {
		applied []v1alpha1.ObjectStatus
		want    int64
	}{
		"NothingApplied": {nil, 3},
		"NotCounted":     {applied(0), 3},
		"CacheIsBehind":  {applied(4), 4},
		"OthersWereAtIt": {applied(2), 2},
		"MadeAnew":       {[]v1alpha1.ObjectStatus{{Kind: "Deployment", Generation: 9, UID: "old"}}, 3},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cached := &unstructured.Unstructured{}
			cached.SetUID("a")
			cached.SetGeneration(3)
			if got := expected(cached, tc.applied).GetGeneration(); got != tc.want {
				t.Errorf("generation %d, want %d", got, tc.want)
			}
			if cached.GetGeneration() != 3 {
				t.Error("the cache was written to")
			}
		})
	}
}

func TestUnregisteredNodes(t *testing.T) {
	t.Parallel()
	d := healthy(t, installed(t))
	nodes := nodesOf(d)
	deregister(t, nodes[0])
	await(t, "one node is listed", func() error {
		s := refresh(t, d).Status.Nodes
		want := []v1alpha1.UnregisteredNode{{
			Name:    nodes[0],
			Message: fmt.Sprintf("pod node-%s is ready, but CSINode %s does not list %s", nodes[0], nodes[0], d.Name),
		}}
		if diff := cmp.Diff(want, s.Unregistered); diff != "" || s.Registered != 1 {
			return fmt.Errorf("registered %d; -want, +got:\n%s", s.Registered, diff)
		}
		return nil
	})
	awaitCondition(t, d, v1alpha1.ConditionNodesRegistered, metav1.ConditionTrue, v1alpha1.ReasonRegistered)
	deregister(t, nodes[1])
	awaitCondition(t, d, v1alpha1.ConditionNodesRegistered, metav1.ConditionFalse, v1alpha1.ReasonUnregistered)
	if got := refresh(t, d).Status.Nodes.Unregistered; len(got) != 2 || got[0].Name != nodes[0] || got[1].Name != nodes[1] {
		t.Errorf("unregistered are %v, want %v", got, nodes)
	}
}

// TestPrinterColumns reads what kubectl get shows.
func TestPrinterColumns(t *testing.T) {
	t.Parallel()
	d := healthy(t, installed(t))
	config := rest.CopyConfig(cluster.config)
	config.GroupVersion = &v1alpha1.GroupVersion
	config.APIPath = "/apis"
	config.NegotiatedSerializer = serializer.NewCodecFactory(cluster.Scheme()).WithoutConversion()
	http, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	text, err := http.Get().Resource("csidriverdeployments").Name(d.Name).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	table := &metav1.Table{}
	if err := json.Unmarshal(text, table); err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for i, column := range table.ColumnDefinitions {
		got[column.Name] = table.Rows[0].Cells[i]
	}
	delete(got, "Age")
	rows := len(refresh(t, d).Status.Sidecars)
	want := map[string]any{
		"Name": d.Name, "Ready": "True", "Controller": "2/2", "Nodes": "2/2", "Sidecars": fmt.Sprintf("%d/%d", rows, rows),
		"Version": "v1.2.3", "Message": "the driver is deployed and healthy",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestEvents: what changed is told once, with the reason of its condition.
func TestEvents(t *testing.T) {
	t.Parallel()
	d := healthy(t, installed(t))
	create(t, volume(d.Name))
	remove(t, d)
	awaitCondition(t, d, v1alpha1.ConditionDeletionBlocked, metav1.ConditionTrue, v1alpha1.ReasonVolumesExist)
	wake(t, cluster.operator, d)
	await(t, "events of "+d.Name, func() error {
		list := &eventsv1.EventList{}
		if err := cluster.List(t.Context(), list, client.InNamespace(metav1.NamespaceDefault)); err != nil {
			return err
		}
		got := map[string]int{}
		for _, e := range list.Items {
			if e.Regarding.Name == d.Name && e.Regarding.Kind == v1alpha1.Kind {
				got[e.Type+" "+e.Reason]++
			}
		}
		want := map[string]int{
			"Normal Available": 1, "Normal Registered": 1, "Normal Healthy": 1, "Normal Ready": 1,
			"Warning VolumesExist": 1, "Normal Deleting": 1,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("-want, +got:\n%s", diff)
		}
		return nil
	})
}
