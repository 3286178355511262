// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// TestRolloutThatDoesNotEnd: the old pods are enough to serve, and what keeps new ones from taking their
// place is told all the same.
func TestRolloutThatDoesNotEnd(t *testing.T) {
	const c = v1alpha1.ComponentController
	rolling := func(edits ...func(*appsv1.Deployment)) *appsv1.Deployment {
		d := deployment(1, 1)
		d.UID, d.Status.UpdatedReplicas = "d", 0
		for _, edit := range edits {
			edit(d)
		}
		return d
	}
	failing := func(d *appsv1.Deployment) {
		d.Status.Conditions = []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: `pods "x-1" is forbidden: exceeded quota`},
		}
	}
	old := pod("old", c, "node-a", with(well("driver")))
	pulling := with(corev1.ContainerStatus{Name: "driver", State: waiting("ImagePullBackOff", "no such image")})
	cases := map[string]struct {
		observed Observed
		want     v1alpha1.SidecarState
		message  string
		worst    string
	}{
		"OnItsWay": {
			Observed{Controller: rolling(), Pods: []corev1.Pod{old, pod("new", c, "node-a")}},
			v1alpha1.SidecarStarting, "1 of 1 ready; rolling out, 0 of 1 updated", "",
		},
		"WithoutALeader": {
			Observed{Controller: rolling(), Pods: []corev1.Pod{old}, Leases: map[string]Lease{"l": {}}},
			v1alpha1.SidecarStarting, "1 of 1 ready; none has taken Lease l yet", "",
		},
		"NewPodFails": {
			Observed{Controller: rolling(), Pods: []corev1.Pod{old, pod("new", c, "node-a", pulling)}},
			v1alpha1.SidecarDegraded, "1 of 1 ready; rolling out, 0 of 1 updated; pod new on node-a: ImagePullBackOff: no such image", "new",
		},
		"NoNewPod": {
			Observed{Controller: rolling(failing), Pods: []corev1.Pod{old}},
			v1alpha1.SidecarDegraded, "1 of 1 ready; rolling out, 0 of 1 updated; pods are forbidden: exceeded quota", "",
		},
		"NoNewPodByAnEvent": {
			Observed{Controller: rolling(), Pods: []corev1.Pod{old}, Hints: map[types.UID]Hint{"d": {Message: "refused"}}},
			v1alpha1.SidecarDegraded, "1 of 1 ready; rolling out, 0 of 1 updated; refused", "",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := Assess(driver, both()[:1], []desired.Row{{Component: c, Name: "driver", Lease: "l"}}, tc.observed).Sidecars[0]
			if got.State != tc.want || got.Message != tc.message || (got.Worst == nil) != (tc.worst == "") || got.Worst != nil && got.Worst.Pod != tc.worst {
				t.Errorf("row is %+v, worst %+v", got, got.Worst)
			}
		})
	}
}

// TestOnDelete: what only a person does is told to one.
func TestOnDelete(t *testing.T) {
	const want = "1 of 1 ready; rolling out, 0 of 1 updated; the strategy is OnDelete, delete the old pods"
	set := daemonSet(1, 1)
	set.Spec.UpdateStrategy.Type, set.Status.UpdatedNumberScheduled = appsv1.OnDeleteDaemonSetStrategyType, 0
	stateful := &appsv1.StatefulSet{ObjectMeta: deployment(1, 1).ObjectMeta, Spec: appsv1.StatefulSetSpec{Replicas: new(int32(1))}}
	stateful.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType
	stateful.Status = appsv1.StatefulSetStatus{ObservedGeneration: 1, ReadyReplicas: 1}
	components := []desired.Component{{Name: v1alpha1.ComponentController, Kind: "StatefulSet"}, {Name: v1alpha1.DefaultNodePool, Kind: "DaemonSet"}}
	o := Observed{StatefulSet: stateful, Nodes: pool1(set)}
	var rows []desired.Row
	for _, c := range components {
		o.Pods = append(o.Pods, pod("p-"+c.Name, c.Name, "node-a", with(well("driver"))))
		rows = append(rows, desired.Row{Component: c.Name, Name: "driver"})
	}
	for _, row := range Assess(driver, components, rows, o).Sidecars {
		if row.State != v1alpha1.SidecarStarting || row.Message != want {
			t.Errorf("row is %+v, want %q", row, want)
		}
	}
}
