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

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
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
	fail    map[string]error
}

func newServer(fail map[string]error, objects ...client.Object) *server {
	s := &server{fail: fail}
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
	if answer, ok := intent.(interface{ SetGeneration(int64) }); ok && object.Kind == "Deployment" {
		answer.SetGeneration(generation)
	}
	return s.fail[object.Kind]
}

// generation is what the server answers for Deployments.
const generation = 7

func TestApplyReportsGenerations(t *testing.T) {
	s := newServer(nil, namespace())
	report, err := New(s, s).Apply(t.Context(), rendered(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range report.Applied {
		want := int64(0)
		if a.Kind == "Deployment" {
			want = generation
		}
		if a.Generation != want {
			t.Errorf("%s has generation %d, want %d", a, a.Generation, want)
		}
	}
}

// TestCacheIsBehind: what the cache does not show yet is looked for where it
// would be, before the first write.
func TestCacheIsBehind(t *testing.T) {
	cases := map[string]struct {
		live    client.Object
		applied string
		err     error
	}{
		"ForeignCSIDriver":    {live: csiDriver(nil), err: &ConflictError{}},
		"ForeignStorageClass": {live: class(driver, "other.example.com"), err: &ConflictError{}},
		"OurCSIDriver":        {live: csiDriver(desired.Selector(driver)), applied: "CSIDriver"},
		"OurStorageClass":     {live: class(driver, driver), applied: "StorageClass"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cached, live := newServer(nil, namespace()), newServer(nil, tc.live)
			_, err := New(cached, live).Apply(t.Context(), rendered(t))
			if (err == nil) != (tc.err == nil) || err != nil && sortOf(err) != sortOf(tc.err) {
				t.Errorf("error %v, want a %T", err, tc.err)
			}
			if tc.err != nil && len(cached.applied) > 0 {
				t.Errorf("applied all the same: %q", cached.applied)
			}
			if tc.err == nil && !slices.Contains(cached.applied, tc.applied) {
				t.Errorf("%s is not forced: %q", tc.applied, cached.applied)
			}
		})
	}
}

func namespace() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns"}}
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
	accounts := []string{"ClusterRole", "Role", "ServiceAccount", "ServiceAccount"}
	bindings := []string{"ClusterRoleBinding", "RoleBinding"}
	workloads := []string{"DaemonSet", "Deployment"}
	cases := map[string]struct {
		fail    map[string]error
		objects []client.Object
		want    [][]string // waves of applied kinds
		removed []Object
		err     error // of which the sort counts
	}{
		"First": {
			objects: []client.Object{namespace()},
			want:    [][]string{accounts, bindings, {"CSIDriver unforced"}, workloads, {"StorageClass unforced"}},
		},
		"Again": {
			objects: []client.Object{namespace(), csiDriver(desired.Selector(driver)), class(driver, driver)},
			want:    [][]string{accounts, bindings, {"CSIDriver"}, workloads, {"StorageClass"}},
		},
		"NoNamespace": {err: &NamespaceError{}},
		"ForeignCSIDriver": {
			objects: []client.Object{namespace(), csiDriver(nil)},
			err:     &ConflictError{},
		},
		"ClassOfAnother": {
			objects: []client.Object{namespace(), class(driver, "other.example.com")},
			err:     &ConflictError{},
		},
		"OldClassesGo": {
			objects: []client.Object{namespace(), class("old", driver), class("foreign", "other.example.com")},
			want:    [][]string{accounts, bindings, {"CSIDriver unforced"}, workloads, {"StorageClass unforced"}},
			removed: []Object{{Kind: "StorageClass", Name: "old"}},
		},
		"DeniedRightsKeepPodsAway": {
			objects: []client.Object{namespace()},
			fail:    map[string]error{"ClusterRole": answer(http.StatusForbidden, metav1.StatusReasonForbidden, "RBAC permissions not currently held: {x}")},
			want:    [][]string{accounts},
			err:     &DeniedError{},
		},
		"RefusedClassKeepsNothingElse": {
			objects: []client.Object{namespace(), class("old", driver)},
			fail: map[string]error{
				"CSIDriver":    answer(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "no"),
				"StorageClass": answer(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "no"),
			},
			want:    [][]string{accounts, bindings, {"CSIDriver unforced"}, workloads, {"StorageClass unforced"}},
			removed: []Object{{Kind: "StorageClass", Name: "old"}},
			err:     &RefusedError{},
		},
		"TryAgain": {
			objects: []client.Object{namespace()},
			fail:    map[string]error{"Deployment": errors.New("connection refused")},
			want:    [][]string{accounts, bindings, {"CSIDriver unforced"}, workloads, {"StorageClass unforced"}},
			err:     errors.New(""),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newServer(tc.fail, tc.objects...)
			report, err := New(s, s).Apply(t.Context(), rendered(t))
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
	set := rendered(t)
	before := rendered(t)
	s := newServer(nil, namespace())
	if _, err := New(s, s).Apply(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, set); diff != "" {
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
	if err := New(s, s).DeleteLeases(t.Context(), driver, "ns"); err != nil {
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
