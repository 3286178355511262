// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

const driver = "pool.example.com"

func rendered(t *testing.T) desired.Set {
	t.Helper()
	set, err := desired.Render(&v1alpha1.CSIDriverDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: driver},
		Spec: v1alpha1.CSIDriverDeploymentSpec{
			Namespace: "ns",
			Bundled:   &v1alpha1.BundledDriver{Mode: v1alpha1.BundledShared, Path: "/srv/pool"},
		},
	}, desired.Facts{PoolDriverImage: "pool:v1"})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// server is a fake API server that records what is applied, with or without
// force, and answers with an error for the kinds in fail.
type server struct {
	client.Client
	mu      sync.Mutex
	applied []string
	last    map[string]any // by kind: what was sent last
	fail    map[string]error
	foreign string // kind of an object that others write to
	uid     types.UID
	away    int // how many attempts to give that back fail
}

func newServer(fail map[string]error, objects ...client.Object) *server {
	s := &server{fail: fail, last: map[string]any{}}
	s.Client = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(objects...).
		WithInterceptorFuncs(interceptor.Funcs{Apply: s.apply}).Build()
	return s
}

func (s *server) apply(_ context.Context, _ client.WithWatch, intent runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	var object struct {
		Kind     string
		Metadata struct{ Name string }
	}
	text, err := json.Marshal(intent)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	var o client.ApplyOptions
	o.ApplyOptions(options)
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := object.Kind
	if o.Force == nil || !*o.Force {
		entry += " unforced"
	}
	s.applied = append(s.applied, entry)
	var sent map[string]any
	if err := json.Unmarshal(text, &sent); err != nil {
		return err
	}
	s.last[object.Kind] = sent
	if _, givenBack, _ := unstructured.NestedString(sent, "metadata", "uid"); givenBack && object.Kind == s.foreign && s.away > 0 {
		s.away--
		return errors.New("connection refused")
	}
	answer, ok := intent.(interface {
		SetGeneration(int64)
		SetManagedFields([]metav1.ManagedFieldsEntry)
		SetUID(types.UID)
	})
	if ok && object.Kind == "Deployment" {
		answer.SetGeneration(generation)
	}
	if ok && object.Kind == s.foreign {
		answer.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "helm"}})
		answer.SetUID(s.uid)
	}
	return s.fail[object.Kind]
}

// generation is what the server answers for Deployments.
const generation = 7

// planned is the plan for the rendered set where the objects exist.
func planned(t *testing.T, objects ...client.Object) plan.Plan {
	t.Helper()
	live := map[plan.Ref]*unstructured.Unstructured{}
	for _, o := range objects {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		if err != nil {
			t.Fatal(err)
		}
		u := &unstructured.Unstructured{Object: fields}
		kinds, _, err := scheme.Scheme.ObjectKinds(o)
		if err != nil {
			t.Fatal(err)
		}
		u.SetGroupVersionKind(kinds[0])
		u.SetManagedFields([]metav1.ManagedFieldsEntry{{
			Manager: v1alpha1.FieldOwner, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1("{}"),
		}})
		live[plan.RefOf(u)] = u
	}
	p, err := plan.Make(plan.Input{
		Driver: driver, Wanted: rendered(t).Objects, Live: live,
		Use: func() (plan.Use, error) { return plan.Use{}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestApplyReportsAnswers(t *testing.T) {
	s := newServer(nil)
	report, err := New(s, s).Apply(t.Context(), planned(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range report.Applied {
		want := int64(0)
		if a.Kind == "Deployment" {
			want = generation
		}
		if a.Object.GetGeneration() != want {
			t.Errorf("%s has generation %d, want %d", a, a.Object.GetGeneration(), want)
		}
	}
}

// TestTakenInARace gives back what turned out to be somebody else's: it came up
// after the plan was made.
func TestTakenInARace(t *testing.T) {
	s := newServer(nil)
	s.foreign, s.uid, s.away = "CSIDriver", "theirs", 10 // an API server that is started anew
	p := planned(t)
	_, err := New(s, s).Apply(t.Context(), p)
	var conflict *ConflictError
	if !errors.As(err, &conflict) || conflict.Object.Kind != "CSIDriver" {
		t.Errorf("error %v, want a conflict about the CSIDriver", err)
	}
	if n := len(slices.DeleteFunc(slices.Clone(s.applied), func(a string) bool { return a != "CSIDriver unforced" })); n != 12 {
		t.Errorf("applied %q, want the CSIDriver 12 times: the intent, and nothing until that is taken", s.applied)
	}
	if diff := cmp.Diff(map[string]any{"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": map[string]any{"name": driver, "uid": "theirs"}}, s.last["CSIDriver"]); diff != "" {
		t.Errorf("given back by: -want, +got:\n%s", diff)
	}
	if slices.Contains(s.applied, "Deployment") {
		t.Errorf("went on all the same: %q", s.applied)
	}
	for i := range p {
		p[i].Last = "theirs" // it is ours, and the cache is far behind
	}
	if _, err := New(s, s).Apply(t.Context(), p); err != nil {
		t.Errorf("our own object is taken for a foreign one: %v", err)
	}
}

// TestForcedOnTheObjectThatWasSeen: another one that has taken its place may be foreign.
func TestForcedOnTheObjectThatWasSeen(t *testing.T) {
	seen := csiDriver(desired.Selector(driver))
	seen.UID = "seen"
	s := newServer(nil, seen)
	if _, err := New(s, s).Apply(t.Context(), planned(t, seen)); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]string{"CSIDriver": "seen", "StorageClass": "", "Deployment": ""} {
		if got, _, err := unstructured.NestedString(s.last[kind].(map[string]any), "metadata", "uid"); err != nil || got != want {
			t.Errorf("%s was sent with uid %q (%v), want %q", kind, got, err, want)
		}
	}
}

func csiDriver(labels map[string]string) *storagev1.CSIDriver {
	return &storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: driver, Labels: labels}}
}

func class(name, owner string) *storagev1.StorageClass {
	return &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelDeployment: owner}},
		Provisioner: driver,
	}
}

func TestApply(t *testing.T) {
	// Within a wave the order is not fixed, so kinds are sorted in each.
	accounts := []string{"CSIDriver unforced", "ClusterRole", "Role", "ServiceAccount", "ServiceAccount"}
	bindings := []string{"ClusterRoleBinding", "RoleBinding"}
	workloads := []string{"DaemonSet", "Deployment", "PodDisruptionBudget", "StorageClass unforced"}
	cases := map[string]struct {
		fail    map[string]error
		objects []client.Object
		want    [][]string // waves of applied kinds
		removed []plan.Ref
		err     error // of which the sort counts
	}{
		"First": {
			want: [][]string{accounts, bindings, workloads},
		},
		"Again": {
			objects: []client.Object{csiDriver(desired.Selector(driver)), class(driver, driver)},
			want: [][]string{
				{"CSIDriver", "ClusterRole", "Role", "ServiceAccount", "ServiceAccount"}, bindings, {"DaemonSet", "Deployment", "PodDisruptionBudget", "StorageClass"},
			},
		},
		"ForeignCSIDriver": {
			objects: []client.Object{csiDriver(nil)},
			err:     &ConflictError{},
		},
		"ClassOfAnother": {
			objects: []client.Object{class(driver, "other.example.com")},
			err:     &ConflictError{},
		},
		"OldClassesGo": {
			objects: []client.Object{class("old", driver), class("foreign", "other.example.com")},
			want:    [][]string{accounts, bindings, workloads},
			removed: []plan.Ref{{Kind: "StorageClass", Name: "old"}},
		},
		"OldRightsWaitAndKeepNothingElse": {
			objects: []client.Object{
				class("old", driver),
				&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "old", Namespace: "ns", Labels: desired.Selector(driver)}},
				&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "old", Labels: desired.Selector(driver)}},
			},
			want:    [][]string{accounts, bindings, workloads},
			removed: []plan.Ref{{Kind: "StorageClass", Name: "old"}, {Kind: "Deployment", Namespace: "ns", Name: "old"}},
			err:     &BlockedError{Passing: true},
		},
		"DeniedRightsKeepPodsAway": {
			fail: map[string]error{"ClusterRole": answer(http.StatusForbidden, metav1.StatusReasonForbidden, "RBAC permissions not currently held: {x}")},
			want: [][]string{accounts},
			err:  &DeniedError{},
		},
		"RefusedClassKeepsNothingElse": {
			objects: []client.Object{class("old", driver)},
			fail: map[string]error{
				"CSIDriver":    answer(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "no"),
				"StorageClass": answer(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "no"),
			},
			want:    [][]string{accounts, bindings, workloads},
			removed: []plan.Ref{{Kind: "StorageClass", Name: "old"}},
			err:     &RefusedError{},
		},
		"TryAgain": {
			fail: map[string]error{"Deployment": errors.New("connection refused")},
			want: [][]string{accounts, bindings, workloads},
			err:  errors.New(""),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newServer(tc.fail, tc.objects...)
			report, err := New(s, s).Apply(t.Context(), planned(t, tc.objects...))
			if (err == nil) != (tc.err == nil) || err != nil && sortOf(first(err)) != sortOf(tc.err) {
				t.Errorf("error %v (%T), want a %T", err, err, tc.err)
			}
			if diff := cmp.Diff(tc.want, s.waves(tc.want), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("waves: -want, +got:\n%s", diff)
			}
			if diff := cmp.Diff(tc.removed, report.Removed); diff != "" {
				t.Errorf("removed: -want, +got:\n%s", diff)
			}
			if len(report.Applied)+countFailed(tc.fail, s.applied) != len(s.applied) {
				t.Errorf("reports %v of %v", report.Applied, s.applied)
			}
		})
	}
}

// waves cuts what was applied into parts as long as the wanted ones; what is
// too much is one part more.
func (s *server) waves(like [][]string) [][]string {
	var out [][]string
	rest := s.applied
	for _, w := range like {
		n := min(len(w), len(rest))
		part := slices.Sorted(slices.Values(rest[:n]))
		out, rest = append(out, part), rest[n:]
	}
	if len(rest) > 0 {
		out = append(out, rest)
	}
	return out
}

func countFailed(fail map[string]error, applied []string) (n int) {
	for _, a := range applied {
		for kind := range fail {
			if a == kind || a == kind+" unforced" {
				n++
			}
		}
	}
	return n
}

// first is the first of joined errors.
func first(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()[0]
	}
	return err
}

func TestApplyChangesNoIntent(t *testing.T) {
	p, before := planned(t), planned(t)
	s := newServer(nil)
	if _, err := New(s, s).Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, p); diff != "" {
		t.Errorf("-before, +after:\n%s", diff)
	}
}

func TestDeleteLeases(t *testing.T) {
	names := desired.Leases(driver)
	if len(names) < 3 {
		t.Fatalf("too few leases to test: %q", names)
	}
	lease := func(i int, holder *string) *coordinationv1.Lease {
		return &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: names[i], Namespace: "ns"},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: holder},
		}
	}
	other := lease(0, nil)
	other.Name = "unrelated"
	s := newServer(nil, lease(0, new(desired.NamesOf(driver).Controller+"-7d9c-x2x4z")), lease(1, new("helm-release-0")), lease(2, nil), other)
	if err := New(s, s).DeleteLeases(t.Context(), driver, "ns", desired.NamesOf(driver).Controller); err != nil {
		t.Fatal(err)
	}
	list := &coordinationv1.LeaseList{}
	if err := s.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, l := range list.Items {
		left = append(left, l.Name)
	}
	want := []string{names[1], "unrelated"}
	slices.Sort(want)
	slices.Sort(left)
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestExpired(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	renewed := func(ago time.Duration, seconds int32) coordinationv1.LeaseSpec {
		return coordinationv1.LeaseSpec{RenewTime: new(metav1.NewMicroTime(now.Add(-ago))), LeaseDurationSeconds: new(seconds)}
	}
	cases := map[string]struct {
		lease coordinationv1.LeaseSpec
		want  bool
	}{
		"JustRenewed":    {renewed(time.Second, 15), false},
		"AtItsEnd":       {renewed(15*time.Second, 15), false},
		"Over":           {renewed(16*time.Second, 15), true},
		"NeverRenewed":   {coordinationv1.LeaseSpec{LeaseDurationSeconds: new(int32(15))}, false},
		"OfNoDuration":   {coordinationv1.LeaseSpec{RenewTime: new(metav1.NewMicroTime(now.Add(-time.Hour)))}, false},
		"LongerThanMost": {renewed(time.Minute, 137), false},
	}
	for name, tc := range cases {
		if got := expired(tc.lease, now); got != tc.want {
			t.Errorf("%s: expired is %t", name, got)
		}
	}
}
