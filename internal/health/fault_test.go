// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// TestStartsOrFails: what is not there yet is no fault until something has failed.
func TestStartsOrFails(t *testing.T) {
	const c, n = v1alpha1.ComponentController, v1alpha1.DefaultNodePool
	const registrar = sidecar.RegistrarContainer
	starting := corev1.ContainerStatus{Name: registrar, State: waiting("ContainerCreating", "")}
	crashing := corev1.ContainerStatus{Name: registrar, State: waiting("CrashLoopBackOff", ""), LastTerminationState: ended(1, "Error", "")}
	lost := corev1.ContainerStatus{Name: registrar, State: ended(255, "Unknown", "")}
	short := deployment(1, 0)
	short.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "quota"}}
	of := func(component string, edits ...podEdit) corev1.Pod {
		p := pod(component, component, "a", edits...)
		p.UID = types.UID(component)
		return p
	}
	listed, unlisted := []storagev1.CSINode{csiNode("a", driver)}, []storagev1.CSINode{csiNode("a")}
	set := daemonSet(1, 0)
	set.UID = "set"
	over := phase(corev1.PodFailed, "Evicted", "")

	type reasons struct{ Controller, Nodes string }
	cases := map[string]struct {
		observed Observed
		want     reasons
	}{
		"NothingYet": {Observed{}, reasons{"Starting", "Starting"}},
		"NoPods":     {Observed{Controller: deployment(1, 0), Nodes: pool1(set)}, reasons{"Starting", "Starting"}},
		"PodsStart": {
			Observed{Controller: deployment(1, 0), Nodes: pool1(set), Pods: []corev1.Pod{of(c, with(starting)), of(n, with(starting))}},
			reasons{"Starting", "Starting"},
		},
		"PodsCrash": {
			Observed{Controller: deployment(1, 0), Nodes: pool1(set), CSINodes: listed, Pods: []corev1.Pod{of(c, with(crashing)), of(n, with(crashing))}},
			reasons{"Unavailable", "Unregistered"},
		},
		"NodesAreLost": {
			Observed{Controller: deployment(1, 0), Nodes: pool1(set), CSINodes: listed, Pods: []corev1.Pod{of(c, with(lost)), of(n, with(lost))}},
			reasons{"Unavailable", "Unregistered"},
		},
		"PodIsOver":       {Observed{Controller: deployment(1, 0), Nodes: pool1(set), Pods: []corev1.Pod{of(c, over)}}, reasons{"Unavailable", "Starting"}},
		"NoPodMayBeMade":  {Observed{Controller: short, Nodes: pool1(set)}, reasons{"Unavailable", "Starting"}},
		"OnlyEventsTell":  {Observed{Controller: deployment(1, 0), Nodes: pool1(set), Hints: map[types.UID]Hint{"set": {Reason: "FailedCreate", Message: "quota"}}}, reasons{"Starting", "Unregistered"}},
		"NotListedYet":    {Observed{Controller: deployment(1, 1), Nodes: pool1(set), CSINodes: unlisted, Pods: []corev1.Pod{of(n, with(well(registrar)), wholeReady)}}, reasons{"Available", "Starting"}},
		"NotListedAtAll":  {Observed{Controller: deployment(1, 1), Nodes: pool1(set), CSINodes: unlisted, Pods: []corev1.Pod{of(n, with(well(registrar)), wholeReady)}, Overdue: map[string]bool{n: true}}, reasons{"Available", "Unregistered"}},
		"AnotherNodeOnly": {Observed{Controller: deployment(1, 1), Nodes: pool1(daemonSet(3, 1)), CSINodes: listed, Pods: []corev1.Pod{of(n, with(well(registrar)), wholeReady)}}, reasons{"Available", "Starting"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rows := []desired.Row{{Component: c, Name: registrar}, {Component: n, Name: registrar}}
			var got reasons
			for _, condition := range Assess(driver, both(), rows, tc.observed).Conditions {
				switch condition.Type {
				case v1alpha1.ConditionControllerAvailable:
					got.Controller = condition.Reason
				case v1alpha1.ConditionNodesRegistered:
					got.Nodes = condition.Reason
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestFaultsOfRegisteredNodes are no reason why others are not registered yet.
func TestFaultsOfRegisteredNodes(t *testing.T) {
	const n = v1alpha1.DefaultNodePool
	failed := well(v1alpha1.DriverContainer)
	failed.Ready, failed.State = false, ended(1, "Error", "")
	p := pool{view: view{containers: []string{v1alpha1.DriverContainer}, live: []*corev1.Pod{new(pod("p", n, "a", with(failed)))}}}
	if p.faulty() {
		t.Error("a pod of a node that is not missing counts")
	}
	p.missing = []string{"a", "b"}
	if !p.faulty() {
		t.Error("a pod of a missing node does not count")
	}
}
