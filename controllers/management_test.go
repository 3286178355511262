// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

func state(s v1alpha1.ManagementState) func(*v1alpha1.CSIDriverDeploymentSpec) {
	return func(spec *v1alpha1.CSIDriverDeploymentSpec) { spec.ManagementState = s }
}

// TestPlanOnly tells what would be done, and does it when it may.
func TestPlanOnly(t *testing.T) {
	t.Parallel()
	d := driver(t, func(d *v1alpha1.CSIDriverDeployment) { d.Spec.ManagementState = v1alpha1.PlanOnly })
	createNamespace(t, d.Spec.Namespace)
	create(t, d)
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonPlanOnly)
	now := refresh(t, d)
	if now.Status.Plan == nil || len(now.Status.Plan.Changes) != 11 {
		t.Fatalf("plan: %+v", now.Status.Plan)
	}
	for _, c := range now.Status.Plan.Changes {
		if c.Action != "Create" || c.Reason == "" || len(c.Fields) > 0 {
			t.Errorf("planned %+v, want Create", c)
		}
	}
	if got := owned(t, d.Name); len(got) > 0 || len(now.Finalizers) > 0 {
		t.Errorf("%d objects and the finalizers %q were written", len(got), now.Finalizers)
	}

	change(t, d, state(v1alpha1.Managed))
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	if now := refresh(t, d); now.Status.Plan != nil {
		t.Errorf("plan of a managed driver: %+v", now.Status.Plan)
	}
	change(t, d, state(v1alpha1.PlanOnly))
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied)
	merge(t, deployment(t, d), map[string]any{"spec": map[string]any{"replicas": 5}})
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonPlanOnly)
	want := []v1alpha1.PlannedChange{{
		Kind: "Deployment", Namespace: d.Spec.Namespace, Name: deployment(t, d).Name,
		Action: "Heal", Reason: "others have changed it", Fields: []string{"spec.replicas"},
	}}
	if diff := cmp.Diff(want, refresh(t, d).Status.Plan.Changes); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	wake(t, cluster.operator, d)
	if got := *deployment(t, d).Spec.Replicas; got != 5 {
		t.Errorf("replicas are %d: healed in spite of Plan", got)
	}
	change(t, d, state(v1alpha1.Managed))
	await(t, "healed", func() error {
		if got := *deployment(t, d).Spec.Replicas; got != 2 {
			return fmt.Errorf("replicas are %d", got)
		}
		return nil
	})
}

// TestUnmanaged leaves everything alone, and leaves it running when it goes.
func TestUnmanaged(t *testing.T) {
	t.Parallel()
	d := installed(t)
	before := owned(t, d.Name)
	change(t, d, state(v1alpha1.Unmanaged))
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied) // of the new generation
	merge(t, deployment(t, d), map[string]any{"spec": map[string]any{"replicas": 5}})
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	wake(t, cluster.operator, d)
	if now := refresh(t, d); *deployment(t, d).Spec.Replicas != 5 || now.Status.Plan != nil {
		t.Errorf("replicas are %d, plan %+v", *deployment(t, d).Spec.Replicas, now.Status.Plan)
	}

	create(t, volume(d.Name)) // no reason to stay for who leaves all that serves it
	remove(t, d)
	awaitGone(t, d)
	expectReleased(t, before)

	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "left", Namespace: d.Spec.Namespace, Labels: desired.Labels(d.Name, v1alpha1.ComponentController)},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}
	create(t, pod) // of what runs on
	d.ResourceVersion = ""
	create(t, d) // the CSIDriver is nobody's now, and not taken over
	awaitCondition(t, d, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonConflict)
	driver := &storagev1.CSIDriver{}
	read(t, client.ObjectKey{Name: d.Name}, driver)
	if driver.Labels[v1alpha1.LabelDeployment] != "" {
		t.Error("the released CSIDriver was taken over")
	}
	remove(t, d)
	awaitGone(t, d) // it does not wait for pods that are not its own
}

// expectReleased wants objects to be there without what makes them the operator's.
func expectReleased(t *testing.T, before []unstructured.Unstructured) {
	t.Helper()
	for _, o := range before {
		now, err := reread(t, o)
		if err != nil {
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
			continue
		}
		for key := range now.GetLabels() {
			if slices.Contains([]string{v1alpha1.LabelDeployment, v1alpha1.LabelComponent, v1alpha1.LabelManagedBy}, key) {
				t.Errorf("%s %s keeps label %s", o.GetKind(), o.GetName(), key)
			}
		}
	}
}

// TestReplacedByUnmanaged: who replaces the whole object takes our finalizer away with
// it, and what was installed is released all the same.
func TestReplacedByUnmanaged(t *testing.T) {
	t.Parallel()
	d := installed(t)
	awaitCalm(t, cluster.operator, d)
	before := owned(t, d.Name)
	replaced := refresh(t, d)
	replaced.Finalizers, replaced.Spec.ManagementState = nil, v1alpha1.Unmanaged
	if err := cluster.Update(t.Context(), replaced); err != nil {
		t.Fatal(err)
	}
	await(t, "the finalizer is back", func() error {
		if f := refresh(t, d).Finalizers; len(f) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	remove(t, d)
	awaitGone(t, d)
	expectReleased(t, before)
}
