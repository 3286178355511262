// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/apply"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// ungranted says, by component, the first of its rights that a plan was to grant and that
// was not granted: the operator may not, or is not asked to. What new pods would need, and
// those that run may not, does not count.
func ungranted(p plan.Plan, report apply.Report) map[string]string {
	applied := map[plan.Ref]bool{}
	for _, a := range report.Applied {
		applied[a.Ref] = true
	}
	missing, changing := map[string]string{}, map[string]bool{}
	for _, change := range p {
		if !applied[change.Ref] && change.Intent != nil && isWorkload(change.Ref.Kind) {
			changing[change.Intent.GetLabels()[v1alpha1.LabelComponent]] = true
		}
	}
	for _, change := range p {
		if applied[change.Ref] || change.Intent == nil {
			continue
		}
		component := change.Intent.GetLabels()[v1alpha1.LabelComponent]
		if _, told := missing[component]; told {
			continue
		}
		if text := lack(change, changing[component]); text != "" {
			missing[component] = text
		}
	}
	return missing
}

func isWorkload(kind string) bool {
	return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet"}, kind)
}

// lack says what rights a change would give back; empty for none.
func lack(change plan.Change, changing bool) string {
	live, want := granted(change.Live), granted(change.Intent)
	switch {
	case want == nil:
		return ""
	case change.Live == nil:
		return change.Ref.String() + " is not there"
	case live == nil || !changing && !live.covers(want):
		return change.Ref.String() + " gives less than it should"
	default:
		return ""
	}
}

// grant is what a role or a binding gives.
type grant struct {
	Rules    []rbacv1.PolicyRule `json:"rules"`
	RoleRef  rbacv1.RoleRef      `json:"roleRef"`
	Subjects []rbacv1.Subject    `json:"subjects"`
}

// granted reads a role or a binding; nil for other kinds, and for what is neither.
func granted(u *unstructured.Unstructured) *grant {
	if u == nil || !slices.Contains([]string{"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}, u.GetKind()) {
		return nil
	}
	g := &grant{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, g); err != nil {
		return nil
	}
	return g
}

// covers tells whether a grant gives all that another one does.
func (g *grant) covers(want *grant) bool {
	all, _ := validation.Covers(g.Rules, want.Rules)
	missing := slices.ContainsFunc(want.Subjects, func(s rbacv1.Subject) bool { return !slices.Contains(g.Subjects, s) })
	return all && !missing && g.RoleRef == want.RoleRef
}
