// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

func TestConditions(t *testing.T) {
	const c, n = v1alpha1.ComponentController, v1alpha1.DefaultNodePool
	crashing := with(corev1.ContainerStatus{Name: "driver", State: waiting("CrashLoopBackOff", ""), LastTerminationState: ended(1, "Error", "")})
	nodePods := func(count int) (pods []corev1.Pod, nodes []storagev1.CSINode) {
		for i := range count {
			node := "node-" + string(rune('a'+i))
			pods = append(pods, pod("node-"+node, n, node, with(well("driver")), wholeReady))
			nodes = append(nodes, csiNode(node, "other.example.com", driver))
		}
		return slices.Clip(pods), nodes
	}
	pods12, nodes12 := nodePods(12)
	controllerPod := pod("c1", c, "node-a", with(well("driver")), wholeReady)

	type condition struct {
		Status          metav1.ConditionStatus
		Reason, Message string
	}
	type result struct {
		Controller, Nodes, Sidecars condition
		Unregistered                []string
		Registered                  int32
		Summary                     string
	}
	good := result{
		Controller: condition{"True", "Available", "1 of 1 controller pods are ready"},
		Nodes:      condition{"True", "Registered", "12 of 12 nodes have registered the driver"},
		Sidecars:   condition{"True", "Healthy", "all 2 containers are healthy"},
		Registered: 12, Summary: "2/2",
	}
	edit := func(r result, f func(*result)) result { f(&r); return r }
	drop := func(nodes []storagev1.CSINode, names ...string) []storagev1.CSINode {
		var out []storagev1.CSINode
		for _, node := range nodes {
			for _, name := range names {
				if node.Name == name {
					node = csiNode(name, "other.example.com")
				}
			}
			out = append(out, node)
		}
		return out
	}

	cases := map[string]struct {
		observed Observed
		want     result
	}{
		"Good": {
			observed: Observed{Controller: deployment(1, 1), Nodes: daemonSet(12, 12), Pods: append(pods12, controllerPod), CSINodes: nodes12},
			want:     good,
		},
		"Nothing": {
			want: result{
				Controller: condition{"False", "Unavailable", "0 of 0 controller pods are ready; the Deployment has not started yet"},
				Nodes:      condition{"False", "Unregistered", "the DaemonSet has not started yet"},
				Sidecars:   condition{"False", "Starting", "2 containers are not healthy; driver of controller: 0 of 0 ready; the Deployment has not started yet"},
				Summary:    "0/2",
			},
		},
		"OneOfTwelveUnregistered": {
			observed: Observed{Controller: deployment(1, 1), Nodes: daemonSet(12, 12), Pods: append(pods12, controllerPod), CSINodes: drop(nodes12, "node-c")},
			want: edit(good, func(r *result) {
				r.Nodes.Message = "11 of 12 nodes have registered the driver; not yet: node-c; pod node-node-c is ready, but CSINode node-c does not list pool.example.com"
				r.Registered, r.Unregistered = 11, []string{"node-c"}
			}),
		},
		"TwoOfTwelveUnregistered": {
			observed: Observed{Controller: deployment(1, 1), Nodes: daemonSet(12, 12), Pods: append(pods12, controllerPod), CSINodes: drop(nodes12, "node-c", "node-a")},
			want: edit(good, func(r *result) {
				r.Nodes = condition{"False", "Unregistered", "10 of 12 nodes have registered the driver; not yet: node-a, node-c; pod node-node-a is ready, but CSINode node-a does not list pool.example.com"}
				r.Registered, r.Unregistered = 10, []string{"node-a", "node-c"}
			}),
		},
		"ListedButPodNotReady": {
			observed: Observed{
				Controller: deployment(1, 1), Nodes: daemonSet(1, 0), CSINodes: nodes12,
				Pods: []corev1.Pod{controllerPod, pod("n1", n, "node-a", crashing)},
			},
			want: edit(good, func(r *result) {
				r.Nodes = condition{"False", "Unregistered", "0 of 1 nodes have registered the driver; not yet: node-a; pod n1 is not ready"}
				r.Sidecars = condition{"False", "Unhealthy", "driver of node: 0 of 1 ready; pod n1 on node-a: CrashLoopBackOff (exit code 1)"}
				r.Registered, r.Unregistered, r.Summary = 0, []string{"node-a"}, "1/2"
			}),
		},
		"UnscheduledDaemonPodNamesItsNode": {
			observed: Observed{
				Controller: deployment(1, 1), Nodes: daemonSet(1, 0),
				Pods: []corev1.Pod{controllerPod, pod("n1", n, "", boundTo("node-z"))},
			},
			want: edit(good, func(r *result) {
				r.Nodes = condition{"False", "Unregistered", "0 of 1 nodes have registered the driver; not yet: node-z; pod n1 is not ready"}
				r.Sidecars = condition{"False", "Starting", "driver of node: 0 of 1 ready; pod n1 is not ready yet"}
				r.Registered, r.Unregistered, r.Summary = 0, []string{"node-z"}, "1/2"
			}),
		},
		"NoNodes": {
			observed: Observed{Controller: deployment(1, 1), Nodes: daemonSet(0, 0), Pods: []corev1.Pod{controllerPod}, CSINodes: nodes12},
			want: edit(good, func(r *result) {
				r.Nodes = condition{"False", "NoNodes", `no node is fit for the pods of DaemonSet "pool-node"`}
				r.Registered = 0
			}),
		},
		"ControllerCrashes": {
			observed: Observed{
				Controller: deployment(1, 0), Nodes: daemonSet(12, 12), CSINodes: nodes12,
				Pods: append(pods12, pod("c1", c, "node-a", crashing)),
			},
			want: edit(good, func(r *result) {
				r.Controller = condition{"False", "Unavailable", "0 of 1 controller pods are ready; driver: pod c1 on node-a: CrashLoopBackOff (exit code 1)"}
				r.Sidecars = condition{"False", "Unhealthy", "driver of controller: 0 of 1 ready; pod c1 on node-a: CrashLoopBackOff (exit code 1)"}
				r.Summary = "1/2"
			}),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rows := []desired.Row{{Component: c, Name: "driver"}, {Component: n, Name: "driver"}}
			report := Assess(driver, rows, tc.observed)
			conditions := map[string]condition{}
			for _, cond := range report.Conditions {
				conditions[cond.Type] = condition{cond.Status, cond.Reason, cond.Message}
			}
			got := result{
				Controller:   conditions[v1alpha1.ConditionControllerAvailable],
				Nodes:        conditions[v1alpha1.ConditionNodesRegistered],
				Sidecars:     conditions[v1alpha1.ConditionSidecarsHealthy],
				Unregistered: report.Nodes.Unregistered,
				Registered:   report.Nodes.Registered,
				Summary:      report.SidecarSummary,
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	stale := deployment(3, 3)
	stale.Generation = 2
	rolling := daemonSet(5, 4)
	rolling.Status.UpdatedNumberScheduled = 2
	r := Assess(driver, nil, Observed{Controller: stale, Nodes: rolling})
	want := v1alpha1.WorkloadStatus{Desired: 3, Updated: 0, Ready: 3, Summary: "3/3"}
	if diff := cmp.Diff(want, r.Controller); diff != "" {
		t.Errorf("controller: -want, +got:\n%s", diff)
	}
	want = v1alpha1.WorkloadStatus{Desired: 5, Updated: 2, Ready: 4, Summary: "0/5"}
	if diff := cmp.Diff(want, r.Nodes.WorkloadStatus); diff != "" {
		t.Errorf("nodes: -want, +got:\n%s", diff)
	}
}

func TestUnregisteredIsBounded(t *testing.T) {
	var pods []corev1.Pod
	for _, name := range []string{"m", "l", "k", "j", "i", "h", "g", "f", "e", "d", "c", "b", "a"} {
		pods = append(pods, pod(name, v1alpha1.DefaultNodePool, name))
	}
	got := Assess(driver, nil, Observed{Nodes: daemonSet(13, 0), Pods: pods}).Nodes.Unregistered
	want := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
