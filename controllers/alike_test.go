// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestAlikePodsShare: equal parts are the same in memory, and no pod reads differently.
func TestAlikePodsShare(t *testing.T) {
	like := func(name string, ready bool) *corev1.Pod {
		return stripPod(&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"a": "b"}},
			Spec:       corev1.PodSpec{NodeName: "on-" + name, Containers: []corev1.Container{{Name: "c", Image: "i"}}},
			Status: corev1.PodStatus{
				ContainerStatuses: []corev1.ContainerStatus{{Name: "c", Ready: ready}},
				Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Reason: fmt.Sprint(ready)}},
			},
		})
	}
	shared := &alike{}
	first, second, third := shared.pod(like("a", true)), shared.pod(like("b", false)), shared.pod(like("c", true))
	if &first.Spec.Containers[0] != &third.Spec.Containers[0] || &first.Status.ContainerStatuses[0] != &third.Status.ContainerStatuses[0] ||
		&first.Status.Conditions[0] != &third.Status.Conditions[0] {
		t.Error("equal parts exist twice")
	}
	for _, tc := range []struct{ want, got *corev1.Pod }{{like("a", true), first}, {like("b", false), second}, {like("c", true), third}} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("-want, +got:\n%s", diff)
		}
	}
}

func TestAlikeNodesShare(t *testing.T) {
	shared := &alike{}
	csiNode := func() *storagev1.CSINode {
		return shared.csiNode(&storagev1.CSINode{Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{Name: "d"}}}})
	}
	node := func() *corev1.Node {
		return shared.node(&corev1.Node{Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: "t"}}}})
	}
	if a, b := csiNode(), csiNode(); &a.Spec.Drivers[0] != &b.Spec.Drivers[0] || a.Spec.Drivers[0].Name != "d" {
		t.Errorf("equal drivers exist twice, or are others: %v, %v", a.Spec.Drivers, b.Spec.Drivers)
	}
	if a, b := node(), node(); &a.Spec.Taints[0] != &b.Spec.Taints[0] || a.Spec.Taints[0].Key != "t" {
		t.Errorf("equal taints exist twice, or are others: %v, %v", a.Spec.Taints, b.Spec.Taints)
	}
}

func TestRecentForgetsTheOldest(t *testing.T) {
	r := &recent[[]int]{}
	known := func(n int) bool {
		v := []int{n}
		return &r.one(v)[0] != &v[0]
	}
	for n := range remembered {
		if known(n) {
			t.Errorf("%d is known before it was seen", n)
		}
	}
	if !known(0) { // and is the newest from now on
		t.Error("the first is forgotten too early")
	}
	if known(remembered) || !known(0) || known(1) || len(r.values) != remembered {
		t.Errorf("not the oldest is forgotten: %v", r.values)
	}
}
