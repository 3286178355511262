// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

func statefulSet(replicas, ready int32) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "single", Generation: 1},
		Spec:       appsv1.StatefulSetSpec{Replicas: new(replicas)},
		Status:     appsv1.StatefulSetStatus{ObservedGeneration: 1, Replicas: replicas, UpdatedReplicas: replicas, ReadyReplicas: ready},
	}
}

// TestShapes: a driver may lack either part, have several pools, or one pod for all.
func TestShapes(t *testing.T) {
	controller := desired.Component{Name: v1alpha1.ComponentController, Kind: "Deployment"}
	pool := func(name string) desired.Component {
		return desired.Component{Name: name, Kind: "DaemonSet", Registers: true}
	}
	nodePod := func(component, node string) corev1.Pod { return pod(component+"-"+node, component, node, wholeReady) }
	csiNodes := []storagev1.CSINode{csiNode("a", driver), csiNode("b", driver), csiNode("c")}
	sets := func(first, second int32) map[string]*appsv1.DaemonSet {
		return map[string]*appsv1.DaemonSet{"first": daemonSet(first, first), "second": daemonSet(second, second)}
	}
	type verdict struct{ Controller, Nodes, NodesMessage, Summary string }
	cases := map[string]struct {
		components []desired.Component
		observed   Observed
		want       verdict
	}{
		"NoController": {
			[]desired.Component{pool("first")}, Observed{Nodes: sets(1, 0), Pods: []corev1.Pod{nodePod("first", "a")}, CSINodes: csiNodes},
			verdict{"True NotWanted", "True Registered", "1 of 1 nodes have registered the driver", "1/1"},
		},
		"NoNodes": {
			[]desired.Component{controller}, Observed{Controller: deployment(1, 1)},
			verdict{"True Available", "True NotWanted", "the driver runs on no node", "0/0"},
		},
		"TwoPools": {
			[]desired.Component{pool("first"), pool("second")},
			Observed{Nodes: sets(1, 1), Pods: []corev1.Pod{nodePod("first", "a"), nodePod("second", "b")}, CSINodes: csiNodes},
			verdict{"True NotWanted", "True Registered", "2 of 2 nodes have registered the driver", "2/2"},
		},
		"OnePoolOfTwoIsOut": {
			[]desired.Component{pool("first"), pool("second")},
			Observed{Nodes: sets(1, 1), Pods: []corev1.Pod{nodePod("first", "a"), nodePod("second", "c")}, CSINodes: csiNodes},
			verdict{"True NotWanted", "False Starting", "0 of 1 nodes have registered the driver; not yet: c; pod second-c is ready, but CSINode c does not list " + driver, "1/2"},
		},
		"PoolThatIsNotThere": {
			[]desired.Component{pool("first"), pool("third")},
			Observed{Nodes: sets(1, 0), Pods: []corev1.Pod{nodePod("first", "a")}, CSINodes: csiNodes},
			verdict{"True NotWanted", "False Starting", "the DaemonSet has not started yet", "1/1"},
		},
		"SinglePod": {
			[]desired.Component{{Name: v1alpha1.ComponentController, Kind: "StatefulSet", Registers: true}},
			Observed{StatefulSet: statefulSet(1, 1), Pods: []corev1.Pod{nodePod("controller", "a")}, CSINodes: csiNodes},
			verdict{"True Available", "True Registered", "1 of 1 nodes have registered the driver", "1/1"},
		},
		"StatefulSetIsNotADeployment": {
			[]desired.Component{{Name: v1alpha1.ComponentController, Kind: "StatefulSet"}}, Observed{Controller: deployment(1, 1)},
			verdict{"False Starting", "True NotWanted", "the driver runs on no node", "0/0"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := Assess(driver, tc.components, nil, tc.observed)
			got := verdict{Summary: r.Nodes.Summary}
			for _, c := range r.Conditions {
				switch c.Type {
				case v1alpha1.ConditionControllerAvailable:
					got.Controller = string(c.Status) + " " + c.Reason
				case v1alpha1.ConditionNodesRegistered:
					got.Nodes, got.NodesMessage = string(c.Status)+" "+c.Reason, c.Message
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}
