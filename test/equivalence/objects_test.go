// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUnreadable breaks one thing of a set of objects that is whole.
func TestUnreadable(t *testing.T) {
	whole := small + indent(`containers:
- {name: driver, image: a/b:v1, ports: [{name: http, containerPort: 80}], livenessProbe: {httpGet: {port: http}}, volumeMounts: [{name: v, mountPath: /v}]}
- {name: b, image: a/b:v1, env: [{name: A, value: a}], volumeMounts: [{name: v, mountPath: /v}, {name: w, mountPath: /w}]}
volumes: [{name: v, hostPath: {path: /v}}, {name: w, emptyDir: {}}]`) + `---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r, namespace: ns}, rules: []}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: r, namespace: ns}
roleRef: {kind: Role, name: r}
subjects: [{kind: ServiceAccount, name: a, namespace: ns}]
`
	if _, err := FromObjects(parseManifests(t, whole)); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ before, after, want string }{
		"NoName":           {"metadata: {name: d,", "metadata: {", "has no name"},
		"Twice":            {"kind: Role,", "kind: Role, x: y}\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: Role,", "Role/"},
		"NoComponent":      {", labels: {csi-operator.io/component: controller}", "", "has no label csi-operator.io/component"},
		"Account":          {"serviceAccountName: a", "serviceAccountName: b", "its account ServiceAccount/ns/b is not there"},
		"Namespace":        {"{name: d, namespace: ns", "{name: d, namespace: other", "its account ServiceAccount/other/a is not there"},
		"RoleRef":          {"roleRef: {kind: Role, name: r}", "roleRef: {kind: ClusterRole, name: r}", "its role ClusterRole/r is not there"},
		"RoleGroup":        {"roleRef: {", "roleRef: {apiGroup: x, ", `refers to a role of "x"`},
		"Subject":          {"subjects: [{kind: ServiceAccount, name: a", "subjects: [{kind: ServiceAccount, name: b", "its subject ServiceAccount/ns/b is not there"},
		"IdleRole":         {"subjects: [{kind: ServiceAccount, name: a, namespace: ns}]", "", "Role/ns/r: serves no workload"},
		"Selector":         {"selector: {matchLabels: {csi-operator.io/component: controller", "selector: {matchLabels: {csi-operator.io/component: node", "does not select its own pods"},
		"WideSelector":     {"selector: {matchLabels: {csi-operator.io/component: controller, csi-operator.io/deployment: x}}", "selector: {matchLabels: {csi-operator.io/component: controller}}", "does not select by csi-operator.io/deployment"},
		"SelectorOperator": {"selector: {", "selector: {matchExpressions: [{key: a, operator: x}], ", "does not select its own pods"},
		"SelectorType":     {"selector: {matchLabels: {csi-operator.io/component: controller", "selector: {matchLabels: {a: 1, csi-operator.io/component: controller", "selector that cannot be read"},
		"Image":            {"name: b, image: a/b:v1", "name: b, image: A:b:c", `has the image "A:b:c"`},
		"ContainerName":    {"{name: b, image", "{image", "has no name"},
		"ContainerTwice":   {"{name: b, image", "{name: driver, image", "has two containers driver"},
		"RoleTwice":        {"containers:", "containers:\n      - {name: c, image: x/csi-resizer:v1}\n      - {name: d, image: x/csi-resizer:v1}", "two containers in the role resizer"},
		"Variable":         {"env: [{name: A, value: a}", "env: [{name: A, value: a}, {name: A, value: b}", "is set twice"},
		"Port":             {"{port: http}", "{port: https}", `asks port "https"`},
		"MountPlace":       {"{name: w, mountPath: /w}", "{name: w, mountPath: /v/}", "something else is mounted at /v"},
		"MountVolume":      {"{name: w, mountPath: /w}", "{name: x, mountPath: /w}", `mounts the volume "x"`},
		"IdleVolume":       {"volumes: [", "volumes: [{name: x, emptyDir: {}}, ", "volumes[x]: is mounted by no container"},
		"VolumeTwice":      {"volumes: [", "volumes: [{name: w, emptyDir: {}}, ", "volumes[w]: is there twice"},
		"TwoSources":       {"emptyDir: {}", "emptyDir: {}, hostPath: {path: /x}", "has not one source"},
		"HostPathTypes":    {"{name: w, emptyDir: {}}", "{name: w, hostPath: {path: /v, type: Directory}}", `must be`},
		"Type":             {"containerPort: 80", "containerPort: a", "containerPort: is a string"},
		"ItemType":         {"env: [{name: A, value: a}]", "env: [A]", "env[0]: is a string"},
		"TextType":         {"env: [{name: A, value: a}]", "args: [1]", "args[0]: is a int64"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(whole, tc.before) {
				t.Fatalf("nothing to break: %s", tc.before)
			}
			_, err := FromObjects(parseManifests(t, strings.Replace(whole, tc.before, tc.after, 1)))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestObjects reads the kinds that are no workloads.
func TestObjects(t *testing.T) {
	got, err := FromObjects(parseManifests(t, small+indent("containers: [{name: driver, image: a/b:v1}]")+`---
{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: x}, spec: {attachRequired: false}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: x
mountOptions: [a]
---
{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshotClass, metadata: {name: s}, driver: x, deletionPolicy: Retain}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: p, namespace: ns}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {csi-operator.io/component: controller, csi-operator.io/deployment: x}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: q, namespace: ns}, spec: {minAvailable: 1, selector: {}}}
---
{apiVersion: v1, kind: Service, metadata: {name: s, namespace: ns, finalizers: [f]}, spec: {ports: [{port: 1}]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: ns}}
`))
	if err != nil {
		t.Fatal(err)
	}
	assumed := assumedOfDriver(map[string]any{"attachRequired": false})
	for name, want := range map[string][2]any{
		"CSIDrivers": {map[string]map[string]any{"x": assumed}, got.CSIDrivers},
		"StorageClasses": {map[string]map[string]any{"fast": {
			"allowVolumeExpansion": false, "default": "true", "mountOptions": []any{"a"}, "provisioner": "x",
			"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate",
		}}, got.StorageClasses},
		"SnapshotClasses": {map[string]map[string]any{"s": {"deletionPolicy": "Retain", "driver": "x"}}, got.SnapshotClasses},
		"Other": {map[string]int{
			`PDB {"maxUnavailable": 1}`:                         1,
			`PDB {"minAvailable": 1} of nothing`:                1,
			`Service/s {"spec": {"ports": [{"port": 1}]}} (v1)`: 1,
			`ConfigMap/c (v1)`:                                  1,
		}, got.Other},
		"Beyond": {map[string]string{"Service/s/metadata/finalizers": `["f"]`}, got.Beyond},
	} {
		if diff := cmp.Diff(want[0], want[1]); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", name, diff)
		}
	}
}

// TestScopes grants rights everywhere, in the namespace of the pod and in
// another one.
func TestScopes(t *testing.T) {
	grant := func(kind, scope, rule string) string {
		return `---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ` + kind + `, metadata: {name: r` + scope + `}, rules: [` + rule + `]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ` + kind + `Binding
metadata: {name: b` + scope + `}
roleRef: {kind: ` + kind + `, name: r}
subjects: [{kind: ServiceAccount, name: a, namespace: ns}]
`
	}
	got, err := FromObjects(parseManifests(t, small+indent("containers: [{name: driver, image: a/b:v1}]")+
		grant("ClusterRole", "", `{apiGroups: [""], resources: [pods], verbs: [get, list]}`)+
		grant("Role", ", namespace: ns", `{apiGroups: [g], resources: [r/status], verbs: [get], resourceNames: [one]}`)+
		grant("Role", ", namespace: far", `{apiGroups: [g], resources: [r], verbs: [get]}`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"core/pods:get", "core/pods:list", "g/r/status:get of one in own namespace", "g/r:get in far"}
	if diff := cmp.Diff(want, got.Rights[componentController]); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestTokens has who decides on the token of an account.
func TestTokens(t *testing.T) {
	cases := map[string]struct {
		account, pod string
		want         bool
	}{
		"Assumed":    {"", "", true},
		"Account":    {"automountServiceAccountToken: false\n", "", false},
		"PodDemands": {"automountServiceAccountToken: false\n", "automountServiceAccountToken: true\n", true},
		"PodRefuses": {"", "automountServiceAccountToken: false\n", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(small, "kind: ServiceAccount\n", "kind: ServiceAccount\n"+tc.account, 1)
			got, err := FromObjects(parseManifests(t, text+indent(tc.pod+"containers: [{name: driver, image: a/b:v1}]")))
			if err != nil {
				t.Fatal(err)
			}
			if got.Tokens[componentController] != tc.want {
				t.Errorf("got %v, want %v", got.Tokens, tc.want)
			}
		})
	}
}

// TestRollouts has how workloads of each kind replace their pods.
func TestRollouts(t *testing.T) {
	cases := map[string]struct {
		kind, strategy string
		want           []any
	}{
		"Deployment":       {"Deployment", "strategy: {rollingUpdate: {maxUnavailable: 1, maxSurge: 0}}", []any{"RollingUpdate", int64(1), int64(0)}},
		"Recreate":         {"Deployment", "strategy: {type: Recreate}", []any{"Recreate", nil, nil}},
		"DaemonSet":        {"DaemonSet", "updateStrategy: {rollingUpdate: {maxUnavailable: 10%}}", []any{"RollingUpdate", "10%", int64(0)}},
		"AssumedDaemonSet": {"DaemonSet", "paused: false", []any{"RollingUpdate", int64(1), int64(0)}},
		"OnDelete":         {"DaemonSet", "updateStrategy: {type: OnDelete}", []any{"OnDelete", nil, nil}},
		"StatefulSet":      {"StatefulSet", "paused: false", nil},
		"Partition":        {"StatefulSet", "updateStrategy: {rollingUpdate: {partition: 1}}", []any{"RollingUpdate", int64(1)}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text := strings.NewReplacer("kind: Deployment", "kind: "+tc.kind, "spec:\n  selector", "spec:\n  "+tc.strategy+"\n  selector").Replace(small)
			got, err := FromObjects(parseManifests(t, text+indent("containers: [{name: driver, image: a/b:v1}]")))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Workloads[componentController].Rollout); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}
