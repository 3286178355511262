// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// rival is one of the deployments a-b and a.b, whose Leases have one name.
func rival(name string, made time.Time, installed bool) *v1alpha1.CSIDriverDeployment {
	d := &v1alpha1.CSIDriverDeployment{ObjectMeta: metav1.ObjectMeta{
		Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(made),
	}}
	if installed {
		d.Status.Driver.Name = name
	}
	return d
}

// TestWhoStays asks both of two rivals, in both orders.
func TestWhoStays(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	planning := rival("a.b", now.Add(-time.Hour), false)
	planning.Spec.ManagementState = v1alpha1.PlanOnly
	cases := map[string]struct {
		dash, dot *v1alpha1.CSIDriverDeployment
		want      string
	}{
		"TheOneThatDoesNotOnlyPlan":          {rival("a-b", now, false), planning, "a-b"},
		"TheInstalledOneWhateverItsName":     {rival("a-b", now, false), rival("a.b", now, true), "a.b"},
		"TheInstalledOneThatIsFirstByName":   {rival("a-b", now, true), rival("a.b", now, false), "a-b"},
		"TheInstalledOneThoughItIsYounger":   {rival("a-b", now, false), rival("a.b", now.Add(time.Hour), true), "a.b"},
		"TheOlderOneOfTwoNew":                {rival("a-b", now.Add(time.Second), false), rival("a.b", now, false), "a.b"},
		"TheFirstByNameOfTwoMadeInOneSecond": {rival("a-b", now, false), rival("a.b", now, false), "a-b"},
		"TheFirstByNameOfTwoInstalled":       {rival("a-b", now, true), rival("a.b", now, true), "a-b"},
	}
	for name, tc := range cases {
		for order, asked := range map[string][]*v1alpha1.CSIDriverDeployment{"DashFirst": {tc.dash, tc.dot}, "DotFirst": {tc.dot, tc.dash}} {
			t.Run(name+"/"+order, func(t *testing.T) {
				r := &Reconciler{client: fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(tc.dash, tc.dot).Build(), facts: facts}
				var stay []string
				for _, d := range asked {
					if err := r.admit(t.Context(), d, desired.Set{}); err == nil {
						stay = append(stay, d.Name)
					}
				}
				if diff := cmp.Diff([]string{tc.want}, stay); diff != "" {
					t.Errorf("-want, +got:\n%s", diff)
				}
			})
		}
	}
}

// TestAdmittedBeforeItsStatusSaysSo: the second one is made while the first one
// is being applied, and no status tells of it yet.
func TestAdmittedBeforeItsStatusSaysSo(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	dot, dash := rival("a.b", now, false), rival("a-b", now, false)
	server := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(dot).Build()
	r := &Reconciler{client: server, facts: facts}
	if err := r.admit(t.Context(), dot, desired.Set{}); err != nil {
		t.Fatal(err)
	}
	if err := server.Create(t.Context(), dash); err != nil {
		t.Fatal(err)
	}
	if err := r.admit(t.Context(), dash, desired.Set{}); err == nil || !strings.Contains(err.Error(), `"a.b", which came first`) {
		t.Errorf("the second one: %v", err)
	}
	if err := r.admit(t.Context(), dot, desired.Set{}); err != nil {
		t.Errorf("the first one lost its place: %v", err)
	}
	if err := server.Delete(t.Context(), dot); err != nil {
		t.Fatal(err)
	}
	r.admitted.forget(dot.UID)
	if err := r.admit(t.Context(), dash, desired.Set{}); err != nil {
		t.Errorf("after the first one has gone: %v", err)
	}
}

// TestOnePortForOne: two drivers cannot both listen at one port of the nodes.
func TestOnePortForOne(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(port int32) desired.Set {
		return desired.Set{Ports: []v1alpha1.HostPort{{Component: "node", Container: "livenessprobe", Port: port}}}
	}
	first, second := rival("first", now, false), rival("second", now.Add(time.Second), false)
	server := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(first, second).Build()
	r := &Reconciler{client: server, facts: facts}
	if err := r.admit(t.Context(), first, at(29652)); err != nil {
		t.Fatal(err)
	}
	want := `spec: livenessprobe of node would take port 29652 of the nodes, which livenessprobe of CSIDriverDeployment "first" has; give it another one`
	if err := r.admit(t.Context(), second, at(29652)); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("the second one: %v\nwant %s", err, want)
	}
	if err := r.admit(t.Context(), second, at(29653)); err != nil {
		t.Errorf("with another port: %v", err)
	}
	r = &Reconciler{client: server, facts: facts} // a new process, which knows what status says
	first.Status.Driver.Name, first.Status.HostPorts = first.Name, at(29653).Ports
	if err := server.Update(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := r.admit(t.Context(), second, at(29653)); err == nil {
		t.Error("the status of the first one does not count")
	}
}

// TestWhoHoldsAPortKeepsIt, also from an older driver that comes to want it.
func TestWhoHoldsAPortKeepsIt(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	older, younger := rival("older", now, true), rival("younger", now.Add(time.Second), true)
	port := []v1alpha1.HostPort{{Component: "node", Container: "livenessprobe", Port: 29652}}
	younger.Status.HostPorts = port
	server := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(older, younger).Build()
	r := &Reconciler{client: server, facts: facts}
	if err := r.admit(t.Context(), older, desired.Set{Ports: port}); err == nil {
		t.Error("the older one took the port")
	}
	if err := r.admit(t.Context(), younger, desired.Set{Ports: port}); err != nil {
		t.Errorf("the younger one lost it: %v", err)
	}
}
