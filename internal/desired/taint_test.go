// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func TestStartupTaint(t *testing.T) {
	cases := map[string]struct {
		spec v1alpha1.StartupTaintSpec
		want string
	}{
		"Off":         {v1alpha1.StartupTaintSpec{Key: "a"}, ""},
		"Default":     {v1alpha1.StartupTaintSpec{Enabled: true}, "pool.csi-operator.io/agent-not-ready"},
		"Chosen":      {v1alpha1.StartupTaintSpec{Enabled: true, Key: "a"}, "a"},
		"AloneIsNone": {v1alpha1.StartupTaintSpec{Retaint: true}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := smallest()
			d.Spec.StartupTaint = tc.spec
			if got := StartupTaint(d); got != tc.want {
				t.Errorf("the key is %q, want %q", got, tc.want)
			}
		})
	}
}

// TestTaintsOfKubernetesThatAreNone: its own name is a driver's to use, even one of
// kubernetes.io, and one prefix is for taints like these.
func TestTaintsOfKubernetesThatAreNone(t *testing.T) {
	for _, key := range []string{"x.kubernetes.io/not-ready", "startup-taint.cluster-autoscaler.kubernetes.io/x"} {
		d := smallest()
		d.Name = "x.kubernetes.io"
		d.Spec.StartupTaint = v1alpha1.StartupTaintSpec{Enabled: true, Key: key}
		if _, err := Render(d, Facts{PoolDriverImage: "example.com/pool:v1"}); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestTolerationsOfATaint: the pods that make the taint go must come to nodes that have it,
// whatever its value and effect.
func TestTolerationsOfATaint(t *testing.T) {
	const (
		on    = "  startupTaint: {enabled: true, key: k}\n"
		field = "spec.nodes[0].pod.tolerations"
		way   = `the startup taint "k" would keep these pods off every new node, and nothing would take it off; add {key: k, operator: Exists} to the tolerations that spec.pod and spec.nodes[0].pod give`
	)
	cases := map[string]struct{ more, field, message string }{
		"Default":          {more: on},
		"TheKey":           {more: on + "  pod: {tolerations: [{key: k, operator: Exists}]}"},
		"BothEffects":      {more: on + "  pod: {tolerations: [{key: k, operator: Exists, effect: NoSchedule}, {operator: Exists, effect: NoExecute}]}"},
		"OffAndNone":       {more: "  pod: {tolerations: []}"},
		"OfAController":    {more: on + "  controller: {pod: {tolerations: []}}"},
		"None":             {on + "  pod: {tolerations: []}", field, way},
		"AnotherKey":       {on + "  pod: {tolerations: [{key: other, operator: Exists}]}", field, way},
		"OneValue":         {on + "  pod: {tolerations: [{key: k, operator: Equal, value: a}]}", field, way},
		"OneEffect":        {on + "  pod: {tolerations: [{key: k, operator: Exists, effect: NoExecute}]}", field, way},
		"TheOtherEffect":   {on + "  pod: {tolerations: [{key: k, operator: Exists, effect: NoSchedule}]}", field, way},
		"TheMildEffect":    {on + "  pod: {tolerations: [{key: k, operator: Exists, effect: PreferNoSchedule}]}", field, way},
		"ForAWhile":        {on + "  pod: {tolerations: [{key: k, operator: Exists, effect: NoSchedule}, {key: k, operator: Exists, effect: NoExecute, tolerationSeconds: 60}]}", field, way},
		"OfOnePool":        {on + "  nodes: [{name: a, pod: {nodeSelector: {x: a}}}, {name: b, pod: {nodeSelector: {x: b}, tolerations: []}}]", "spec.nodes[1].pod.tolerations", "add {key: k, operator: Exists}"},
		"SinglePod":        {more: on + "  layout: SinglePod"},
		"SinglePodNone":    {on + "  layout: SinglePod\n  controller: {pod: {tolerations: []}}", "spec.controller.pod.tolerations", "add {key: k, operator: Exists}"},
		"NobodyRegisters":  {on + "  nodes: [{name: a, sidecars: {nodeDriverRegistrar: {enabled: false}}}]", "spec.startupTaint.enabled", "no pod registers the driver on nodes"},
		"NoPools":          {on + "  nodes: []", "spec.startupTaint.enabled", "no pod registers the driver on nodes"},
		"AskedAndTolerant": {more: on + "  capabilities: null"},
		"AskedAndNone":     {on + "  capabilities: null\n  pod: {tolerations: []}", field, way},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Render(customOf(t, tc.more), Facts{})
			var invalid *InvalidError
			switch {
			case tc.field == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.field != "" && (!errors.As(err, &invalid) || invalid.Field != tc.field || !strings.Contains(invalid.Message, tc.message)):
				t.Errorf("the error is %v, want %s: %s", err, tc.field, tc.message)
			}
		})
	}
}

// TestControllerToleratesTheTaint: it may have to run before there is any node pod.
func TestControllerToleratesTheTaint(t *testing.T) {
	for name, more := range map[string]string{"Split": "", "SinglePod": "\n  layout: SinglePod"} {
		t.Run(name, func(t *testing.T) {
			in, err := read(customOf(t, "  startupTaint: {enabled: true}"+more), Facts{})
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(in.parts, func(p part) bool { return p.component == v1alpha1.ComponentController })
			want := []corev1.Toleration{
				{Key: "CriticalAddonsOnly", Operator: corev1.TolerationOpExists},
				{Key: "x.example.com/agent-not-ready", Operator: corev1.TolerationOpExists},
			}
			if diff := cmp.Diff(want, in.parts[at].template.Spec.Tolerations); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}
