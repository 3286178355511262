// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

func ownedBy(n storagev1.CSINode, node types.UID) storagev1.CSINode {
	n.OwnerReferences = []metav1.OwnerReference{{Kind: "Node", Name: n.Name, UID: node}}
	return n
}

// TestWhyUnregistered: what a human would find about one node.
func TestWhyUnregistered(t *testing.T) {
	const n = v1alpha1.DefaultNodePool
	named := func(uid types.UID) podEdit { return func(p *corev1.Pod) { p.UID = uid } }
	registrar := with(well(sidecar.RegistrarContainer))
	refused := well(sidecar.RegistrarContainer)
	refused.LastTerminationState = ended(1, "Error", `"Plugin registration failed" err="rpc error: code = Internal desc = no zone"`)
	crashing := corev1.ContainerStatus{Name: "driver", State: waiting("CrashLoopBackOff", ""), LastTerminationState: ended(3, "Error", "")}
	const ready = "pod p is ready, but CSINode node-a does not list pool.example.com"
	cases := map[string]struct {
		pod     corev1.Pod
		csiNode storagev1.CSINode
		late    bool
		root    string
		want    string
		row     string
	}{
		"Registered":     {pod: pod("p", n, "node-a", wholeReady, registrar), csiNode: ownedBy(csiNode("node-a", driver), "1")},
		"OfNobody":       {pod: pod("p", n, "node-a", wholeReady, registrar), csiNode: csiNode("node-a", driver)},
		"NotYet":         {pod: pod("p", n, "node-a", wholeReady, registrar), csiNode: csiNode("node-a"), want: ready},
		"OtherListed":    {pod: pod("p", n, "node-a", wholeReady, registrar), csiNode: csiNode("node-a", "other"), want: ready},
		"NoCSINode":      {pod: pod("p", n, "node-a", wholeReady, registrar), want: ready},
		"OfAFormerNode":  {pod: pod("p", n, "node-a", wholeReady, registrar), csiNode: ownedBy(csiNode("node-a", driver), "0"), want: "CSINode node-a is of an earlier node of that name; kubelet makes it anew, restart pod p if it does not"},
		"OfADeletedNode": {pod: pod("p", n, "node-z", wholeReady, registrar), csiNode: csiNode("node-z", driver), want: "the node is gone; Kubernetes removes pod p within a minute"},
		"Refused": {
			pod: pod("p", n, "node-a", wholeReady, with(refused)), want: "pod p on node-a: NotRegistered: Internal: no zone",
			row: "0 of 1 ready; pod p on node-a: NotRegistered: Internal: no zone",
		},
		"WrongRoot": {
			pod: pod("p", n, "node-a", wholeReady, registrar, named("7")), late: true, root: "/var/lib/kubelet",
			want: "pod p on node-a: NotRegistered: kubelet has not registered the driver; most likely kubeletRootDir /var/lib/kubelet is not the root directory of kubelet there, else NodeGetInfo of the driver hangs",
			row:  "0 of 1 ready; pod p on node-a: NotRegistered: kubelet has not registered the driver; most likely kubeletRootDir /var/lib/kubelet is not the root directory of kubelet there, else NodeGetInfo of the driver hangs",
		},
		"UnknownRoot": {
			pod: pod("p", n, "node-a", wholeReady, registrar, named("7")), late: true, want: "pod p on node-a: NotRegistered: kubelet has not asked for the driver",
			row: "0 of 1 ready; pod p on node-a: NotRegistered: kubelet has not asked for the driver",
		},
		"Crashing": {
			pod: pod("p", n, "node-a", registrar, with(crashing)), csiNode: csiNode("node-a", driver), want: "driver: pod p on node-a: CrashLoopBackOff (exit code 3)",
		},
		"Starting": {pod: pod("p", n, "node-a"), csiNode: csiNode("node-a", driver), want: "pod p is not ready"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			components := []desired.Component{{Name: n, Kind: "DaemonSet", Registers: true, KubeletRoot: tc.root}}
			rows := []desired.Row{{Component: n, Name: "driver"}, {Component: n, Name: sidecar.RegistrarContainer}}
			o := Observed{
				Nodes: pool1(daemonSet(1, 1)), Pods: []corev1.Pod{tc.pod}, CSINodes: []storagev1.CSINode{tc.csiNode},
				NodeUIDs: map[string]types.UID{"node-a": "1"},
			}
			if tc.late {
				o.Overdue = map[string]bool{"7": true}
			}
			report := Assess(driver, components, rows, o)
			var want []v1alpha1.UnregisteredNode
			if tc.want != "" {
				want = []v1alpha1.UnregisteredNode{{Name: tc.pod.Spec.NodeName, Message: tc.want}}
			}
			if diff := cmp.Diff(want, report.Nodes.Unregistered, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			if got := report.Sidecars[1].Message; tc.row != "" && got != tc.row {
				t.Errorf("registrar: %q, want %q", got, tc.row)
			}
		})
	}
}

// TestUnlistedPods: only a pod that is ready and that no CSINode knows waits for kubelet.
func TestUnlistedPods(t *testing.T) {
	const n, c = v1alpha1.DefaultNodePool, v1alpha1.ComponentController
	uid := func(u types.UID) podEdit { return func(p *corev1.Pod) { p.UID = u } }
	o := Observed{
		Nodes: pool1(daemonSet(4, 3)), NodeUIDs: map[string]types.UID{"a": "3", "b": "2", "c": "1", "d": "4"},
		Pods: []corev1.Pod{
			pod("z", n, "z", wholeReady, uid("6")), pod("a", n, "a", wholeReady, uid("1")), pod("b", n, "b", wholeReady, uid("2")), pod("c", n, "c", wholeReady, uid("3")),
			pod("d", n, "d", uid("4")), pod("e", c, "e", wholeReady, uid("5")),
		},
		CSINodes: []storagev1.CSINode{csiNode("a", driver), csiNode("b", "other"), ownedBy(csiNode("c", driver), "0")},
	}
	if diff := cmp.Diff([]Wait{{"2", untilListed}}, Waits(driver, both(), nil, o)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestStale: entries of CSINodes stay when the pods of a driver leave their nodes.
func TestStale(t *testing.T) {
	const n = v1alpha1.DefaultNodePool
	here := pod("p", n, "here", wholeReady)
	observed := func(edits ...func(*Observed)) Observed {
		o := Observed{
			Nodes: pool1(daemonSet(1, 1)), Pods: []corev1.Pod{here},
			CSINodes: []storagev1.CSINode{csiNode("here", driver), csiNode("left", driver), csiNode("other", "other"), csiNode("gone", driver), csiNode("also", driver)},
			NodeUIDs: map[string]types.UID{"here": "1", "left": "2", "other": "3", "also": "4"},
		}
		for _, edit := range edits {
			edit(&o)
		}
		return o
	}
	all := []string{"also", "left"}
	cases := map[string]struct {
		o    Observed
		want []string
	}{
		"Two":         {o: observed(), want: all},
		"Terminating": {o: observed(func(o *Observed) { o.Pods = append(o.Pods, pod("q", n, "left", deleted)) }), want: all[:1]},
		"OfController": {
			o: observed(func(o *Observed) { o.Pods = append(o.Pods, pod("q", v1alpha1.ComponentController, "left")) }), want: all,
		},
		"StillStale": {
			o: observed(func(o *Observed) {
				o.Nodes, o.Stale = pool1(daemonSet(2, 1)), []string{"here", "left", "other"}
			}), want: all[1:],
		},
		"Replacing":    {o: observed(func(o *Observed) { o.Nodes = pool1(daemonSet(2, 1)) })},
		"RollingOut":   {o: observed(func(o *Observed) { o.Nodes[n].Status.UpdatedNumberScheduled = 0 })},
		"NodesUnknown": {o: observed(func(o *Observed) { o.NodeUIDs = nil })},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			report := Assess(driver, both(), nil, tc.o)
			if diff := cmp.Diff(tc.want, report.Nodes.Stale, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			want := "1 of 1 nodes have registered the driver"
			if len(tc.want) == 2 {
				want += "; CSINodes list it where none of its pods is: also, left"
			}
			if got := find(report, v1alpha1.ConditionNodesRegistered).Message; name == "Two" && got != want {
				t.Errorf("message is %q, want %q", got, want)
			}
		})
	}
	many := observed()
	for i := range 20 {
		name := fmt.Sprintf("n%02d", i)
		many.CSINodes = append(many.CSINodes, csiNode(name, driver))
		many.NodeUIDs[name] = "5"
	}
	if got := Assess(driver, both(), nil, many).Nodes.Stale; len(got) != 10 || got[9] != "n07" {
		t.Errorf("of many, %v are named", got)
	}
	if got := Assess(driver, both()[:1], nil, observed()).Nodes.Stale; got != nil {
		t.Errorf("%v are stale of a driver that others register", got)
	}
}

// TestPools: each has counts of its own.
func TestPools(t *testing.T) {
	components := []desired.Component{{Name: "b", Kind: "DaemonSet", Registers: true}, {Name: "a", Kind: "DaemonSet", Registers: true}, {Name: "plain", Kind: "DaemonSet"}}
	o := Observed{
		Nodes:    map[string]*appsv1.DaemonSet{"a": daemonSet(2, 1), "b": daemonSet(1, 1)},
		Pods:     []corev1.Pod{pod("p", "a", "one", wholeReady), pod("q", "a", "two"), pod("r", "b", "three", wholeReady)},
		CSINodes: []storagev1.CSINode{csiNode("one", driver), csiNode("two", driver), csiNode("three", driver)},
	}
	want := []v1alpha1.PoolStatus{
		{Name: "b", WorkloadStatus: v1alpha1.WorkloadStatus{Desired: 1, Updated: 1, Ready: 1, Summary: "1/1"}, Registered: 1},
		{Name: "a", WorkloadStatus: v1alpha1.WorkloadStatus{Desired: 2, Updated: 2, Ready: 1, Summary: "1/2"}, Registered: 1},
	}
	if diff := cmp.Diff(want, Assess(driver, components, nil, o).Nodes.Pools); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
