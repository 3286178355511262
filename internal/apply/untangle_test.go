// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/internal/plan"
)

func parsed(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// TestReplacements puts the smallest struct in place in which a refused field lies,
// wherever the item stands, and nothing that is as it should be.
func TestReplacements(t *testing.T) {
	intent := parsed(t, `
spec:
  strategy: {type: Recreate}
  containers:
  - {name: a, probe: {httpGet: {path: /a}}, env: [{name: E, value: e}]}
  - {name: b, probe: {httpGet: {path: /b}}}
  volumes:
  - {name: v, emptyDir: {}}
`)
	live := parsed(t, `
spec:
  strategy: {type: RollingUpdate}
  containers:
  - {name: foreign, probe: {exec: {}}}
  - {name: b, probe: {httpGet: {path: /b}}}
  - {name: a, tty: true, probe: {exec: {}}, env: [{name: OTHER}, {name: E, valueFrom: {}}]}
  volumes:
  - {name: w}
  - {name: v, configMap: {}}
`)
	cases := map[string]struct {
		fields []string
		want   []operation
	}{
		"Volume": {[]string{"spec.volumes[0].configMap"}, []operation{{"replace", "/spec/volumes/1", map[string]any{"name": "v", "emptyDir": map[string]any{}}}}},
		"Probe":  {[]string{"spec.containers[0].probe.exec"}, []operation{{"replace", "/spec/containers/2/probe", map[string]any{"httpGet": map[string]any{"path": "/a"}}}}},
		"Env":    {[]string{"spec.containers[0].env[0].valueFrom"}, []operation{{"replace", "/spec/containers/2/env/1", map[string]any{"name": "E", "value": "e"}}}},
		"Struct": {[]string{"spec.strategy.rollingUpdate"}, []operation{{"replace", "/spec/strategy", map[string]any{"type": "Recreate"}}}},
		"Twice":  {[]string{"spec.strategy.rollingUpdate", "spec.strategy.type"}, []operation{{"replace", "/spec/strategy", map[string]any{"type": "Recreate"}}}},
		"Whole":  {[]string{"spec", ""}, nil},
		"Absent": {[]string{"spec.template.spec.x", "status.y.z"}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := replacements(plan.Change{Intent: intent, Live: live}, tc.fields)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestRemoveFields understands the paths that the API server writes.
func TestRemoveFields(t *testing.T) {
	u := parsed(t, `
spec:
  old: 1
  new: {a: b}
  mounts: [{mountPath: /var/lib/x.y, new: 1}, {mountPath: /z, new: 2}]
  ports: [{containerPort: 80, protocol: UDP, new: 1}, {containerPort: 80, protocol: TCP, new: 2}]
`)
	removed := removeFields(u.Object, []string{
		".spec.new", `.spec.mounts[mountPath="/var/lib/x.y"].new`, `.spec.ports[containerPort=80,protocol="TCP"].new`, ".spec.absent", ".nothing.here",
	})
	want := []string{"spec.new", `spec.mounts[mountPath="/var/lib/x.y"].new`, `spec.ports[containerPort=80,protocol="TCP"].new`}
	if diff := cmp.Diff(want, removed); diff != "" {
		t.Errorf("removed: -want, +got:\n%s", diff)
	}
	left := parsed(t, `
spec:
  old: 1
  mounts: [{mountPath: /var/lib/x.y}, {mountPath: /z, new: 2}]
  ports: [{containerPort: 80, protocol: UDP, new: 1}, {containerPort: 80, protocol: TCP}]
`)
	if diff := cmp.Diff(left.Object, u.Object); diff != "" {
		t.Errorf("left: -want, +got:\n%s", diff)
	}
}
