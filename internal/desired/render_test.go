// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	groupsnapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumegroupsnapshot/v1"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// forEachInput runs test on what each file of testdata becomes.
func forEachInput(t *testing.T, test func(*testing.T, *v1alpha1.CSIDriverDeployment, Set)) {
	t.Helper()
	for _, file := range inputFiles(t) {
		t.Run(file, func(t *testing.T) {
			d := load(t, file)
			test(t, d, mustRender(t, d))
		})
	}
}

func TestRenderIsDeterministicAndLeavesItsInput(t *testing.T) {
	forEachInput(t, func(t *testing.T, d *v1alpha1.CSIDriverDeployment, set Set) {
		before, first := d.DeepCopy(), document(t, set)
		for range 20 {
			again := mustRender(t, d)
			if diff := cmp.Diff(string(first), string(document(t, again))); diff != "" {
				t.Fatalf("two renders differ:\n%s", diff)
			}
		}
		if diff := cmp.Diff(before, d); diff != "" {
			t.Errorf("the input was changed:\n%s", diff)
		}
	})
}

// TestRendersShareNothing scribbles over all that one render returned.
func TestRendersShareNothing(t *testing.T) {
	forEachInput(t, func(t *testing.T, d *v1alpha1.CSIDriverDeployment, set Set) {
		before, want := d.DeepCopy(), document(t, set)
		rows := slices.Clone(set.Rows)
		for _, o := range set.Objects {
			scribble(o.Intent.Object)
		}
		for i := range set.Rows {
			set.Rows[i] = Row{}
		}
		again := mustRender(t, d)
		if !bytes.Equal(want, document(t, again)) {
			t.Error("objects are shared between renders")
		}
		if diff := cmp.Diff(rows, again.Rows); diff != "" {
			t.Errorf("rows are shared between renders:\n%s", diff)
		}
		if diff := cmp.Diff(before, d); diff != "" {
			t.Errorf("objects are shared with the input:\n%s", diff)
		}
	})
}

func scribble(fields map[string]any) {
	for key, value := range fields {
		switch v := value.(type) {
		case map[string]any:
			scribble(v)
		case []any:
			for i := range v {
				if item, ok := v[i].(map[string]any); ok {
					scribble(item)
				} else {
					v[i] = "scribble"
				}
			}
		default:
			fields[key] = "scribble"
		}
	}
}

// expectClean is what holds for every set.
func expectClean(t *testing.T, set Set) {
	t.Helper()
	step := StepAccounts
	for _, o := range set.Objects {
		u := o.Intent
		if o.Step < step {
			t.Errorf("%s %q: step %d comes after step %d", u.GetKind(), u.GetName(), o.Step, step)
		}
		step = o.Step
		expectStrictRoundTrip(t, u)
		expectNoEmptyFields(t, u.GetKind(), u.Object)
		expectOwned(t, set, u)
	}
}

func TestSetsAreClean(t *testing.T) {
	forEachInput(t, func(t *testing.T, _ *v1alpha1.CSIDriverDeployment, set Set) { expectClean(t, set) })
}

// TestSteps has the place of each kind in the order of application.
func TestSteps(t *testing.T) {
	want := map[string]Step{
		"ServiceAccount": StepAccounts, "ClusterRole": StepAccounts, "Role": StepAccounts, "CSIDriver": StepAccounts,
		"ClusterRoleBinding": StepBindings, "RoleBinding": StepBindings,
		"Deployment": StepWorkloads, "DaemonSet": StepWorkloads, "PodDisruptionBudget": StepWorkloads, "StorageClass": StepWorkloads,
	}
	got := map[string]Step{}
	for _, o := range mustRender(t, smallest()).Objects {
		got[o.Intent.GetKind()] = o.Step
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestPrune(t *testing.T) {
	fields := map[string]any{
		"null": nil, "object": map[string]any{}, "list": []any{}, "emptyDir": map[string]any{},
		"inside": map[string]any{"null": nil, "list": []any{}},
		"items":  []any{map[string]any{"null": nil}, "x"},
		"false":  false,
	}
	want := map[string]any{"emptyDir": map[string]any{}, "items": []any{map[string]any{}, "x"}, "false": false}
	prune(fields)
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// unwritable has a field that no manifest can hold.
type unwritable struct {
	corev1.Pod `json:",inline"`

	Function func() `json:"function"`
}

func TestIntentOfNoManifest(t *testing.T) {
	if u, err := intent(&unwritable{Function: func() {}}); err == nil {
		t.Errorf("got %v", u)
	}
}

// allTypes are the types of Kubernetes and of snapshots.
func allTypes(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, snapshotv1.AddToScheme, groupsnapshotv1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// expectStrictRoundTrip proves that every field exists in Kubernetes.
func expectStrictRoundTrip(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	typed, err := allTypes(t).New(u.GroupVersionKind())
	if err != nil {
		t.Fatal(err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(u.Object, typed, true); err != nil {
		t.Errorf("%s %q: %v", u.GetKind(), u.GetName(), err)
	}
}

func expectNoEmptyFields(t *testing.T, path string, value any) {
	t.Helper()
	switch v := value.(type) {
	case nil:
		t.Errorf("%s is null", path)
	case map[string]any:
		for key, item := range v {
			below := path + "." + key
			if m, ok := item.(map[string]any); ok && len(m) == 0 && !meansSomething(key) {
				t.Errorf("%s is empty", below)
			}
			if l, ok := item.([]any); ok && len(l) == 0 {
				t.Errorf("%s is empty", below)
			}
			if key == "status" || key == "creationTimestamp" || key == "ownerReferences" {
				t.Errorf("%s is claimed", below)
			}
			expectNoEmptyFields(t, below, item)
		}
	case []any:
		for i, item := range v {
			expectNoEmptyFields(t, fmt.Sprintf("%s[%d]", path, i), item)
		}
	}
}

func expectOwned(t *testing.T, set Set, u *unstructured.Unstructured) {
	t.Helper()
	for key, value := range Selector(set.Driver) {
		if u.GetLabels()[key] != value {
			t.Errorf("%s %q: label %s is %q, want %q", u.GetKind(), u.GetName(), key, u.GetLabels()[key], value)
		}
	}
	if u.GetAnnotations()[v1alpha1.AnnotationUID] == "" {
		t.Errorf("%s %q has no uid annotation", u.GetKind(), u.GetName())
	}
	if !slices.Contains(Kinds(), u.GroupVersionKind()) {
		t.Errorf("Kinds lacks %s", u.GroupVersionKind())
	}
	template, _, _ := unstructured.NestedStringMap(u.Object, "spec", "template", "metadata", "annotations")
	if _, found := template[v1alpha1.AnnotationUID]; found {
		t.Errorf("%s %q: a restored CSIDriverDeployment would restart its pods", u.GetKind(), u.GetName())
	}
}

// TestKinds: what is listed is made of some input, and what is made is listed.
func TestKinds(t *testing.T) {
	made := map[schema.GroupVersionKind]bool{}
	for _, file := range inputFiles(t) {
		for _, o := range mustRender(t, load(t, file)).Objects {
			made[o.Intent.GroupVersionKind()] = true
		}
	}
	for _, k := range Kinds() {
		if !made[k] {
			t.Errorf("%s is listed and not made", k)
		}
		delete(made, k)
	}
	for k := range made {
		t.Errorf("%s is made and not listed", k)
	}
}

func TestKindsNamed(t *testing.T) {
	apps := schema.GroupVersion{Group: "apps", Version: "v1"}
	want := []schema.GroupVersionKind{apps.WithKind("Deployment"), apps.WithKind("DaemonSet")}
	if diff := cmp.Diff(want, KindsNamed("DaemonSet", "Deployment", "Pod")); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestRows(t *testing.T) {
	const driver = "ghcr.io/csi-operator/csi-pool-driver:v0.1.0"
	want := []Row{
		{"controller", "driver", driver, "0.1.0", "", 0, false},
		{"controller", "csi-provisioner", "registry.k8s.io/sig-storage/csi-provisioner:v6.3.0", "v6.3.0", "pool-csi-operator-io", 5 * time.Second, true},
		{"controller", "csi-attacher", "registry.k8s.io/sig-storage/csi-attacher:v4.12.0", "v4.12.0", "external-attacher-leader-pool-csi-operator-io", 5 * time.Second, true},
		{"controller", "csi-resizer", "registry.k8s.io/sig-storage/csi-resizer:v2.2.0", "v2.2.0", "external-resizer-pool-csi-operator-io", 5 * time.Second, true},
		{"controller", "livenessprobe", "registry.k8s.io/sig-storage/livenessprobe:v2.19.0", "v2.19.0", "", 0, false},
		{"node", "driver", driver, "0.1.0", "", 0, false},
		{"node", "node-driver-registrar", "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.17.0", "v2.17.0", "", 0, false},
		{"node", "livenessprobe", "registry.k8s.io/sig-storage/livenessprobe:v2.19.0", "v2.19.0", "", 0, false},
	}
	if diff := cmp.Diff(want, mustRender(t, smallest()).Rows); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestRetryPeriod: a row tells how often its containers try to lead.
func TestRetryPeriod(t *testing.T) {
	d := smallest()
	d.Spec.Sidecars.Attacher = &v1alpha1.SidecarSpec{LeaderElection: v1alpha1.LeaderElectionSpec{RetryPeriod: &metav1.Duration{Duration: 2 * time.Second}}}
	for _, row := range mustRender(t, d).Rows {
		want := map[string]time.Duration{"csi-attacher": 2 * time.Second, "csi-provisioner": 5 * time.Second, "csi-resizer": 5 * time.Second}[row.Name]
		if row.RetryPeriod != want {
			t.Errorf("%s: %s, want %s", row.Name, row.RetryPeriod, want)
		}
	}
}

// TestRowsAreTheContainers compares rows with what runs.
func TestRowsAreTheContainers(t *testing.T) {
	forEachInput(t, func(t *testing.T, _ *v1alpha1.CSIDriverDeployment, set Set) {
		var want []Row
		elects := map[string]bool{}
		for _, pod := range podTemplates(t, set) {
			for _, c := range pod.Spec.Containers {
				if on, _ := sidecar.Flag(c.Args, "leader-election"); on == "true" {
					elects[pod.Labels[v1alpha1.LabelComponent]+c.Name] = true
				}
				want = append(want, Row{Component: pod.Labels[v1alpha1.LabelComponent], Name: c.Name, Image: c.Image})
			}
		}
		got := slices.Clone(set.Rows)
		for i, row := range got {
			if (row.Lease != "") != elects[row.Component+row.Name] {
				t.Errorf("%s of %s has Lease %q", row.Name, row.Component, row.Lease)
			}
			got[i].Version, got[i].Lease, got[i].RetryPeriod, got[i].CallsAPI = "", "", 0, false
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-containers, +rows:\n%s", diff)
		}
	})
}

// podTemplates are those of all workloads.
func podTemplates(t *testing.T, set Set) []corev1.PodTemplateSpec {
	t.Helper()
	var list []corev1.PodTemplateSpec
	for _, o := range set.Objects {
		fields, found, err := unstructured.NestedMap(o.Intent.Object, "spec", "template")
		if err != nil {
			t.Fatal(err)
		}
		if found {
			list = append(list, convert[corev1.PodTemplateSpec](t, fields))
		}
	}
	if len(list) == 0 {
		t.Fatal("no workload")
	}
	return list
}

func convert[T any](t *testing.T, fields map[string]any) T {
	t.Helper()
	var typed T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &typed); err != nil {
		t.Fatal(err)
	}
	return typed
}

func TestSelectorsFindTheirPodsOnly(t *testing.T) {
	set := mustRender(t, smallest())
	pods := podTemplates(t, set)
	for _, o := range set.Objects {
		fields, found, _ := unstructured.NestedMap(o.Intent.Object, "spec", "selector")
		if !found {
			continue
		}
		s := convert[metav1.LabelSelector](t, fields)
		selector, err := metav1.LabelSelectorAsSelector(&s)
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range pods {
			own := pod.Labels[v1alpha1.LabelComponent] == o.Intent.GetLabels()[v1alpha1.LabelComponent]
			if got := selector.Matches(labelSet(pod.Labels)); got != own {
				t.Errorf("%s %q selects pods of %q: %v, want %v", o.Intent.GetKind(), o.Intent.GetName(), pod.Labels[v1alpha1.LabelComponent], got, own)
			}
		}
	}
}

func TestRightsAreThoseOfTheSidecars(t *testing.T) {
	type right struct{ group, resource, verb string }
	rights := func(rules []rbacv1.PolicyRule) map[right]bool {
		all := map[right]bool{}
		for _, r := range rules {
			for _, g := range r.APIGroups {
				for _, resource := range r.Resources {
					for _, v := range r.Verbs {
						all[right{g, resource, v}] = true
					}
				}
			}
		}
		return all
	}
	in, err := read(smallest(), facts())
	if err != nil {
		t.Fatal(err)
	}
	var needed []rbacv1.PolicyRule
	for _, p := range in.parts {
		for _, s := range p.sidecars {
			needed = append(needed, s.Rules(in.useOf(p, s))...)
			if p.serve(sidecar.Node) && len(s.Rules(in.useOf(p, s))) > 0 {
				t.Errorf("%s runs on nodes, whose account has no right at all", s.Name)
			}
		}
	}
	granted := clusterRoleOf(t, mustRender(t, smallest())).Rules
	if diff := cmp.Diff(rights(needed), rights(granted)); diff != "" {
		t.Errorf("-needed, +granted:\n%s", diff)
	}
}

func clusterRoleOf(t *testing.T, set Set) rbacv1.ClusterRole {
	t.Helper()
	for _, o := range set.Objects {
		if o.Intent.GetKind() == "ClusterRole" {
			return convert[rbacv1.ClusterRole](t, o.Intent.Object)
		}
	}
	t.Fatal("no ClusterRole")
	return rbacv1.ClusterRole{}
}

// TestAccountsOfBindings: nothing but the controller's account is bound.
func TestAccountsOfBindings(t *testing.T) {
	set := mustRender(t, smallest())
	want := []rbacv1.Subject{{Kind: "ServiceAccount", Name: NamesOf(set.Driver).Controller, Namespace: set.Namespace}}
	bindings := 0
	for _, o := range set.Objects {
		if !strings.HasSuffix(o.Intent.GetKind(), "Binding") {
			continue
		}
		bindings++
		b := convert[rbacv1.RoleBinding](t, o.Intent.Object)
		if diff := cmp.Diff(want, b.Subjects); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", o.Intent.GetKind(), diff)
		}
	}
	if bindings != 2 {
		t.Errorf("got %d bindings, want 2", bindings)
	}
}
