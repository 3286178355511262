// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// customDriverAsksForMore has a driver ask for two rights that the operator does not come
// with: one it has got by a labelled ClusterRole, the other it lacks, and so cannot grant,
// until somebody gives it that one too.
func customDriverAsksForMore(t *testing.T) {
	more := rbacv1.PolicyRule{APIGroups: []string{"example.com"}, Resources: []string{"widgets"}, Verbs: []string{"get"}}
	labelled := rbacv1.PolicyRule{APIGroups: []string{"example.com"}, Resources: []string{"gadgets"}, Verbs: []string{"get"}}
	before := operatorPods(t)
	create(t, &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-csi-operator-gadgets", Labels: map[string]string{"csi-operator.io/more-rights": "true"}},
		Rules:      []rbacv1.PolicyRule{labelled},
	})
	await(t, "the labelled role is added to the operator's", func(ctx context.Context) error {
		role := &rbacv1.ClusterRole{}
		if err := shared.Get(ctx, client.ObjectKey{Name: "csi-operator-more-rights"}, role); err != nil {
			return err
		}
		if diff := cmp.Diff([]rbacv1.PolicyRule{labelled}, role.Rules); diff != "" {
			return fmt.Errorf("-want, +got:\n%s", diff)
		}
		return nil
	})
	d := testDriver("greedy.example.com", claiming("Identity/CONTROLLER_SERVICE"))
	d.Spec.Pod = fragment(`{"volumes":[{"name":"data","emptyDir":{}}]}`)
	d.Spec.Controller.Replicas = new(int32(1))
	d.Spec.Nodes = []v1alpha1.NodePool{}
	d.Spec.RBAC.Controller = []rbacv1.PolicyRule{labelled, more}
	create(t, d)
	await(t, "the right is denied", condition(d, v1alpha1.ConditionApplied, "False", v1alpha1.ReasonRBACDenied))
	record(t, "right-denied", d)
	message := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionApplied).Message
	for _, part := range []string{"example.com", "widgets", "get", "ClusterRoleBinding"} {
		if !strings.Contains(message, part) {
			t.Errorf("message %q lacks %q", message, part)
		}
	}
	if strings.Contains(message, "gadgets") {
		t.Errorf("message %q tells of a right that the operator has", message)
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
	if diff := cmp.Diff([]rbacv1.PolicyRule{labelled, more}, rightsOf(t, d).cluster); diff != "" {
		t.Errorf("rules of the driver: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(before, operatorPods(t)); diff != "" {
		t.Errorf("the operator was restarted: -before, +after:\n%s", diff)
	}
	noteRights(t, d)
}
