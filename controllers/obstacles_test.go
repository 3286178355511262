// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func TestNamespaceAbsentThenThere(t *testing.T) {
	t.Parallel()
	d := driver(t)
	create(t, d)
	message := awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonNamespaceMissing)
	for _, part := range []string{d.Spec.Namespace, "kubectl create ns", "pod-security.kubernetes.io/enforce=privileged"} {
		if !strings.Contains(message, part) {
			t.Errorf("message lacks %q: %s", part, message)
		}
	}
	if got := owned(t, d.Name); len(got) > 0 {
		t.Errorf("%d objects were made without the namespace", len(got))
	}
	createNamespace(t, d.Spec.Namespace)
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
}

func TestRemovalWithoutNamespace(t *testing.T) {
	t.Parallel()
	d := driver(t)
	create(t, d)
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonNamespaceMissing)
	remove(t, d)
	awaitGone(t, d)
}

func TestNamespaceTerminating(t *testing.T) {
	t.Parallel()
	d := driver(t)
	ns := createNamespace(t, d.Spec.Namespace)
	// Nothing here finishes the deletion of a namespace.
	if err := cluster.Delete(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	create(t, d)
	message := awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonNamespaceMissing)
	if !strings.Contains(message, "is being deleted") {
		t.Errorf("message: %s", message)
	}
	remove(t, d)
	awaitGone(t, d)
}

func TestSharedLeases(t *testing.T) {
	t.Parallel()
	first := driver(t)
	namespace := first.Spec.Namespace
	createNamespace(t, namespace)
	second := driver(t)
	// Of two that are not installed, the first by name would win.
	first.Name, second.Name = first.Name+".x", first.Name+"-x"
	second.Spec.Namespace = namespace

	create(t, first)
	awaitCondition(t, first, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	create(t, second)
	message := awaitCondition(t, second, v1alpha1.ConditionSpecValid, metav1.ConditionFalse, v1alpha1.ReasonInvalid)
	if !strings.Contains(message, first.Name) || !strings.Contains(message, "another namespace") {
		t.Errorf("message: %s", message)
	}
	if got := owned(t, second.Name); len(got) > 0 {
		t.Errorf("%d objects were made", len(got))
	}
	remove(t, first)
	awaitGone(t, first)
	awaitCondition(t, second, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
}

func TestForeignCSIDriver(t *testing.T) {
	t.Parallel()
	d := driver(t)
	conflict(t, d, &storagev1.CSIDriver{
		ObjectMeta: metav1.ObjectMeta{Name: d.Name},
		Spec:       storagev1.CSIDriverSpec{AttachRequired: new(false), PodInfoOnMount: new(true)},
	})
}

func TestForeignStorageClass(t *testing.T) {
	t.Parallel()
	d := driver(t)
	conflict(t, d, &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: d.Name},
		Provisioner: "other.example.com",
	})
}

func TestStorageClassOfAnotherDriver(t *testing.T) {
	t.Parallel()
	d := driver(t)
	conflict(t, d, &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: d.Name, Labels: map[string]string{v1alpha1.LabelDeployment: "other.example.com"}},
		Provisioner: "other.example.com",
	})
}

// conflict asserts that nothing is applied beside a foreign object, that a
// deletion leaves it alone, and that all goes on once it is away.
func conflict(t *testing.T, d *v1alpha1.CSIDriverDeployment, foreign client.Object) {
	t.Helper()
	createNamespace(t, d.Spec.Namespace)
	create(t, foreign)
	version := foreign.GetResourceVersion()
	create(t, volume(d.Name)) // of whoever was here before, and no reason to keep ours

	for range 2 { // the second object of that name follows the removal of the first
		d.ResourceVersion = ""
		create(t, d)
		message := awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonConflict)
		if !strings.Contains(message, fmt.Sprintf("%q", foreign.GetName())) || !strings.Contains(message, "delete it or choose another name") {
			t.Errorf("message: %s", message)
		}
		if got := owned(t, d.Name); len(got) > 0 {
			t.Errorf("%d objects were made beside the foreign one", len(got))
		}
		remove(t, d)
		awaitGone(t, d)
	}
	read(t, client.ObjectKeyFromObject(foreign), foreign)
	if foreign.GetResourceVersion() != version {
		t.Error("the foreign object was changed")
	}

	d.ResourceVersion = ""
	create(t, d)
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonConflict)
	remove(t, foreign)
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
}

// TestRightTakenAway runs alone, since it takes a right from the operator of
// all tests.
func TestRightTakenAway(t *testing.T) {
	role := &rbacv1.ClusterRole{}
	read(t, client.ObjectKey{Name: account}, role)
	whole := slices.Clone(role.Rules)
	role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool {
		return slices.Equal(r.Resources, []string{"volumeattachments/status"})
	})
	if len(role.Rules) != len(whole)-1 {
		t.Fatal("the rule is not there")
	}
	if err := cluster.Update(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	d := driver(t)
	createNamespace(t, d.Spec.Namespace)
	awaitRight(t, false)
	create(t, d)
	message := awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonRBACDenied)
	if !strings.Contains(message, "volumeattachments/status") || !strings.Contains(message, "ClusterRole") {
		t.Errorf("message does not name the rule: %s", message)
	}
	for _, o := range owned(t, d.Name) {
		if k := o.GetKind(); k == "Deployment" || k == "DaemonSet" || k == "StorageClass" {
			t.Errorf("%s was applied without its rights", k)
		}
	}

	leaving := driver(t, func(d *v1alpha1.CSIDriverDeployment) { d.Name += "-leaving" })
	create(t, leaving)
	awaitCondition(t, leaving, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonRBACDenied)
	remove(t, leaving)
	awaitGone(t, leaving)
	awaitKinds(t, leaving)

	read(t, client.ObjectKey{Name: account}, role)
	role.Rules = whole
	if err := cluster.Update(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	awaitRight(t, true)
	change(t, d, func(s *v1alpha1.CSIDriverDeploymentSpec) { s.Controller.Replicas = new(int32(1)) })
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	remove(t, d)
	awaitGone(t, d)
}

// awaitRight waits until the API server knows whether the operator may patch
// the status of VolumeAttachments.
func awaitRight(t *testing.T, want bool) {
	t.Helper()
	await(t, "the API server sees the ClusterRole", func() error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + accountNamespace + ":" + account,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Group: storagev1.GroupName, Resource: "volumeattachments", Subresource: "status", Verb: "patch",
			},
		}}
		if err := cluster.Create(t.Context(), review); err != nil {
			return err
		}
		if review.Status.Allowed != want {
			return fmt.Errorf("allowed is %t", review.Status.Allowed)
		}
		return nil
	})
}
