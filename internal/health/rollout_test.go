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
			got := Assess(driver, both()[:1], []desired.Row{{Component: c, Name: "driver"}}, tc.observed).Sidecars[0]
			if got.State != tc.want || got.Message != tc.message || (got.Worst == nil) != (tc.worst == "") || got.Worst != nil && got.Worst.Pod != tc.worst {
				t.Errorf("row is %+v, worst %+v", got, got.Worst)
			}
		})
	}
}
