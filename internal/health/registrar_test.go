// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// A registrar that the kubelet refuses runs for a minute between two refusals;
// it must not look healthy then.
func TestRegistrarRow(t *testing.T) {
	const n = v1alpha1.DefaultNodePool
	refusal := "RegisterPlugin error: rpc error: code = FailedPrecondition desc = no pool.json on node-a"
	running := well(sidecar.RegistrarContainer)
	refused := well(sidecar.RegistrarContainer)
	refused.LastTerminationState = ended(1, "Error", refusal)
	crashing := corev1.ContainerStatus{
		Name: sidecar.RegistrarContainer, State: waiting("CrashLoopBackOff", ""), LastTerminationState: ended(1, "Error", refusal),
	}
	stopped := well(sidecar.RegistrarContainer)
	stopped.LastTerminationState = ended(0, "Completed", "")

	healthy := v1alpha1.SidecarStatus{Desired: 1, Ready: 1, State: v1alpha1.SidecarHealthy}
	cases := map[string]struct {
		status  corev1.ContainerStatus
		csiNode storagev1.CSINode
		want    v1alpha1.SidecarStatus
	}{
		"Registered":              {running, csiNode("node-a", driver), healthy},
		"RegisteredAfterRefusals": {refused, csiNode("node-a", driver), healthy},
		"NotAskedYet":             {running, csiNode("node-a"), healthy},
		"StoppedInOrder":          {stopped, csiNode("node-a"), healthy},
		"Refused": {refused, csiNode("node-a", "other.example.com"), v1alpha1.SidecarStatus{
			Desired: 1, State: v1alpha1.SidecarDown,
			Message: "0 of 1 ready; pod a on node-a: NotRegistered: FailedPrecondition: no pool.json on node-a",
			Worst: &v1alpha1.ContainerProblem{
				Pod: "a", Node: "node-a", Reason: "NotRegistered", ExitCode: new(int32(1)),
				LastMessage: "FailedPrecondition: no pool.json on node-a", FinishedAt: &finished,
			},
		}},
		"Waiting": {crashing, csiNode("node-a"), v1alpha1.SidecarStatus{
			Desired: 1, State: v1alpha1.SidecarDown, Message: "0 of 1 ready; pod a on node-a: CrashLoopBackOff (exit code 1)",
			Worst: &v1alpha1.ContainerProblem{
				Pod: "a", Node: "node-a", Reason: "CrashLoopBackOff", ExitCode: new(int32(1)),
				LastMessage: "FailedPrecondition: no pool.json on node-a", FinishedAt: &finished,
			},
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rows := []desired.Row{{Component: n, Name: sidecar.RegistrarContainer}}
			tc.want.Component, tc.want.Name = n, sidecar.RegistrarContainer
			got := Assess(driver, both(), rows, Observed{
				Nodes:    pool1(daemonSet(1, 1)),
				Pods:     []corev1.Pod{pod("a", n, "node-a", with(tc.status), wholeReady)},
				CSINodes: []storagev1.CSINode{tc.csiNode},
			}).Sidecars
			if diff := cmp.Diff([]v1alpha1.SidecarStatus{tc.want}, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}
