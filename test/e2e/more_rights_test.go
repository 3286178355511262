// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// customDriverAsksForMore has a driver ask for a right that the operator does not have,
// and so cannot grant; and then somebody gives it that right.
func customDriverAsksForMore(t *testing.T) {
	more := rbacv1.PolicyRule{APIGroups: []string{"example.com"}, Resources: []string{"widgets"}, Verbs: []string{"get"}}
	before := operatorPods(t)
	d := testDriver("greedy.example.com", claiming("Identity/CONTROLLER_SERVICE"))
	d.Spec.Pod = fragment(`{"volumes":[{"name":"data","emptyDir":{}}]}`)
	d.Spec.Controller.Replicas = new(int32(1))
	d.Spec.Nodes = []v1alpha1.NodePool{}
	d.Spec.RBAC.Controller = []rbacv1.PolicyRule{more}
	create(t, d)
	await(t, "the right is denied", condition(d, v1alpha1.ConditionApplied, "False", v1alpha1.ReasonRBACDenied))
	message := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionApplied).Message
	for _, part := range []string{"example.com", "widgets", "get", "ClusterRoleBinding"} {
		if !strings.Contains(message, part) {
			t.Errorf("message %q lacks %q", message, part)
		}
	}

	about := metav1.ObjectMeta{Name: "e2e-csi-operator-widgets"}
	create(t, &rbacv1.ClusterRole{ObjectMeta: about, Rules: []rbacv1.PolicyRule{more}})
	create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: about,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: about.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "csi-operator", Namespace: operatorNamespace}},
	})
	await(t, "one more binding heals it", condition(d, v1alpha1.ConditionApplied, "True", v1alpha1.ReasonApplied))
	await(t, "and the driver is Ready", ready(d))
	if diff := cmp.Diff([]rbacv1.PolicyRule{more}, rightsOf(t, d).cluster); diff != "" {
		t.Errorf("rules of the driver: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(before, operatorPods(t)); diff != "" {
		t.Errorf("the operator was restarted: -before, +after:\n%s", diff)
	}
	noteRights(t, d)
}
