// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

func TestUngranted(t *testing.T) {
	change := func(kind, component string, action plan.Action, fields ...string) plan.Change {
		u := &unstructured.Unstructured{}
		u.SetLabels(map[string]string{v1alpha1.LabelComponent: component})
		return plan.Change{Ref: plan.Ref{Kind: kind, Name: "x"}, Action: action, Fields: fields, Intent: u}
	}
	blocked := change("Role", "c", plan.Blocked)
	blocked.Intent = nil
	cases := map[string]struct {
		plan    plan.Plan
		applied []apply.Applied
		want    map[string]string
	}{
		"Missing":      {plan: plan.Plan{change("Role", "c", plan.Create)}, want: map[string]string{"c": `Role "x" is not there`}},
		"OthersRules":  {plan: plan.Plan{change("ClusterRole", "c", plan.Heal, "rules")}, want: map[string]string{"c": `ClusterRole "x" is not as rendered`}},
		"OthersPerson": {plan: plan.Plan{change("RoleBinding", "c", plan.Heal, "metadata.labels", "subjects[0].name")}, want: map[string]string{"c": `RoleBinding "x" is not as rendered`}},
		"OthersRole":   {plan: plan.Plan{change("RoleBinding", "c", plan.Apply, "roleRef.name")}, want: map[string]string{"c": `RoleBinding "x" is not as rendered`}},
		"OnlyALabel":   {plan: plan.Plan{change("Role", "c", plan.Heal, "metadata.labels")}},
		"NoRight":      {plan: plan.Plan{change("ServiceAccount", "c", plan.Create)}},
		"Granted":      {plan: plan.Plan{change("Role", "c", plan.Create)}, applied: []apply.Applied{{Ref: plan.Ref{Kind: "Role", Name: "x"}}}},
		"NotNow":       {plan: plan.Plan{blocked}},
		"TheFirstOfEach": {
			plan: plan.Plan{change("Role", "c", plan.Create), change("ClusterRole", "c", plan.Create), change("ClusterRole", "n", plan.Create)},
			want: map[string]string{"c": `Role "x" is not there`, "n": `ClusterRole "x" is not there`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.want == nil {
				tc.want = map[string]string{}
			}
			if diff := cmp.Diff(tc.want, ungranted(tc.plan, apply.Report{Applied: tc.applied})); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestRightsAreGone: nobody puts back a right of a driver that is not managed, and its
// sidecars, which run as before, are told not to work.
func TestRightsAreGone(t *testing.T) {
	t.Parallel()
	d := healthy(t, installed(t))
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.ManagementState = v1alpha1.Unmanaged })
	binding := &rbacv1.ClusterRoleBinding{}
	read(t, client.ObjectKey{Name: desired.NamesOf(d.Name).Controller}, binding)
	if err := cluster.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	await(t, "the rows tell of it", func() error {
		told := 0
		for _, s := range refresh(t, d).Status.Sidecars {
			want := s.Lease != ""
			if got := strings.Contains(s.Message, "its account lacks rights: ClusterRoleBinding \""+binding.Name+"\" is not there"); got != want || want != (s.State == v1alpha1.SidecarDown) {
				return fmt.Errorf("row is %+v", s)
			}
			if want {
				told++
			}
		}
		if told == 0 {
			return fmt.Errorf("no row needs rights: %+v", d.Status.Sidecars)
		}
		return nil
	})
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.ManagementState = v1alpha1.Managed })
	awaitCondition(t, d, v1alpha1.ConditionReady, "True", v1alpha1.ReasonReady)
}
