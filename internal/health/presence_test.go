// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// TestPresence is about node n, of uid 2.
func TestPresence(t *testing.T) {
	here := func(edits ...podEdit) corev1.Pod { return pod("here", v1alpha1.DefaultNodePool, "n", edits...) }
	of := func(uid types.UID) storagev1.CSINode {
		n := csiNode("n", driver)
		n.OwnerReferences = []metav1.OwnerReference{{Kind: "Node", Name: "n", UID: uid}}
		return n
	}
	type verdict struct{ serves, wants bool }
	cases := map[string]struct {
		pods     []corev1.Pod
		csiNodes []storagev1.CSINode
		desired  int32
		want     verdict
	}{
		"Works":              {[]corev1.Pod{here(wholeReady)}, []storagev1.CSINode{of("2")}, 1, verdict{true, true}},
		"NotReady":           {[]corev1.Pod{here()}, []storagev1.CSINode{of("2")}, 1, verdict{false, true}},
		"NotListed":          {[]corev1.Pod{here(wholeReady)}, []storagev1.CSINode{csiNode("n", "other.example.com")}, 1, verdict{false, true}},
		"OfTheNodeBefore":    {[]corev1.Pod{here(wholeReady)}, []storagev1.CSINode{of("1")}, 1, verdict{false, true}},
		"OnlyAPodThatEnds":   {[]corev1.Pod{here(wholeReady, deleted)}, []storagev1.CSINode{of("2")}, 0, verdict{false, true}},
		"APodIsAboutToCome":  {nil, []storagev1.CSINode{of("2")}, 1, verdict{false, true}},
		"NotWanted":          {nil, []storagev1.CSINode{of("2")}, 0, verdict{false, false}},
		"PodOnAnother":       {[]corev1.Pod{pod("x", v1alpha1.DefaultNodePool, "other", wholeReady)}, []storagev1.CSINode{of("2")}, 1, verdict{false, false}},
		"OnlyTheController":  {[]corev1.Pod{pod("x", v1alpha1.ComponentController, "n", wholeReady)}, []storagev1.CSINode{of("2")}, 0, verdict{false, false}},
		"OnlyOneThatIsBound": {[]corev1.Pod{pod("x", v1alpha1.DefaultNodePool, "", boundTo("n"))}, []storagev1.CSINode{of("2")}, 1, verdict{false, true}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := Assess(driver, both(), nil, Observed{
				Nodes: pool1(daemonSet(tc.desired, tc.desired)), Pods: tc.pods, CSINodes: tc.csiNodes, NodeUIDs: map[string]types.UID{"n": "2", "other": "3"},
			}).Presence
			if got := (verdict{p.Serves("2"), p.Wants("2")}); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if p.Serves("1") {
				t.Error("it works on a node that is gone")
			}
		})
	}
}

// TestPresenceOfUnknownPools: nothing says that a node is not to have the driver.
func TestPresenceOfUnknownPools(t *testing.T) {
	uids := map[string]types.UID{"n": "2"}
	for name, p := range map[string]Presence{
		"NoWorkload":  Assess(driver, both(), nil, Observed{NodeUIDs: uids}).Presence,
		"NoPool":      Assess(driver, both()[:1], nil, Observed{NodeUIDs: uids}).Presence,
		"NoComponent": Assess(driver, []desired.Component{}, nil, Observed{NodeUIDs: uids}).Presence,
	} {
		if p.Serves("2") || !p.Wants("2") {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
