// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// TestRoleCoversWhatIsGranted: the operator may grant only what it holds.
func TestRoleCoversWhatIsGranted(t *testing.T) {
	role, err := operatorRole()
	if err != nil {
		t.Fatal(err)
	}
	held := permissions(role.Rules)
	for _, s := range sidecar.Catalogue() {
		for p := range permissions(s.Rules) {
			if !held[p] {
				t.Errorf("%s needs %s, which the operator does not hold", s.Name, p)
			}
		}
	}
	for p := range permissions(grantedRules(t)) {
		if !held[p] {
			t.Errorf("a rendered role needs %s, which the operator does not hold", p)
		}
	}
}

func TestRoleIsNarrow(t *testing.T) {
	role, err := operatorRole()
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range role.Rules {
		for _, word := range slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs) {
			if word == "*" || word == "escalate" || word == "bind" || word == "impersonate" {
				t.Errorf("rule %v has %q", rule, word)
			}
		}
		if slices.Contains(rule.Resources, "secrets") {
			t.Errorf("rule %v reads secrets", rule)
		}
	}
}

// grantedRules are the rules of all roles of a rendered driver.
func grantedRules(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	set, err := desired.Render(&v1alpha1.CSIDriverDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "pool.example.com"},
		Spec: v1alpha1.CSIDriverDeploymentSpec{
			Bundled: &v1alpha1.BundledDriver{Mode: v1alpha1.BundledShared, Path: "/srv/pool"},
		},
	}, facts)
	if err != nil {
		t.Fatal(err)
	}
	var rules []rbacv1.PolicyRule
	for _, o := range set.Objects {
		if k := o.Intent.GetKind(); k != "ClusterRole" && k != "Role" {
			continue
		}
		role := &rbacv1.ClusterRole{} // a Role's rules have the same shape
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Intent.Object, role); err != nil {
			t.Fatal(err)
		}
		rules = append(rules, role.Rules...)
	}
	if len(rules) == 0 {
		t.Fatal("no rules are rendered")
	}
	return rules
}

// permissions are the single rights of rules, whatever object names limit them.
func permissions(rules []rbacv1.PolicyRule) map[string]bool {
	out := map[string]bool{}
	for _, r := range rules {
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					out[fmt.Sprintf("%s %s/%s", verb, group, resource)] = true
				}
			}
		}
	}
	return out
}
