// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// TestNoBypasses demands that the sidecars of all drivers come of the catalogue.
func TestNoBypasses(t *testing.T) {
	for _, driver := range drivers() {
		t.Run(driver, func(t *testing.T) {
			list, err := Bypasses(readDeployment(t, driver))
			if err != nil {
				t.Fatal(err)
			}
			for _, bypass := range list {
				t.Error(bypass)
			}
		})
	}
}

func TestBypasses(t *testing.T) {
	cases := map[string]struct {
		spec string
		want []string
	}{
		"None":           {"{}", nil},
		"OwnContainer":   {"pod: {containers: [{name: driver}, {name: other, image: a/b:v1}], remove: ['containers[driver].ports', affinity]}", nil},
		"OneFlag":        {"sidecars: {provisioner: {extraArgs: [--a], remove: ['args[--b]'], container: {env: []}}}", nil},
		"InPod":          {"pod: {containers: [{name: csi-attacher}]}", []string{"spec.pod.containers[csi-attacher]"}},
		"InController":   {"controller: {pod: {containers: [{name: livenessprobe}]}}", []string{"spec.controller.pod.containers[livenessprobe]"}},
		"InNodes":        {"nodes: [{name: a}, {name: b, pod: {initContainers: [{name: node-driver-registrar}]}}]", []string{"spec.nodes[1].pod.containers[node-driver-registrar]"}},
		"ByImage":        {"pod: {containers: [{name: x, image: 'registry.k8s.io/sig-storage/csi-resizer:v2.2.0'}]}", []string{"spec.pod.containers[x]"}},
		"PodRemoves":     {"pod: {remove: ['containers[csi-resizer].ports']}", []string{"spec.pod.remove: containers[csi-resizer].ports"}},
		"PodRemovesAll":  {"pod: {remove: [containers]}", []string{"spec.pod.remove: containers"}},
		"Args":           {"sidecars: {snapshotter: {container: {args: [--a]}}}", []string{"spec.sidecars.snapshotter.container.args"}},
		"Command":        {"nodes: [{name: a, sidecars: {livenessProbe: {container: {command: []}}}}]", []string{"spec.nodes[0].sidecars.livenessProbe.container.command"}},
		"ArgsOfAll":      {"controller: {sidecars: {defaults: {container: {args: []}}}}", []string{"spec.controller.sidecars.defaults.container.args"}},
		"RemovesAllArgs": {"sidecars: {attacher: {remove: [args]}}", []string{"spec.sidecars.attacher.remove: args"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var d v1alpha1.CSIDriverDeployment
			if err := yaml.UnmarshalStrict([]byte(tc.spec), &d.Spec); err != nil {
				t.Fatal(err)
			}
			got, err := Bypasses(&d)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}
