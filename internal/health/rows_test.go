// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

func TestRow(t *testing.T) {
	const c = "controller"
	problem := func(p v1alpha1.ContainerProblem) *v1alpha1.ContainerProblem { return &p }
	crash := problem(v1alpha1.ContainerProblem{
		Pod: "b", Node: "node-b", Reason: "CrashLoopBackOff",
		ExitCode: new(int32(255)), LastMessage: "Lost connection to CSI driver, exiting", FinishedAt: &finished,
	})
	crashing := corev1.ContainerStatus{
		Name:                 "x",
		State:                waiting("CrashLoopBackOff", "back-off 40s restarting failed container"),
		LastTerminationState: ended(255, "Error", "Lost connection to CSI driver, exiting"),
		RestartCount:         7,
	}

	cases := map[string]struct {
		deployment *appsv1.Deployment
		pods       []corev1.Pod
		want       v1alpha1.SidecarStatus
	}{
		"AllReady": {
			deployment: deployment(2, 2),
			pods:       []corev1.Pod{pod("a", c, "node-a", with(well("x"))), pod("b", c, "node-b", with(well("x")))},
			want:       v1alpha1.SidecarStatus{Desired: 2, Ready: 2, State: v1alpha1.SidecarHealthy},
		},
		"NoWorkload": {
			want: v1alpha1.SidecarStatus{State: v1alpha1.SidecarStarting, Message: "0 of 0 ready; the Deployment has not started yet"},
		},
		"NoPods": {
			deployment: deployment(2, 0),
			want: v1alpha1.SidecarStatus{
				Desired: 2, State: v1alpha1.SidecarStarting,
				Message: `0 of 2 ready; Deployment "pool-controller" has no more pods yet`,
			},
		},
		"PodsRefused": {
			deployment: func() *appsv1.Deployment {
				d := deployment(2, 0)
				d.Status.Conditions = []appsv1.DeploymentCondition{{
					Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota: pods=0",
				}}
				return d
			}(),
			want: v1alpha1.SidecarStatus{Desired: 2, State: v1alpha1.SidecarDown, Message: "0 of 2 ready; exceeded quota: pods=0"},
		},
		"NoPodsAndNoFailure": {
			deployment: func() *appsv1.Deployment {
				d := deployment(2, 0)
				d.Status.Conditions = []appsv1.DeploymentCondition{
					{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Message: "progressing"},
					{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionFalse, Message: "exceeded quota before"},
				}
				return d
			}(),
			want: v1alpha1.SidecarStatus{
				Desired: 2, State: v1alpha1.SidecarStarting,
				Message: `0 of 2 ready; Deployment "pool-controller" has no more pods yet`,
			},
		},
		"NotObservedAtAll": {
			deployment: func() *appsv1.Deployment {
				d := deployment(1, 0)
				d.Status = appsv1.DeploymentStatus{}
				return d
			}(),
			want: v1alpha1.SidecarStatus{Desired: 1, State: v1alpha1.SidecarStarting, Message: "0 of 1 ready; the Deployment has not started yet"},
		},
		"OneReplicaByDefault": {
			deployment: func() *appsv1.Deployment {
				d := deployment(1, 1)
				d.Spec.Replicas = nil
				return d
			}(),
			pods: []corev1.Pod{pod("a", c, "node-a", with(well("x")))},
			want: v1alpha1.SidecarStatus{Desired: 1, Ready: 1, State: v1alpha1.SidecarHealthy},
		},
		"OneCrashes": {
			deployment: deployment(2, 1),
			pods:       []corev1.Pod{pod("b", c, "node-b", with(crashing)), pod("a", c, "node-a", with(well("x")))},
			want: v1alpha1.SidecarStatus{
				Desired: 2, Ready: 1, State: v1alpha1.SidecarDegraded, Worst: crash,
				Message: "1 of 2 ready; pod b on node-b: CrashLoopBackOff (exit code 255)",
			},
		},
		"AllCrash": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("b", c, "node-b", with(crashing))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarDown, Worst: crash,
				Message: "0 of 1 ready; pod b on node-b: CrashLoopBackOff (exit code 255)",
			},
		},
		"FailedIsWorseThanStarting": {
			deployment: deployment(2, 0),
			pods: []corev1.Pod{
				pod("a", c, "node-a", with(corev1.ContainerStatus{Name: "x", State: waiting("ContainerCreating", "")})),
				pod("b", c, "node-b", with(crashing)),
			},
			want: v1alpha1.SidecarStatus{
				Desired: 2, State: v1alpha1.SidecarDown, Worst: crash,
				Message: "0 of 2 ready; pod b on node-b: CrashLoopBackOff (exit code 255)",
			},
		},
		"TheFirstByNameOfSeveral": {
			deployment: deployment(3, 0),
			pods:       []corev1.Pod{pod("d", c, "node-d", with(crashing)), pod("b", c, "node-b", with(crashing)), pod("c", c, "node-c", with(crashing))},
			want: v1alpha1.SidecarStatus{
				Desired: 3, State: v1alpha1.SidecarDown, Worst: crash,
				Message: "0 of 3 ready; pod b on node-b: CrashLoopBackOff (exit code 255)",
			},
		},
		"WaitingWithoutReason": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "n", with(corev1.ContainerStatus{Name: "x", State: waiting("", "")}))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarStarting, Message: "0 of 1 ready; pod a on n is not ready yet",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n"}),
			},
		},
		"Initializing": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "n", with(corev1.ContainerStatus{Name: "x", State: waiting("PodInitializing", "")}))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarStarting, Message: "0 of 1 ready; pod a on n: PodInitializing",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n", Reason: "PodInitializing"}),
			},
		},
		"Creating": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "node-a", with(corev1.ContainerStatus{Name: "x", State: waiting("ContainerCreating", "")}))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarStarting, Message: "0 of 1 ready; pod a on node-a: ContainerCreating",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "node-a", Reason: "ContainerCreating"}),
			},
		},
		"ImagePullBackOffAndErrImagePullReadAlike": {
			deployment: deployment(2, 0),
			pods: []corev1.Pod{
				pod("a", c, "", with(corev1.ContainerStatus{Name: "x", State: waiting("ErrImagePull", "not found")})),
				pod("b", c, "", with(corev1.ContainerStatus{Name: "x", State: waiting("ImagePullBackOff", `Back-off pulling image "x:1": ErrImagePull: not found`)})),
			},
			want: v1alpha1.SidecarStatus{
				Desired: 2, State: v1alpha1.SidecarDown, Message: "0 of 2 ready; pod a: ImagePullBackOff: not found",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Reason: "ImagePullBackOff", LastMessage: "not found"}),
			},
		},
		"ImagePullBackOffSaysWhy": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "", with(corev1.ContainerStatus{Name: "x", State: waiting("ImagePullBackOff", `Back-off pulling image "x:1": ErrImagePull: not found`)}))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarDown, Message: "0 of 1 ready; pod a: ImagePullBackOff: not found",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Reason: "ImagePullBackOff", LastMessage: "not found"}),
			},
		},
		"ConfigError": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "n", with(corev1.ContainerStatus{Name: "x", State: waiting("CreateContainerConfigError", `secret "s" not found`)}))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarDown, Message: `0 of 1 ready; pod a on n: CreateContainerConfigError: secret "s" not found`,
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n", Reason: "CreateContainerConfigError", LastMessage: `secret "s" not found`}),
			},
		},
		"Terminated": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "n", with(corev1.ContainerStatus{Name: "x", State: ended(137, "OOMKilled", "")}))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarDown, Message: "0 of 1 ready; pod a on n: OOMKilled (exit code 137)",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n", Reason: "OOMKilled", ExitCode: new(int32(137)), FinishedAt: &finished}),
			},
		},
		"RunningAfterFailure": {
			deployment: deployment(2, 1),
			pods: []corev1.Pod{
				pod("a", c, "n", with(corev1.ContainerStatus{Name: "x", State: running(), LastTerminationState: ended(1, "Error", "boom")})),
				pod("b", c, "m", with(well("x"))),
			},
			want: v1alpha1.SidecarStatus{
				Desired: 2, Ready: 1, State: v1alpha1.SidecarDegraded, Message: "1 of 2 ready; pod a on n: Error (exit code 1)",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n", Reason: "Error", ExitCode: new(int32(1)), LastMessage: "boom", FinishedAt: &finished}),
			},
		},
		"ReadyAfterFailure": {
			deployment: deployment(1, 1),
			pods:       []corev1.Pod{pod("a", c, "n", with(corev1.ContainerStatus{Name: "x", Ready: true, State: running(), LastTerminationState: ended(1, "Error", "boom")}))},
			want:       v1alpha1.SidecarStatus{Desired: 1, Ready: 1, State: v1alpha1.SidecarHealthy},
		},
		"RunningNotReady": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "n", with(corev1.ContainerStatus{Name: "x", State: running(), LastTerminationState: ended(0, "Completed", "")}))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarStarting, Message: "0 of 1 ready; pod a on n is not ready yet",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n"}),
			},
		},
		"RunningForTheFirstTime": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "n", with(corev1.ContainerStatus{Name: "x", State: running()}))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarStarting, Message: "0 of 1 ready; pod a on n is not ready yet",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n"}),
			},
		},
		"InitContainerThatStays": {
			deployment: deployment(1, 1),
			pods: []corev1.Pod{pod("a", c, "n", with(well("y")), func(p *corev1.Pod) {
				p.Status.InitContainerStatuses = []corev1.ContainerStatus{well("x")}
			})},
			want: v1alpha1.SidecarStatus{Desired: 1, Ready: 1, State: v1alpha1.SidecarHealthy},
		},
		"ScheduledAndNotReportedYet": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "n", having(corev1.PodScheduled, corev1.ConditionTrue, "Scheduled", "bound to n"))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarStarting, Message: "0 of 1 ready; pod a on n is not ready yet",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n"}),
			},
		},
		"Unschedulable": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "", phase(corev1.PodPending, "", ""), having(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "0/2 nodes are available"))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarStarting, Message: "0 of 1 ready; pod a: Unschedulable: 0/2 nodes are available",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Reason: "Unschedulable", LastMessage: "0/2 nodes are available"}),
			},
		},
		"NodeLost": {
			deployment: deployment(2, 1),
			pods: []corev1.Pod{
				pod("a", c, "n", with(well("x")), having(corev1.ContainersReady, corev1.ConditionTrue, "", ""), having(corev1.PodReady, corev1.ConditionFalse, "", "")),
				pod("b", c, "m", with(well("x")), wholeReady),
			},
			want: v1alpha1.SidecarStatus{
				Desired: 2, Ready: 1, State: v1alpha1.SidecarDegraded, Message: "1 of 2 ready; pod a on n: NodeNotReady",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n", Reason: "NodeNotReady"}),
			},
		},
		"NodeLostForAReason": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "n", with(well("x")), having(corev1.ContainersReady, corev1.ConditionTrue, "", ""), having(corev1.PodReady, corev1.ConditionFalse, "NodeGone", "no heartbeat"))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarDown, Message: "0 of 1 ready; pod a on n: NodeGone: no heartbeat",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n", Reason: "NodeGone", LastMessage: "no heartbeat"}),
			},
		},
		"WholePodIsReady": {
			deployment: deployment(1, 1),
			pods:       []corev1.Pod{pod("a", c, "n", with(well("x")), having(corev1.ContainersReady, corev1.ConditionTrue, "", ""), wholeReady)},
			want:       v1alpha1.SidecarStatus{Desired: 1, Ready: 1, State: v1alpha1.SidecarHealthy},
		},
		"NothingIsSaidOfThePod": {
			deployment: deployment(1, 1),
			pods:       []corev1.Pod{pod("a", c, "n", with(well("x")), having(corev1.ContainersReady, corev1.ConditionTrue, "", ""))},
			want:       v1alpha1.SidecarStatus{Desired: 1, Ready: 1, State: v1alpha1.SidecarHealthy},
		},
		"NothingIsSaidOfTheContainers": {
			deployment: deployment(1, 1),
			pods:       []corev1.Pod{pod("a", c, "n", with(well("x")), having(corev1.PodReady, corev1.ConditionFalse, "", ""))},
			want:       v1alpha1.SidecarStatus{Desired: 1, Ready: 1, State: v1alpha1.SidecarHealthy},
		},
		"AnotherContainerOfThePodIsNotReady": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "n", with(well("x")), having(corev1.ContainersReady, corev1.ConditionFalse, "", ""), having(corev1.PodReady, corev1.ConditionFalse, "", ""))},
			want:       v1alpha1.SidecarStatus{Desired: 1, Ready: 1, State: v1alpha1.SidecarHealthy},
		},
		"DeletedPodsAreLeftOut": {
			deployment: deployment(1, 1),
			pods:       []corev1.Pod{pod("a", c, "n", with(crashing), deleted), pod("b", c, "n", with(well("x")))},
			want:       v1alpha1.SidecarStatus{Desired: 1, Ready: 1, State: v1alpha1.SidecarHealthy},
		},
		"EvictedPodIsToldWhileMissing": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "n", phase(corev1.PodFailed, "Evicted", "The node was low on memory."))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarDown, Message: "0 of 1 ready; pod a on n: Evicted: The node was low on memory.",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n", Reason: "Evicted", LastMessage: "The node was low on memory."}),
			},
		},
		"TheFirstByNameOfSeveralEvictedPods": {
			deployment: deployment(1, 0),
			pods: []corev1.Pod{
				pod("c", c, "n", phase(corev1.PodFailed, "Evicted", "")), pod("a", c, "n", phase(corev1.PodFailed, "Evicted", "")),
				pod("b", c, "n", phase(corev1.PodFailed, "Evicted", "")),
			},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarDown, Message: "0 of 1 ready; pod a on n: Evicted",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n", Reason: "Evicted"}),
			},
		},
		"PodEndedWithoutReason": {
			deployment: deployment(1, 0),
			pods:       []corev1.Pod{pod("a", c, "n", phase(corev1.PodSucceeded, "", ""))},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarDown, Message: "0 of 1 ready; pod a on n: PodSucceeded",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "a", Node: "n", Reason: "PodSucceeded"}),
			},
		},
		"EvictedPodIsForgottenWhileItsSuccessorStarts": {
			deployment: deployment(1, 0),
			pods: []corev1.Pod{
				pod("a", c, "n", phase(corev1.PodFailed, "Evicted", "")),
				pod("b", c, "m", with(corev1.ContainerStatus{Name: "x", State: waiting("ContainerCreating", "")})),
			},
			want: v1alpha1.SidecarStatus{
				Desired: 1, State: v1alpha1.SidecarStarting, Message: "0 of 1 ready; pod b on m: ContainerCreating",
				Worst: problem(v1alpha1.ContainerProblem{Pod: "b", Node: "m", Reason: "ContainerCreating"}),
			},
		},
		"EvictedPodWasReplaced": {
			deployment: deployment(1, 1),
			pods:       []corev1.Pod{pod("a", c, "n", phase(corev1.PodFailed, "Evicted", "")), pod("b", c, "n", with(well("x")))},
			want:       v1alpha1.SidecarStatus{Desired: 1, Ready: 1, State: v1alpha1.SidecarHealthy},
		},
		"SurplusPodsDoNotCount": {
			deployment: deployment(1, 2),
			pods:       []corev1.Pod{pod("a", c, "n", with(well("x"))), pod("b", c, "n", with(well("x")))},
			want:       v1alpha1.SidecarStatus{Desired: 1, Ready: 1, State: v1alpha1.SidecarHealthy},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rows := []desired.Row{{Component: c, Name: "x", Image: "x:v1", Version: "v1"}}
			tc.want.Component, tc.want.Name, tc.want.Image, tc.want.Version = c, "x", "x:v1", "v1"
			got := Assess(driver, both(), rows, Observed{Controller: tc.deployment, Pods: tc.pods}).Sidecars
			if diff := cmp.Diff([]v1alpha1.SidecarStatus{tc.want}, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}
