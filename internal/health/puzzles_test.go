// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

func identified(uid types.UID) podEdit { return func(p *corev1.Pod) { p.UID = uid } }

func pending(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }

func waitingFor(reason string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "c", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}
}

// nodeSet is a DaemonSet that its controller has seen.
func nodeSet(desired int32) *appsv1.DaemonSet {
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "set", UID: "set", Generation: 1},
		Status:     appsv1.DaemonSetStatus{ObservedGeneration: 1, DesiredNumberScheduled: desired},
	}
}

// TestPuzzles are what is not well without a word.
func TestPuzzles(t *testing.T) {
	const node = v1alpha1.DefaultNodePool
	failing := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{UID: "d", Generation: 1},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 1, Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "forbidden"},
		}},
	}
	silent := failing.DeepCopy()
	silent.Status.Conditions = nil
	unseen := nodeSet(2)
	unseen.Status.ObservedGeneration = 0
	cases := map[string]struct {
		observed Observed
		want     []types.UID
	}{
		"Nothing":       {Observed{}, nil},
		"SetLacksPods":  {Observed{Nodes: pool1(nodeSet(2))}, []types.UID{"set"}},
		"SetIsUnseen":   {Observed{Nodes: pool1(unseen)}, nil},
		"SetHasItsPods": {Observed{Nodes: pool1(nodeSet(1)), Pods: []corev1.Pod{pod("a", node, "n", with(well("c")))}}, nil},
		"SaysWhy":       {Observed{Controller: failing}, nil},
		"DoesNotSayWhy": {Observed{Controller: silent}, []types.UID{"d"}},
		"PodOfNoStatus": {Observed{Nodes: pool1(nodeSet(1)), Pods: []corev1.Pod{pod("a", node, "n", identified("a"), pending)}}, []types.UID{"a"}},
		"PodCreating": {Observed{Nodes: pool1(nodeSet(1)), Pods: []corev1.Pod{
			pod("a", node, "n", identified("a"), pending, with(waitingFor("ContainerCreating"))),
		}}, []types.UID{"a"}},
		"PodTellsItself": {Observed{Nodes: pool1(nodeSet(1)), Pods: []corev1.Pod{
			pod("a", node, "n", identified("a"), pending, with(waitingFor("ImagePullBackOff"))),
		}}, nil},
		"PodRuns": {Observed{Nodes: pool1(nodeSet(1)), Pods: []corev1.Pod{pod("a", node, "n", identified("a"))}}, nil},
		"PodDoesNotGetReady": {Observed{Nodes: pool1(nodeSet(1)), Pods: []corev1.Pod{
			pod("a", node, "n", identified("a"), with(well("d")), with(corev1.ContainerStatus{Name: "c", State: running()})),
		}}, []types.UID{"a"}},
		"PodEndedWell": {Observed{Nodes: pool1(nodeSet(1)), Pods: []corev1.Pod{
			pod("a", node, "n", identified("a"), with(corev1.ContainerStatus{Name: "c", State: ended(0, "Completed", "")})),
		}}, []types.UID{"a"}},
		"PodEnded": {Observed{Nodes: pool1(nodeSet(1)), Pods: []corev1.Pod{
			pod("a", node, "n", identified("a"), with(corev1.ContainerStatus{Name: "c", State: ended(1, "Error", "")})),
		}}, nil},
		"PodOfNoNode":  {Observed{Nodes: pool1(nodeSet(1)), Pods: []corev1.Pod{pod("a", node, "", identified("a"), pending)}}, nil},
		"PodGoes":      {Observed{Nodes: pool1(nodeSet(0)), Pods: []corev1.Pod{pod("a", node, "n", identified("a"), pending, deleted)}}, nil},
		"OneContainer": {Observed{Nodes: pool1(nodeSet(1)), Pods: []corev1.Pod{pod("a", node, "n", identified("a"), pending, with(waitingFor("PodInitializing")), with(well("d")))}}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Puzzles(both(), tc.observed)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
	var many []corev1.Pod
	for i := range 2 * maxPuzzles {
		name := fmt.Sprintf("p%d", i)
		many = append(many, pod(name, node, "n", identified(types.UID(name)), pending))
	}
	want := []types.UID{"set", "p0", "p1", "p2"}
	if diff := cmp.Diff(want, Puzzles(both(), Observed{Nodes: pool1(nodeSet(99)), Pods: many})); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestHintsAreTold in the rows, of pods that are puzzling still.
func TestHintsAreTold(t *testing.T) {
	const name = v1alpha1.DriverContainer
	row := desired.Row{Component: v1alpha1.DefaultNodePool, Name: name}
	hints := map[types.UID]Hint{
		"a":   {Reason: "FailedMount", Message: `secret "x" not found`},
		"b":   {Reason: "Unhealthy", Message: "Startup probe failed: 500", Container: name},
		"c":   {Reason: "Unhealthy", Message: "Startup probe failed: 500", Container: "other"},
		"set": {Reason: "FailedCreate", Message: "pods are forbidden: quota"},
	}
	v := view{kind: "DaemonSet", name: "set", uid: "set", known: true, desired: 1, updated: 1, settled: true, hints: hints}
	missing := assessRow(row, v).SidecarStatus
	if missing.State != v1alpha1.SidecarDown || missing.Message != "0 of 1 ready; pods are forbidden: quota" {
		t.Errorf("without a pod: %+v", missing)
	}

	v.live = []*corev1.Pod{new(pod("p", v1alpha1.DefaultNodePool, "n", identified("a"), pending))}
	stuck := assessRow(row, v).SidecarStatus
	if stuck.State != v1alpha1.SidecarDown || stuck.Message != `0 of 1 ready; pod p on n: FailedMount: secret "x" not found` {
		t.Errorf("with a pod that is not created: %+v", stuck)
	}

	v.live = []*corev1.Pod{new(pod("p", v1alpha1.DefaultNodePool, "n", identified("a"), with(corev1.ContainerStatus{Name: name, State: running()})))}
	if started := assessRow(row, v).SidecarStatus; started.State != v1alpha1.SidecarStarting || started.Worst.Reason != "" {
		t.Errorf("with a pod that runs: %+v", started)
	}
	for uid, want := range map[types.UID]string{"b": "0 of 1 ready; pod p on n: Unhealthy: Startup probe failed: 500", "c": "0 of 1 ready; pod p on n is not ready yet"} {
		v.live[0].UID = uid
		if unready := assessRow(row, v).SidecarStatus; unready.State != v1alpha1.SidecarStarting || unready.Message != want {
			t.Errorf("with a pod that does not become ready: %+v, want %q", unready, want)
		}
	}
	v.live[0].UID = "b"
	v.live[0].Status.ContainerStatuses[0].LastTerminationState = ended(0, "Completed", "")
	if killed := assessRow(row, v).SidecarStatus; killed.State != v1alpha1.SidecarDown {
		t.Errorf("with a pod that kubelet has restarted: %+v", killed)
	}
	v.live[0].Status.ContainerStatuses[0] = corev1.ContainerStatus{Name: name, State: ended(0, "Completed", "")}
	if over := assessRow(row, v).SidecarStatus; over.State != v1alpha1.SidecarDown {
		t.Errorf("with a pod that kubelet has ended: %+v", over)
	}
	v.live = []*corev1.Pod{new(pod("p", v1alpha1.DefaultNodePool, "n", identified("b"), with(well(name))))}
	if fine := assessRow(row, v).SidecarStatus; fine.State != v1alpha1.SidecarHealthy {
		t.Errorf("with a pod that is ready: %+v", fine)
	}
}
