// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package taint

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const key = "pool.example.com/agent-not-ready"

func has(path string, value any) Operation { return Operation{Op: "test", Path: path, Value: value} }

func taints(list ...corev1.Taint) []corev1.Taint { return list }

func TestDecide(t *testing.T) {
	since := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	var (
		foreign = corev1.Taint{Key: "node.kubernetes.io/unschedulable", Effect: corev1.TaintEffectNoSchedule}
		similar = corev1.Taint{Key: key + "-2", Effect: corev1.TaintEffectNoSchedule}
		theirs  = corev1.Taint{Key: key + "-2", Value: Lost, Effect: corev1.TaintEffectNoSchedule}
		ours    = corev1.Taint{Key: key, Value: Lost, Effect: corev1.TaintEffectNoSchedule}
		plain   = corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule}
		harsh   = corev1.Taint{Key: key, Value: "true", Effect: corev1.TaintEffectNoExecute, TimeAdded: &since}
	)
	same := has("/metadata/uid", "1")
	cases := map[string]struct {
		node Node
		want []Operation
	}{
		"ServedWithoutATaint":    {node: Node{Served: true, Wanted: true}},
		"ServedWithForeignOnes":  {node: Node{Served: true, Wanted: true, Taints: taints(foreign, similar)}},
		"NotServedYet":           {node: Node{Wanted: true, Taints: taints(plain)}},
		"NeverServedOrTainted":   {node: Node{Wanted: true}},
		"NotWanted":              {node: Node{Taints: taints(plain, harsh)}},
		"NotWantedAndOfAnother":  {node: Node{Taints: taints(theirs)}},
		"NotWantedWithoutATaint": {node: Node{Lost: true}},
		"LostWithTheTaint":       {node: Node{Wanted: true, Lost: true, Taints: taints(harsh)}},
		"Served": {
			node: Node{Served: true, Wanted: true, Taints: taints(foreign, plain, similar)},
			want: []Operation{same, has("/spec/taints/1", plain), {Op: "remove", Path: "/spec/taints/1"}},
		},
		"ServedWithTwoEffects": {
			node: Node{Served: true, Wanted: true, Taints: taints(ours, foreign, harsh)},
			want: []Operation{
				same, has("/spec/taints/2", harsh), {Op: "remove", Path: "/spec/taints/2"},
				has("/spec/taints/0", ours), {Op: "remove", Path: "/spec/taints/0"},
			},
		},
		"ServedAgainAlthoughLost": {
			node: Node{Served: true, Lost: true, Taints: taints(ours)},
			want: []Operation{same, has("/spec/taints/0", ours), {Op: "remove", Path: "/spec/taints/0"}},
		},
		"NotWantedAnyMore": {
			node: Node{Lost: true, Taints: taints(harsh, ours)},
			want: []Operation{same, has("/spec/taints/1", ours), {Op: "remove", Path: "/spec/taints/1"}},
		},
		"LostWithoutAnyTaint": {
			node: Node{Wanted: true, Lost: true},
			want: []Operation{same, has("/spec/taints", nil), {Op: "add", Path: "/spec/taints", Value: taints(ours)}},
		},
		"LostWithForeignOnes": {
			node: Node{Wanted: true, Lost: true, Taints: taints(foreign, similar)},
			want: []Operation{same, has("/spec/taints", taints(foreign, similar)), {Op: "add", Path: "/spec/taints/-", Value: ours}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.node.UID = "1"
			if diff := cmp.Diff(asJSON(t, tc.want), asJSON(t, Decide(key, tc.node))); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestClear: whatever is known of the driver, every taint of the key goes.
func TestClear(t *testing.T) {
	other := corev1.Taint{Key: "other", Effect: corev1.TaintEffectNoSchedule}
	mine := corev1.Taint{Key: key, Effect: corev1.TaintEffectPreferNoSchedule}
	want := []Operation{has("/metadata/uid", "2"), has("/spec/taints/1", mine), {Op: "remove", Path: "/spec/taints/1"}}
	if diff := cmp.Diff(asJSON(t, want), asJSON(t, Clear(key, Node{UID: "2", Taints: taints(other, mine)}))); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if got := Clear(key, Node{UID: "2", Taints: taints(other)}); got != nil {
		t.Errorf("a node without the taint gets %v", got)
	}
}

// asJSON is a patch as it is sent.
func asJSON(t *testing.T, patch []Operation) string {
	t.Helper()
	text, err := json.MarshalIndent(patch, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
