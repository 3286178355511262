// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// TestRoleIsExact: the operator holds what it grants, since it may grant no
// more, and what it needs itself, and nothing else.
func TestRoleIsExact(t *testing.T) {
	role, err := operatorRole()
	if err != nil {
		t.Fatal(err)
	}
	want := permissions(slices.Concat(grantedRules(t, facts), ownRules()))
	everything := sidecar.Use{
		Capabilities: sidecar.NewCapabilities(sidecar.KnownCapabilities()...), Secrets: true, OwnedBy: "Deployment",
		Args: []string{"--enable-capacity", "--feature-gates=CrossNamespaceVolumeDataSource=true"},
	}
	for _, s := range sidecar.Catalogue() {
		maps.Copy(want, permissions(s.Rules(everything)))
		maps.Copy(want, permissions(s.NamespaceRules(everything)))
	}
	maps.Copy(want, permissions(sidecar.InspectorRules("any")))
	maps.Copy(want, permissions(openShiftRules(t)))
	if diff := cmp.Diff(want, permissions(role.Rules)); diff != "" {
		t.Errorf("-needed, +held:\n%s", diff)
	}
}

// openShiftRules are those of the roles of a driver that are for OpenShift.
func openShiftRules(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	there := facts
	there.OpenShift = true
	return slices.DeleteFunc(grantedRules(t, there), func(r rbacv1.PolicyRule) bool { return !slices.Contains(r.APIGroups, "security.openshift.io") })
}

// ownRules are what the operator does itself.
func ownRules() []rbacv1.PolicyRule {
	own := func(group string, resources []string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: verbs}
	}
	watched := []string{"list", "watch"}
	children := []string{"list", "watch", "create", "patch", "delete"}
	return []rbacv1.PolicyRule{
		// Its object: the cache, the finalizer, the status.
		own("csi-operator.io", []string{"csidriverdeployments"}, "list", "watch", "patch"),
		own("csi-operator.io", []string{"csidriverdeployments/status"}, "update"),
		// Its children: server-side apply is a patch that may create.
		own("", []string{"serviceaccounts", "configmaps"}, children...),
		own("apps", []string{"deployments", "daemonsets", "statefulsets"}, children...),
		own("rbac.authorization.k8s.io", []string{"clusterroles", "clusterrolebindings", "roles", "rolebindings"}, children...),
		own("policy", []string{"poddisruptionbudgets"}, children...),
		own("storage.k8s.io", []string{"csidrivers", "storageclasses", "volumeattributesclasses"}, children...),
		own("snapshot.storage.k8s.io", []string{"volumesnapshotclasses"}, children...),
		own("groupsnapshot.storage.k8s.io", []string{"volumegroupsnapshotclasses"}, children...),
		// What it looks at.
		own("", []string{"namespaces", "nodes", "pods", "persistentvolumes"}, watched...),
		own("storage.k8s.io", []string{"csinodes", "volumeattachments"}, watched...),
		own("", []string{"nodes"}, "list", "watch", "patch"), // which nodes there are; startup taints
		own("apiextensions.k8s.io", []string{"customresourcedefinitions"}, watched...),
		// Its own leader Lease, and the sidecars': who leads, and at a removal.
		own("coordination.k8s.io", []string{"leases"}, "get", "list", "watch", "create", "update", "delete"),
		own("events.k8s.io", []string{"events"}, "create", "patch"),
		own("", []string{"events"}, "list"), // what only they tell
		// Who may read the metrics.
		own("authentication.k8s.io", []string{"tokenreviews"}, "create"),
		own("authorization.k8s.io", []string{"subjectaccessreviews"}, "create"),
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
		if slices.Contains(rule.Resources, "secrets") && !slices.Equal(rule.Verbs, []string{"get"}) {
			t.Errorf("rule %v does more than read a secret by its name", rule)
		}
		if slices.Contains(rule.Resources, "securitycontextconstraints") && !slices.Equal(rule.ResourceNames, []string{"privileged"}) {
			t.Errorf("rule %v is of more than one SecurityContextConstraints", rule)
		}
	}
}

// grantedRules are the rules of all roles of a rendered driver.
func grantedRules(t *testing.T, facts desired.Facts) []rbacv1.PolicyRule {
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
