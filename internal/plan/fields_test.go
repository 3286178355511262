// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
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
	u = object(t, workload, map[string]string{v1alpha1.FieldOwner: ourFields, "kubectl-edit": `{"k:no-json":{}}`})
	if _, err := ForeignFields(u, 5); err == nil {
		t.Error("read")
	}
}

// TestGoneIsNotNull: an absent field and one that holds null are two states.
func TestGoneIsNotNull(t *testing.T) {
	gone, null := deployed(t), deployed(t)
	delete(container(t, gone, 0), "args")
	container(t, null, 0)["args"] = nil
	if a, b := mustFingerprint(t, gone), mustFingerprint(t, null); a == b {
		t.Errorf("both are %s", a)
	}
}

func mustFingerprint(t *testing.T, u *unstructured.Unstructured) string {
	t.Helper()
	fingerprint, err := Fingerprint(u)
	if err != nil {
		t.Fatal(err)
	}
	return fingerprint
}

// TestRecordIsStable: records are in status, and another way to compute them would
// apply everything anew after an upgrade.
func TestRecordIsStable(t *testing.T) {
	reply := live(t)
	reply.SetGeneration(3)
	got, err := NewRecord(intent(t), reply)
	if err != nil {
		t.Fatal(err)
	}
	want := Record{Intent: "9b4ce6e445373dc6", Live: "8b66376a3b781fa2", UID: "1", Generation: 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestNoJSON: what cannot have come from an API server is an error.
func TestNoJSON(t *testing.T) {
	spoil := func(u *unstructured.Unstructured) { u.Object["provisioner"] = math.Inf(1) }
	good, bad, badIntent := live(t), object(t, class, map[string]string{v1alpha1.FieldOwner: `{"f:provisioner":{}}`}), intent(t)
	spoil(bad)
	spoil(badIntent)
	ref := RefOf(good)
	plan := func(wanted, live *unstructured.Unstructured) error {
		_, err := Make(Input{
			Driver: driver, Records: map[Ref]Record{ref: recorded(t)},
			Wanted: []desired.Object{{Intent: wanted}}, Live: map[Ref]*unstructured.Unstructured{ref: live},
		})
		return err
	}
	_, noFingerprint := Fingerprint(bad)
	_, noHash := IntentHash(badIntent)
	_, noRecord := NewRecord(intent(t), bad)
	_, noRecordOfIntent := NewRecord(badIntent, good)
	for name, err := range map[string]error{
		"Fingerprint": noFingerprint, "IntentHash": noHash, "NewRecord": noRecord, "NewRecord of an intent": noRecordOfIntent,
		"Make with a live object": plan(intent(t), bad), "Make with an intent": plan(badIntent, good),
	} {
		if err == nil || !strings.Contains(err.Error(), `StorageClass "fast"`) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestItemsWithoutKeys are in sets and lists of other kinds.
func TestItemsWithoutKeys(t *testing.T) {
	held := map[string]string{
		v1alpha1.FieldOwner: `{"f:set":{"v:\"ours\"":{}},"f:list":{"i:0":{}}}`,
		"kubectl-edit":      `{"f:apiVersion":{},"f:kind":{},"f:set":{"v:\"theirs\"":{}},"f:list":{"i:1":{}}}`,
	}
	with := func(set, list []any) *unstructured.Unstructured {
		u := object(t, class, held)
		u.Object["set"], u.Object["list"] = set, list
		return u
	}
	before := mustFingerprint(t, with([]any{"ours", "theirs"}, []any{"ours", "theirs"}))
	for name, tc := range map[string]struct {
		set, list []any
		changes   bool
	}{
		"Foreign":    {[]any{"more", "ours"}, []any{"ours"}, false},
		"OfTheSet":   {[]any{"theirs"}, []any{"ours", "theirs"}, true},
		"OfTheList":  {[]any{"ours", "theirs"}, []any{"theirs", "ours"}, true},
		"EmptyLists": {nil, nil, true},
	} {
		if after := mustFingerprint(t, with(tc.set, tc.list)); (after != before) != tc.changes {
			t.Errorf("%s: %s, before %s; want a change: %t", name, after, before, tc.changes)
		}
	}
	foreign, err := ForeignFields(with(nil, nil), 5)
	if diff := cmp.Diff([]string{"list[1]", `set["theirs"]`}, foreign); err != nil || diff != "" {
		t.Errorf("%v: -want, +got:\n%s", err, diff)
	}
}

// TestForeignFieldsAreSorted as text, not as a tree.
func TestForeignFieldsAreSorted(t *testing.T) {
	u := object(t, workload, map[string]string{
		v1alpha1.FieldOwner: `{"f:spec":{"f:a":{"f:ours":{}}}}`, "kubectl-edit": `{"f:spec":{"f:a":{"f:theirs":{}},"f:a-b":{}}}`,
	})
	got, err := ForeignFields(u, 5)
	if diff := cmp.Diff([]string{"spec.a-b", "spec.a.theirs"}, got); err != nil || diff != "" {
		t.Errorf("%v: -want, +got:\n%s", err, diff)
	}
}

// TestHolders: only what the operator applied to the object itself is its own.
func TestHolders(t *testing.T) {
	const mine, replicas = `{"f:spec":{"f:template":{}}}`, `{"f:spec":{"f:replicas":{}}}`
	apply, update := metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate
	cases := map[string]struct {
		entry  metav1.ManagedFieldsEntry
		ours   bool
		theirs []string
	}{
		"Ours":            {metav1.ManagedFieldsEntry{Manager: v1alpha1.FieldOwner, Operation: apply}, true, nil},
		"AppliedByOthers": {metav1.ManagedFieldsEntry{Manager: "argocd", Operation: apply}, false, []string{"spec.replicas"}},
		"UpdatedByOthers": {metav1.ManagedFieldsEntry{Manager: "kubectl-edit", Operation: update}, false, []string{"spec.replicas"}},
		"Scaled":          {metav1.ManagedFieldsEntry{Manager: "kubectl", Operation: update, Subresource: "scale"}, false, nil},
		"PatchedByUs":     {metav1.ManagedFieldsEntry{Manager: v1alpha1.FieldOwner, Operation: update}, false, nil},
		"HeldByNobody":    {metav1.ManagedFieldsEntry{Manager: beforeFirstApply, Operation: update}, false, nil},
		"OurSubresource":  {metav1.ManagedFieldsEntry{Manager: v1alpha1.FieldOwner, Operation: apply, Subresource: "status"}, false, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			u := object(t, workload, map[string]string{v1alpha1.FieldOwner: mine})
			tc.entry.FieldsType, tc.entry.FieldsV1 = "FieldsV1", metav1.NewFieldsV1(replicas)
			noFields := metav1.ManagedFieldsEntry{Manager: v1alpha1.FieldOwner, Operation: apply}
			u.SetManagedFields(append(u.GetManagedFields(), tc.entry, noFields))
			before := mustFingerprint(t, u)
			if err := unstructured.SetNestedField(u.Object, int64(5), "spec", "replicas"); err != nil {
				t.Fatal(err)
			}
			if changed := mustFingerprint(t, u) != before; changed != tc.ours {
				t.Errorf("counts as ours: %t", changed)
			}
			theirs, err := ForeignFields(u, 5)
			if diff := cmp.Diff(tc.theirs, theirs, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("%v: of others: -want, +got:\n%s", err, diff)
			}
		})
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
