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

// TestUngranted: what is not there or gives less counts; what gives more, or what only new
// pods need, does not.
func TestUngranted(t *testing.T) {
	object := func(kind string, rules ...any) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"kind": kind}}
		u.SetLabels(map[string]string{v1alpha1.LabelComponent: "c"})
		if rules != nil {
			u.Object["rules"] = rules
		}
		return u
	}
	rule := func(verbs ...any) any {
		return map[string]any{"apiGroups": []any{""}, "resources": []any{"pods"}, "verbs": verbs}
	}
	binding := func(role string, accounts ...string) *unstructured.Unstructured {
		u := object("RoleBinding")
		u.Object["roleRef"] = map[string]any{"kind": "Role", "name": role}
		var subjects []any
		for _, name := range accounts {
			subjects = append(subjects, map[string]any{"kind": "ServiceAccount", "name": name})
		}
		u.Object["subjects"] = subjects
		return u
	}
	change := func(want, live *unstructured.Unstructured) plan.Change {
		return plan.Change{Ref: plan.Ref{Kind: want.GetKind(), Name: "x"}, Intent: want, Live: live}
	}
	workload := change(object("Deployment"), object("Deployment"))
	role := change(object("Role", rule("get")), object("Role"))
	blocked := role
	blocked.Intent = nil
	odd := object("Role")
	odd.Object["rules"] = "odd"
	const less = ` "x" gives less than it should`
	cases := map[string]struct {
		plan    plan.Plan
		applied []apply.Applied
		want    string
	}{
		"NotThere":       {plan: plan.Plan{change(object("Role", rule("get")), nil)}, want: `Role "x" is not there`},
		"FewerRules":     {plan: plan.Plan{role}, want: "Role" + less},
		"OtherRules":     {plan: plan.Plan{change(object("ClusterRole", rule("get", "list")), object("ClusterRole", rule("get")))}, want: "ClusterRole" + less},
		"MoreRules":      {plan: plan.Plan{change(object("Role", rule("get")), object("Role", rule("get", "list"), rule("watch")))}},
		"NoRules":        {plan: plan.Plan{change(object("Role", rule("get")), odd)}, want: "Role" + less},
		"OtherAccount":   {plan: plan.Plan{change(binding("r", "a"), binding("r", "b"))}, want: "RoleBinding" + less},
		"OneMoreAccount": {plan: plan.Plan{change(binding("r", "a"), binding("r", "b", "a"))}},
		"OtherRole":      {plan: plan.Plan{change(binding("r", "a"), binding("s", "a"))}, want: "RoleBinding" + less},
		"NewPodsNeedIt":  {plan: plan.Plan{role, workload}},
		"NewPodsAreThere": {
			plan: plan.Plan{role, workload}, applied: []apply.Applied{{Ref: workload.Ref}}, want: "Role" + less,
		},
		"NothingAndNewPods": {plan: plan.Plan{change(object("Role", rule("get")), nil), workload}, want: `Role "x" is not there`},
		"NoRight":           {plan: plan.Plan{change(object("ServiceAccount"), nil)}},
		"Granted":           {plan: plan.Plan{role}, applied: []apply.Applied{{Ref: role.Ref}}},
		"NotNow":            {plan: plan.Plan{blocked}},
		"TheFirst":          {plan: plan.Plan{change(binding("r", "a"), nil), role}, want: `RoleBinding "x" is not there`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want := map[string]string{}
			if tc.want != "" {
				want["c"] = tc.want
			}
			if diff := cmp.Diff(want, ungranted(tc.plan, apply.Report{Applied: tc.applied})); diff != "" {
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
