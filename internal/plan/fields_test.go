// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

const workload = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: d
  labels: {app: d, team: storage}
spec:
  replicas: 2
  template:
    metadata:
      annotations: {kubectl.kubernetes.io/restartedAt: now}
    spec:
      serviceAccount: d
      serviceAccountName: d
      containers:
      - name: driver
        image: driver:v1
        args: [--v=2]
        command: [/bin/sh]
        ports: [{containerPort: 9808, protocol: TCP, name: healthz}]
        env: [{name: A, value: a}, {name: PROXY, value: p}]
      - name: sidecar
        image: sidecar:v1
      - {name: injected, image: injected:v1}
status: {readyReplicas: 1}
`

const (
	ourFields = `{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:serviceAccountName":{},"f:containers":{
"k:{\"name\":\"driver\"}":{".":{},"f:name":{},"f:image":{},"f:args":{},"f:ports":{"k:{\"containerPort\":9808,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{}}},"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}}},
"k:{\"name\":\"sidecar\"}":{".":{},"f:name":{},"f:image":{}}}}}}}`
	theirFields = `{"f:metadata":{"f:labels":{"f:team":{}}},"f:spec":{"f:template":{"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/restartedAt":{}}},"f:spec":{"f:serviceAccount":{},"f:containers":{
"k:{\"name\":\"driver\"}":{"f:command":{},"f:image":{},"f:env":{"k:{\"name\":\"PROXY\"}":{".":{},"f:name":{},"f:value":{}}}},
"k:{\"name\":\"injected\"}":{".":{},"f:name":{},"f:image":{}}}}}}}`
	statusFields = `{"f:status":{"f:readyReplicas":{}}}`
)

func deployed(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	return object(t, workload, map[string]string{v1alpha1.FieldOwner: ourFields, "kubectl-edit": theirFields, "kube-controller-manager": statusFields})
}

// containers returns the items, to be edited in place.
func containers(t *testing.T, u *unstructured.Unstructured) []any {
	t.Helper()
	items, _, err := unstructured.NestedFieldNoCopy(u.Object, "spec", "template", "spec", "containers")
	if err != nil {
		t.Fatal(err)
	}
	list, _ := items.([]any)
	return list
}

func container(t *testing.T, u *unstructured.Unstructured, i int) map[string]any {
	t.Helper()
	c, _ := containers(t, u)[i].(map[string]any)
	return c
}

// TestFingerprint changes with what is ours and with nothing else.
func TestFingerprint(t *testing.T) {
	cases := map[string]struct {
		edit    func(*testing.T, *unstructured.Unstructured)
		changes bool
	}{
		"Nothing":       {func(*testing.T, *unstructured.Unstructured) {}, false},
		"ForeignValue":  {func(t *testing.T, u *unstructured.Unstructured) { container(t, u, 0)["command"] = []any{"x"} }, false},
		"ForeignItem":   {func(t *testing.T, u *unstructured.Unstructured) { container(t, u, 2)["image"] = "x" }, false},
		"Status":        {func(_ *testing.T, u *unstructured.Unstructured) { delete(u.Object, "status") }, false},
		"Version":       {func(_ *testing.T, u *unstructured.Unstructured) { u.SetResourceVersion("7") }, false},
		"Value":         {func(t *testing.T, u *unstructured.Unstructured) { container(t, u, 0)["image"] = "x" }, true},
		"WholeList":     {func(t *testing.T, u *unstructured.Unstructured) { container(t, u, 0)["args"] = []any{"--v=2", "--x"} }, true},
		"ValueGone":     {func(t *testing.T, u *unstructured.Unstructured) { delete(container(t, u, 0), "args") }, true},
		"NullIsNotGone": {func(t *testing.T, u *unstructured.Unstructured) { container(t, u, 0)["args"] = nil }, true},
		"Label":         {func(_ *testing.T, u *unstructured.Unstructured) { u.SetLabels(map[string]string{"app": "x"}) }, true},
		"ItemGone": {func(t *testing.T, u *unstructured.Unstructured) {
			all := containers(t, u)
			if err := unstructured.SetNestedSlice(u.Object, all[:1], "spec", "template", "spec", "containers"); err != nil {
				t.Fatal(err)
			}
		}, true},
		"Order": {func(t *testing.T, u *unstructured.Unstructured) {
			all := containers(t, u)
			all[0], all[1] = all[1], all[0]
		}, true},
		"OrderOfForeign": {func(t *testing.T, u *unstructured.Unstructured) {
			all := containers(t, u)
			all[1], all[2] = all[2], all[1]
		}, false},
		"OwnershipLost": {func(_ *testing.T, u *unstructured.Unstructured) { u.SetManagedFields(nil) }, true},
		"TakenByUpdate": {func(_ *testing.T, u *unstructured.Unstructured) {
			entries := u.GetManagedFields()
			for i := range entries {
				entries[i].Operation = metav1.ManagedFieldsOperationUpdate
			}
			u.SetManagedFields(entries)
		}, true},
	}
	before, err := Fingerprint(deployed(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			u := deployed(t)
			tc.edit(t, u)
			after, err := Fingerprint(u)
			if err != nil {
				t.Fatal(err)
			}
			if (after != before) != tc.changes {
				t.Errorf("%s, before %s; want a change: %t", after, before, tc.changes)
			}
		})
	}
}

// TestBrokenManagedFields are an error, not an object that looks unowned.
func TestBrokenManagedFields(t *testing.T) {
	u := object(t, workload, map[string]string{v1alpha1.FieldOwner: `{"k:no-json":{}}`})
	if _, err := Fingerprint(u); err == nil {
		t.Error("read")
	}
	if _, err := ForeignFields(u, 5); err == nil {
		t.Error("read")
	}
}

func TestForeignFields(t *testing.T) {
	want := []string{
		"spec.template.metadata",
		"spec.template.spec.containers[driver].command",
		"spec.template.spec.containers[driver].env[PROXY]",
		"spec.template.spec.containers[injected]",
	}
	for _, limit := range []int{10, 2} {
		got, err := ForeignFields(deployed(t), limit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[:min(limit, len(want))], got); diff != "" {
			t.Errorf("limit %d: -want, +got:\n%s", limit, diff)
		}
	}
}

func TestDifferences(t *testing.T) {
	cases := map[string]struct {
		edit func(*testing.T, *unstructured.Unstructured)
		want []string
	}{
		"Same":    {func(*testing.T, *unstructured.Unstructured) {}, nil},
		"More":    {func(t *testing.T, u *unstructured.Unstructured) { container(t, u, 0)["tty"] = true }, nil},
		"Scalar":  {func(_ *testing.T, u *unstructured.Unstructured) { u.Object["kind"] = "x" }, []string{"kind"}},
		"Missing": {func(t *testing.T, u *unstructured.Unstructured) { delete(container(t, u, 0), "image") }, []string{"spec.template.spec.containers[driver].image"}},
		"List":    {func(t *testing.T, u *unstructured.Unstructured) { container(t, u, 0)["args"] = []any{} }, []string{"spec.template.spec.containers[driver].args"}},
		"Item":    {func(t *testing.T, u *unstructured.Unstructured) { container(t, u, 1)["name"] = "x" }, []string{"spec.template.spec.containers[sidecar]"}},
		"OtherType": {func(t *testing.T, u *unstructured.Unstructured) {
			if err := unstructured.SetNestedField(u.Object, "x", "spec", "template"); err != nil {
				t.Fatal(err)
			}
		}, []string{"spec.template"}},
		"QuotedName": {func(t *testing.T, u *unstructured.Unstructured) {
			if err := unstructured.SetNestedField(u.Object, "x", "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"); err != nil {
				t.Fatal(err)
			}
		}, []string{`spec.template.metadata.annotations."kubectl.kubernetes.io/restartedAt"`}},
		"Port": {func(t *testing.T, u *unstructured.Unstructured) {
			container(t, u, 0)["ports"] = []any{map[string]any{"containerPort": int64(1), "protocol": "TCP"}}
		}, []string{"spec.template.spec.containers[driver].ports[9808/TCP]"}},
		"DefaultedPort": {func(t *testing.T, u *unstructured.Unstructured) {
			container(t, u, 0)["ports"] = []any{map[string]any{"containerPort": 9808.0, "name": "healthz", "protocol": "TCP"}}
		}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			have := deployed(t)
			tc.edit(t, have)
			want := deployed(t)
			if diff := cmp.Diff(tc.want, differences(withoutMeta(want), withoutMeta(have)), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func withoutMeta(u *unstructured.Unstructured) map[string]any {
	delete(u.Object, "metadata")
	return u.Object
}

// TestClaimedFalse is no difference where the API server leaves it out.
func TestClaimedFalse(t *testing.T) {
	want := map[string]any{"hostNetwork": false, "hostPID": true, "replicas": int64(0), "name": ""}
	if diff := cmp.Diff([]string{"hostPID"}, differences(want, map[string]any{})); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
