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
			observed: Observed{Controller: deployment(1, 1), Nodes: pool1(daemonSet(12, 12)), Pods: append(pods12, controllerPod), CSINodes: nodes12},
			want:     good,
		},
		"Nothing": {
			want: result{
				Controller: condition{"False", "Starting", "0 of 0 controller pods are ready; the Deployment has not started yet"},
				Nodes:      condition{"False", "Starting", "the DaemonSet has not started yet"},
				Sidecars:   condition{"False", "Starting", "2 containers are not healthy; driver of controller: 0 of 0 ready; the Deployment has not started yet"},
				Summary:    "0/2",
			},
		},
		"OneOfTwelveUnregistered": {
			observed: Observed{Controller: deployment(1, 1), Nodes: pool1(daemonSet(12, 12)), Pods: append(pods12, controllerPod), CSINodes: drop(nodes12, "node-c")},
			want: edit(good, func(r *result) {
				r.Nodes.Message = "11 of 12 nodes have registered the driver; not yet: node-c; pod node-node-c is ready, but CSINode node-c does not list pool.example.com"
				r.Registered, r.Unregistered = 11, []string{"node-c"}
			}),
		},
		"TwoOfTwelveUnregistered": {
			observed: Observed{Controller: deployment(1, 1), Nodes: pool1(daemonSet(12, 12)), Pods: append(pods12, controllerPod), CSINodes: drop(nodes12, "node-c", "node-a")},
			want: edit(good, func(r *result) {
				r.Nodes = condition{"False", "Starting", "10 of 12 nodes have registered the driver; not yet: node-a, node-c; pod node-node-a is ready, but CSINode node-a does not list pool.example.com"}
				r.Registered, r.Unregistered = 10, []string{"node-a", "node-c"}
			}),
		},
		"ListedButPodNotReady": {
			observed: Observed{
				Controller: deployment(1, 1), Nodes: pool1(daemonSet(1, 0)), CSINodes: nodes12,
				Pods: []corev1.Pod{controllerPod, pod("n1", n, "node-a", crashing)},
			},
			want: edit(good, func(r *result) {
				r.Nodes = condition{"False", "Unregistered", "0 of 1 nodes have registered the driver; not yet: node-a; driver: pod n1 on node-a: CrashLoopBackOff (exit code 1)"}
				r.Sidecars = condition{"False", "Unhealthy", "driver of node: 0 of 1 ready; pod n1 on node-a: CrashLoopBackOff (exit code 1)"}
				r.Registered, r.Unregistered, r.Summary = 0, []string{"node-a"}, "1/2"
			}),
		},
		"UnscheduledDaemonPodNamesItsNode": {
			observed: Observed{
				Controller: deployment(1, 1), Nodes: pool1(daemonSet(1, 0)),
				Pods: []corev1.Pod{controllerPod, pod("n1", n, "", boundTo("node-z"))},
			},
			want: edit(good, func(r *result) {
				r.Nodes = condition{"False", "Starting", "0 of 1 nodes have registered the driver; not yet: node-z; pod n1 is not ready"}
				r.Sidecars = condition{"False", "Starting", "driver of node: 0 of 1 ready; pod n1 is not ready yet"}
				r.Registered, r.Unregistered, r.Summary = 0, []string{"node-z"}, "1/2"
			}),
		},
		"ASurplusPodIsNotMissed": {
			observed: Observed{
				Controller: deployment(1, 1), Nodes: pool1(daemonSet(1, 1)), CSINodes: nodes12,
				Pods: []corev1.Pod{controllerPod, pods12[0], pod("leaving", n, "node-z", with(well("driver")), wholeReady)},
			},
			want: edit(good, func(r *result) {
				r.Nodes.Message = "1 of 1 nodes have registered the driver"
				r.Registered, r.Unregistered = 1, []string{"node-z"}
			}),
		},
		"NoNodes": {
			observed: Observed{Controller: deployment(1, 1), Nodes: pool1(daemonSet(0, 0)), Pods: []corev1.Pod{controllerPod}, CSINodes: nodes12},
			want: edit(good, func(r *result) {
				r.Nodes = condition{"False", "NoNodes", `no node is fit for the pods of DaemonSet "pool-node"`}
				r.Registered = 0
			}),
		},
		"ControllerCrashes": {
			observed: Observed{
				Controller: deployment(1, 0), Nodes: pool1(daemonSet(12, 12)), CSINodes: nodes12,
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
			report := Assess(driver, both(), rows, tc.observed)
			conditions := map[string]condition{}
			for _, cond := range report.Conditions {
				conditions[cond.Type] = condition{cond.Status, cond.Reason, cond.Message}
			}
			got := result{
				Controller:   conditions[v1alpha1.ConditionControllerAvailable],
				Nodes:        conditions[v1alpha1.ConditionNodesRegistered],
				Sidecars:     conditions[v1alpha1.ConditionSidecarsHealthy],
				Unregistered: namesOf(report.Nodes.Unregistered),
				Registered:   report.Nodes.Registered,
				Summary:      report.SidecarSummary,
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func namesOf(nodes []v1alpha1.UnregisteredNode) (names []string) {
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return names
}

// TestFirstBad: the gravest state counts, then the order of the rows.
func TestFirstBad(t *testing.T) {
	const c, n = v1alpha1.ComponentController, v1alpha1.DefaultNodePool
	row := func(component, name string, state v1alpha1.SidecarState) v1alpha1.SidecarStatus {
		return v1alpha1.SidecarStatus{Component: component, Name: name, State: state}
	}
	healthy := row(c, "healthy", v1alpha1.SidecarHealthy)
	starting, degraded, down := row(c, "starting", v1alpha1.SidecarStarting), row(c, "degraded", v1alpha1.SidecarDegraded), row(c, "down", v1alpha1.SidecarDown)
	onNodes := row(n, "on nodes", v1alpha1.SidecarDown)
	cases := map[string]struct {
		rows      []v1alpha1.SidecarStatus
		component string
		want      *v1alpha1.SidecarStatus
	}{
		"None":                   {},
		"AllHealthy":             {rows: []v1alpha1.SidecarStatus{healthy}},
		"DegradedBeforeStarting": {rows: []v1alpha1.SidecarStatus{healthy, starting, degraded}, want: &degraded},
		"DownBeforeDegraded":     {rows: []v1alpha1.SidecarStatus{degraded, down, starting}, want: &down},
		"TheFirstOfEquals":       {rows: []v1alpha1.SidecarStatus{down, onNodes}, want: &down},
		"OfOneComponent":         {rows: []v1alpha1.SidecarStatus{onNodes, starting}, component: c, want: &starting},
		"OfAnother":              {rows: []v1alpha1.SidecarStatus{onNodes}, component: c},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, firstBad(tc.rows, tc.component)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestNoRows(t *testing.T) {
	want := metav1.Condition{
		Type: v1alpha1.ConditionSidecarsHealthy, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonStarting, Message: "no container is there yet",
	}
	if diff := cmp.Diff(want, find(Assess(driver, both(), nil, Observed{}), v1alpha1.ConditionSidecarsHealthy)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestNodeOf(t *testing.T) {
	requirement := func(key string, operator corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorRequirement {
		return corev1.NodeSelectorRequirement{Key: key, Operator: operator, Values: values}
	}
	fields := func(list ...corev1.NodeSelectorRequirement) podEdit {
		return func(p *corev1.Pod) {
			boundTo("")(p)
			p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchFields = list
		}
	}
	affinity := func(a *corev1.Affinity) podEdit { return func(p *corev1.Pod) { p.Spec.Affinity = a } }
	cases := map[string]struct {
		node string
		edit podEdit
		want string
	}{
		"Scheduled":        {node: "a", edit: boundTo("b"), want: "a"},
		"Bound":            {edit: boundTo("b"), want: "b"},
		"NoAffinity":       {edit: affinity(nil)},
		"NoNodeAffinity":   {edit: affinity(&corev1.Affinity{})},
		"NothingRequired":  {edit: affinity(&corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}})},
		"NoTerm":           {edit: fields()},
		"OtherField":       {edit: fields(requirement("metadata.uid", corev1.NodeSelectorOpIn, "b"))},
		"NotThere":         {edit: fields(requirement("metadata.name", corev1.NodeSelectorOpNotIn, "b"))},
		"OneOfTwo":         {edit: fields(requirement("metadata.name", corev1.NodeSelectorOpIn, "b", "c"))},
		"BehindOtherField": {edit: fields(requirement("metadata.uid", corev1.NodeSelectorOpIn, "b"), requirement("metadata.name", corev1.NodeSelectorOpIn, "c")), want: "c"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := pod("p", v1alpha1.DefaultNodePool, tc.node, tc.edit)
			if got := nodeOf(&p); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestRegistered counts nodes, not pods: during a rollout a node has two.
func TestRegistered(t *testing.T) {
	const n = v1alpha1.DefaultNodePool
	notReady := having(corev1.PodReady, corev1.ConditionFalse, "", "")
	cases := map[string]struct {
		pods         []corev1.Pod
		registered   int32
		unregistered []string
	}{
		"Ready":              {pods: []corev1.Pod{pod("p", n, "node-a", wholeReady)}, registered: 1},
		"NotReady":           {pods: []corev1.Pod{pod("p", n, "node-a", notReady)}, unregistered: []string{"node-a"}},
		"OneOfTwoReady":      {pods: []corev1.Pod{pod("p", n, "node-a", wholeReady), pod("q", n, "node-a", notReady)}, registered: 1},
		"TheOtherOfTwoReady": {pods: []corev1.Pod{pod("p", n, "node-a", notReady), pod("q", n, "node-a", wholeReady)}, registered: 1},
		"NotListed":          {pods: []corev1.Pod{pod("p", n, "node-b", wholeReady)}, unregistered: []string{"node-b"}},
		"OnNoNode":           {pods: []corev1.Pod{pod("p", n, "")}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := Assess(driver, both(), nil, Observed{Nodes: pool1(daemonSet(1, 1)), Pods: tc.pods, CSINodes: []storagev1.CSINode{csiNode("node-a", driver)}}).Nodes
			if diff := cmp.Diff(tc.unregistered, namesOf(got.Unregistered), cmpopts.EquateEmpty()); diff != "" || got.Registered != tc.registered {
				t.Errorf("registered %d, want %d; unregistered: -want, +got:\n%s", got.Registered, tc.registered, diff)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	stale := deployment(3, 3)
	stale.Generation = 2
	rolling := daemonSet(5, 4)
	rolling.Status.UpdatedNumberScheduled = 2
	r := Assess(driver, both(), nil, Observed{Controller: stale, Nodes: pool1(rolling)})
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
	got := namesOf(Assess(driver, both(), nil, Observed{Nodes: pool1(daemonSet(13, 0)), Pods: pods}).Nodes.Unregistered)
	want := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
