// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// fleet is a driver on count nodes, of which the first few are as odd says.
func fleet(count, few int, odd func(pod *corev1.Pod), edits ...func(*appsv1.DaemonSet)) Observed {
	const n = v1alpha1.DefaultNodePool
	o := Observed{Nodes: pool1(daemonSet(int32(count), int32(count-few)))}
	for _, edit := range edits {
		edit(o.Nodes["node"])
	}
	for i := range count {
		node := fmt.Sprintf("node-%03d", i)
		p := pod("pod-"+node, n, node, with(well("driver")), wholeReady)
		if i < few {
			odd(&p)
		}
		o.Pods = append(o.Pods, p)
		o.CSINodes = append(o.CSINodes, csiNode(node, driver))
	}
	return o
}

func creating(p *corev1.Pod) {
	p.Status.Conditions = nil
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "driver", State: waiting("ContainerCreating", "")}}
}

func crashing(p *corev1.Pod) {
	p.Status.Conditions = nil
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "driver", State: waiting("CrashLoopBackOff", ""), LastTerminationState: ended(1, "Error", ""),
	}}
}

func nodeNotReady(p *corev1.Pod) {
	p.Status.Conditions = nil
	having(corev1.ContainersReady, corev1.ConditionTrue, "", "")(p)
	having(corev1.PodReady, corev1.ConditionFalse, "", "")(p)
}

// rebooted is a pod whose node is back, and nobody saw its containers end.
func rebooted(p *corev1.Pod) {
	p.Status.Conditions = nil
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "driver", State: running(), LastTerminationState: ended(255, "Unknown", "")}}
}

// lostSight is a pod of which the kubelet does not know how its container ended.
func lostSight(p *corev1.Pod) {
	p.Status.Conditions = nil
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "driver", State: ended(137, "ContainerStatusUnknown", "")}}
}

// failedOnce is a pod whose container runs again after an error.
func failedOnce(p *corev1.Pod) {
	p.Status.Conditions = nil
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "driver", State: running(), LastTerminationState: ended(1, "Error", "")}}
}

// missing is the time between a new node and its pod.
func missing(p *corev1.Pod) { deleted(p) }

// TestFewNodes: a new node or one that reboots is no outage, whether one of
// few or several of many; a crash is.
func TestFewNodes(t *testing.T) {
	behind := func(d *appsv1.DaemonSet) { d.Generation = 2 }
	unseen := func(d *appsv1.DaemonSet) { d.Generation, d.Status.ObservedGeneration = 0, 0 }
	oldPod := func(d *appsv1.DaemonSet) { d.Status.UpdatedNumberScheduled-- }
	noPod := func(d *appsv1.DaemonSet) {
		d.Status.UpdatedNumberScheduled--
		d.Status.CurrentNumberScheduled--
	}
	cases := map[string]struct {
		observed Observed
		healthy  bool
		reason   string
		state    v1alpha1.SidecarState
	}{
		"TwoNodesOneCreating":        {fleet(2, 1, creating), false, v1alpha1.ReasonStarting, v1alpha1.SidecarStarting},
		"TwoNodesOneNotReady":        {fleet(2, 1, nodeNotReady), false, v1alpha1.ReasonUnhealthy, v1alpha1.SidecarDegraded},
		"ThreeNodesOneCreating":      {fleet(3, 1, creating), true, v1alpha1.ReasonHealthy, v1alpha1.SidecarStarting},
		"ThreeNodesOneNotReady":      {fleet(3, 1, nodeNotReady), true, v1alpha1.ReasonHealthy, v1alpha1.SidecarDegraded},
		"ThreeNodesOneRebooted":      {fleet(3, 1, rebooted), true, v1alpha1.ReasonHealthy, v1alpha1.SidecarDegraded},
		"ThreeNodesOneOutOfSight":    {fleet(3, 1, lostSight), true, v1alpha1.ReasonHealthy, v1alpha1.SidecarDegraded},
		"ThreeNodesOneFailedOnce":    {fleet(3, 1, failedOnce), false, v1alpha1.ReasonUnhealthy, v1alpha1.SidecarDegraded},
		"ThreeNodesNeverObserved":    {fleet(3, 1, creating, unseen), false, v1alpha1.ReasonStarting, v1alpha1.SidecarStarting},
		"ThreeNodesOneWithoutPod":    {fleet(3, 1, missing, noPod), true, v1alpha1.ReasonHealthy, v1alpha1.SidecarStarting},
		"ThreeNodesOneCrashes":       {fleet(3, 1, crashing), false, v1alpha1.ReasonUnhealthy, v1alpha1.SidecarDegraded},
		"ThreeNodesTwoCreating":      {fleet(3, 2, creating), false, v1alpha1.ReasonStarting, v1alpha1.SidecarStarting},
		"ThreeNodesNotObserved":      {fleet(3, 1, creating, behind), false, v1alpha1.ReasonStarting, v1alpha1.SidecarStarting},
		"ThreeNodesRollingOut":       {fleet(3, 1, creating, oldPod), false, v1alpha1.ReasonStarting, v1alpha1.SidecarStarting},
		"HundredNodesTenNotReady":    {fleet(100, 10, nodeNotReady), true, v1alpha1.ReasonHealthy, v1alpha1.SidecarDegraded},
		"HundredNodesElevenNotReady": {fleet(100, 11, nodeNotReady), false, v1alpha1.ReasonUnhealthy, v1alpha1.SidecarDegraded},
		"HundredNodesTenCreating":    {fleet(100, 10, creating), true, v1alpha1.ReasonHealthy, v1alpha1.SidecarStarting},
		"HundredNodesOneCrashes":     {fleet(100, 1, crashing), false, v1alpha1.ReasonUnhealthy, v1alpha1.SidecarDegraded},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := Assess(driver, both(), []desired.Row{{Component: v1alpha1.DefaultNodePool, Name: "driver"}}, tc.observed)
			c := find(r, v1alpha1.ConditionSidecarsHealthy)
			if healthy := c.Status == metav1.ConditionTrue; healthy != tc.healthy || c.Reason != tc.reason {
				t.Errorf("SidecarsHealthy is %s/%s (%s), want %t/%s", c.Status, c.Reason, c.Message, tc.healthy, tc.reason)
			}
			row := r.Sidecars[0]
			if row.State != tc.state || row.Ready >= row.Desired {
				t.Errorf("the row hides it: %+v", row)
			}
			if !strings.Contains(c.Message, row.Message) {
				t.Errorf("message %q lacks that of the row: %s", c.Message, row.Message)
			}
		})
	}
}

// TestFewNodesAreTold: what is overlooked is said, and counted among all.
func TestFewNodesAreTold(t *testing.T) {
	const c, n = v1alpha1.ComponentController, v1alpha1.DefaultNodePool
	rows := []desired.Row{{Component: c, Name: "driver"}, {Component: n, Name: "driver"}, {Component: n, Name: "driver"}}
	o := fleet(3, 1, creating)
	o.Controller = deployment(1, 1)
	o.Pods = append(o.Pods, pod("c", c, "node-000", with(well("driver")), wholeReady))
	want := "all 3 containers are healthy but for few nodes; driver of node: 2 of 3 ready; pod pod-node-000 on node-000: ContainerCreating"
	if got := find(Assess(driver, both(), rows, o), v1alpha1.ConditionSidecarsHealthy); got.Message != want {
		t.Errorf("got  %s\nwant %s", got.Message, want)
	}
}

// TestUnknownIsNotSettled: before its controller has looked at it, a workload of no
// pods only seems to be rolled out.
func TestUnknownIsNotSettled(t *testing.T) {
	d, n := deployment(0, 0), daemonSet(0, 0)
	d.Generation, d.Status.ObservedGeneration = 0, 0
	n.Generation, n.Status.ObservedGeneration = 0, 0
	o := Observed{Controller: d, Nodes: pool1(n)}
	views, _ := viewsOf(driver, both(), nil, o)
	for _, v := range views {
		if v.known || v.settled {
			t.Errorf("%s: known %t, settled %t", v.kind, v.known, v.settled)
		}
	}
}

// TestControllerHasNoTolerance: there are two of it, so that one may fail, and
// one that has failed is told.
func TestControllerHasNoTolerance(t *testing.T) {
	o := Observed{Controller: deployment(3, 2)}
	for i := range 3 {
		p := pod(fmt.Sprintf("c%d", i), v1alpha1.ComponentController, "node-a", with(well("driver")), wholeReady)
		if i == 0 {
			creating(&p)
		}
		o.Pods = append(o.Pods, p)
	}
	r := Assess(driver, both(), []desired.Row{{Component: v1alpha1.ComponentController, Name: "driver"}}, o)
	if c := find(r, v1alpha1.ConditionSidecarsHealthy); c.Status != metav1.ConditionFalse {
		t.Errorf("SidecarsHealthy is %+v", c)
	}
}

// TestRollout: pods of an old template, however ready, do not make a new one
// healthy.
func TestRollout(t *testing.T) {
	const c, n = v1alpha1.ComponentController, v1alpha1.DefaultNodePool
	cases := map[string]struct {
		edit             func(*appsv1.Deployment, *appsv1.DaemonSet)
		controller, node string // message of the row; empty: healthy
	}{
		"RolledOut": {edit: func(*appsv1.Deployment, *appsv1.DaemonSet) {}},
		"DeploymentNotObserved": {
			edit:       func(d *appsv1.Deployment, _ *appsv1.DaemonSet) { d.Generation = 2 },
			controller: "2 of 2 ready; rolling out, 0 of 2 updated",
		},
		"DeploymentHalfWay": {
			edit:       func(d *appsv1.Deployment, _ *appsv1.DaemonSet) { d.Status.UpdatedReplicas = 1 },
			controller: "2 of 2 ready; rolling out, 1 of 2 updated",
		},
		"DaemonSetNotObserved": {
			edit: func(_ *appsv1.Deployment, d *appsv1.DaemonSet) { d.Generation = 2 },
			node: "2 of 2 ready; rolling out, 0 of 2 updated",
		},
		"DaemonSetHalfWay": {
			edit: func(_ *appsv1.Deployment, d *appsv1.DaemonSet) { d.Status.UpdatedNumberScheduled = 1 },
			node: "2 of 2 ready; rolling out, 1 of 2 updated",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := Observed{Controller: deployment(2, 2), Nodes: pool1(daemonSet(2, 2))}
			for _, node := range []string{"node-a", "node-b"} {
				o.Pods = append(o.Pods, pod("c-"+node, c, node, with(well("driver")), wholeReady), pod("n-"+node, n, node, with(well("driver")), wholeReady))
				o.CSINodes = append(o.CSINodes, csiNode(node, driver))
			}
			tc.edit(o.Controller, o.Nodes["node"])
			r := Assess(driver, both(), []desired.Row{{Component: c, Name: "driver"}, {Component: n, Name: "driver"}}, o)
			if diff := cmp.Diff([]string{tc.controller, tc.node}, []string{r.Sidecars[0].Message, r.Sidecars[1].Message}); diff != "" {
				t.Errorf("messages: -want, +got:\n%s", diff)
			}
			for _, row := range r.Sidecars {
				if (row.Message == "") != (row.State == v1alpha1.SidecarHealthy) {
					t.Errorf("row %+v", row)
				}
			}
			wantHealthy := tc.controller == "" && tc.node == ""
			if c := find(r, v1alpha1.ConditionSidecarsHealthy); (c.Status == metav1.ConditionTrue) != wantHealthy {
				t.Errorf("SidecarsHealthy is %s: %s", c.Status, c.Message)
			}
		})
	}
}

func find(r Report, kind string) metav1.Condition {
	for _, c := range r.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}
